"""Memory of devices as NVIDIA's DCGM exporter tells it, out of a Prometheus. Pure.

By pod and device, in MiB. A Prometheus that does not honour the exporter's labels renames the pod's
to `exported_pod`, and `pod` is then the exporter's own.
"""

from collections.abc import Iterable
from dataclasses import replace

from v4operator.model.reading import DeviceMemory, EngineReading
from v4operator.model.units import MIB
from v4operator.observe.promql import PromSeries, alternatives, escaped

_USED, _FREE = "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"
_POD_LABELS = (("exported_pod", "exported_namespace"), ("pod", "namespace"))


def device_query(namespace: str, pods: Iterable[str], matchers: Iterable[tuple[str, str]]) -> str:
    """A query of used and free memory of every device of these pods."""
    named = alternatives(pods)
    more = "".join(f',{name}="{escaped(value)}"' for name, value in sorted(matchers))
    return " or ".join(
        f'{{__name__=~"{_USED}|{_FREE}",{pod}=~"{named}",{space}="{escaped(namespace)}"{more}}}'
        for pod, space in _POD_LABELS
    )


def device_memory(series: Iterable[PromSeries]) -> dict[str, DeviceMemory]:
    """Of each pod's fullest device, in bytes; a pod whose devices nobody tells is not there."""
    found: dict[str, dict[str, list[float]]] = {}
    for each in series:
        values = [value for _, value in each.samples if value >= 0.0]  # false for NaN
        name = each.labels.get("__name__")
        if values and name is not None:
            figures = found.setdefault(_pod(each), {})
            figures.setdefault(name, []).append(values[-1] * MIB)
    return {
        pod: DeviceMemory(
            weights_bytes=None,
            graphs_bytes=None,
            free_after_start_bytes=None,
            device_used_bytes=max(figures.get(_USED, ()), default=None),
            device_free_bytes=min(figures.get(_FREE, ()), default=None),
        )
        for pod, figures in found.items()
    }


def with_devices(reading: EngineReading, told: DeviceMemory | None) -> EngineReading:
    """The reading with what the devices themselves tell beside what the engine reports."""
    if told is None:
        return reading
    own = reading.memory
    if own is not None:
        told = replace(
            own,
            device_used_bytes=told.device_used_bytes,
            device_free_bytes=told.device_free_bytes,
        )
    return replace(reading, memory=told)


def _pod(series: PromSeries) -> str:
    return next((series.labels[pod] for pod, _ in _POD_LABELS if pod in series.labels), "")
