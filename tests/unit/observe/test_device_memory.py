"""What DCGM tells of a pod's devices joins the reading of its engine."""

from collections.abc import Mapping

import pytest
from tests.conftest import MakeReading

from v4operator.model.reading import DeviceMemory
from v4operator.model.units import MIB
from v4operator.observe.device_memory import device_memory, device_query, with_devices
from v4operator.observe.promql import PromSeries

_USED, _FREE = "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"


def _series(name: str, value: float, **labels: str) -> PromSeries:
    return PromSeries(labels={"__name__": name, **labels}, samples=((1000.0, value),))


def _told(used: float | None, free: float | None) -> DeviceMemory:
    return DeviceMemory(
        weights_bytes=None,
        graphs_bytes=None,
        free_after_start_bytes=None,
        device_used_bytes=used,
        device_free_bytes=free,
    )


@pytest.mark.parametrize(
    "labels",
    [{"pod": "flash-0"}, {"pod": "dcgm-exporter-x", "exported_pod": "flash-0"}],
    ids=["honoured", "renamed"],
)
def test_the_fullest_device_of_a_pod_counts_in_bytes(labels: Mapping[str, str]) -> None:
    found = device_memory(
        [
            _series(_USED, 120_000, gpu="0", **labels),
            _series(_USED, 130_000, gpu="1", **labels),
            _series(_FREE, 23_000, gpu="0", **labels),
            _series(_FREE, 13_000, gpu="1", **labels),
        ]
    )
    assert found == {"flash-0": _told(130_000 * MIB, 13_000 * MIB)}


@pytest.mark.parametrize("value", [float("nan"), -1.0], ids=["nan", "negative"])
def test_what_is_no_figure_is_absent_and_not_zero(value: float) -> None:
    found = device_memory([_series(_USED, value, pod="a"), _series(_FREE, 5.0, pod="a")])
    assert found == {"a": _told(None, 5.0 * MIB)}
    assert device_memory([_series(_USED, value, pod="a")]) == {}


def test_a_device_that_holds_nothing_is_told_as_that() -> None:
    assert device_memory([_series(_USED, 0.0, pod="a")]) == {"a": _told(0.0, None)}


def test_the_engines_own_figures_stay_beside_the_devices(make_reading: MakeReading) -> None:
    own = DeviceMemory(weights_bytes=7.0, graphs_bytes=None, free_after_start_bytes=9.0)
    joined = with_devices(make_reading(memory=own), _told(3.0, 4.0)).memory
    assert joined is not None
    assert (joined.weights_bytes, joined.free_after_start_bytes) == (7.0, 9.0)
    assert (joined.device_used_bytes, joined.device_free_bytes) == (3.0, 4.0)
    assert with_devices(make_reading(memory=None), _told(3.0, 4.0)).memory == _told(3.0, 4.0)
    assert with_devices(make_reading(memory=own), None).memory == own


def test_the_query_names_pods_literally_under_both_spellings_of_the_labels() -> None:
    query = device_query('m"l', ["flash-0", "flash-1"], [("cluster", "eu")])
    names = f'__name__=~"{_USED}|{_FREE}"'
    assert query == (
        f'{{{names},exported_pod=~"flash\\\\-0|flash\\\\-1",exported_namespace="m\\"l",'
        'cluster="eu"} or '
        f'{{{names},pod=~"flash\\\\-0|flash\\\\-1",namespace="m\\"l",cluster="eu"}}'
    )


def test_a_series_without_a_name_tells_of_no_device() -> None:
    assert device_memory([PromSeries(labels={"pod": "a"}, samples=((1.0, 5.0),))]) == {}
