"""The question turned round: the smallest replica that fits, per device, and its price.

Speed comes from published profiles of the same checkpoint, device and size; there is none without.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from v4operator.estimate.hbm_config import Configuration, Unresolved, resolve
from v4operator.estimate.hbm_remedies import layouts
from v4operator.estimate.hbm_verdict import evaluate
from v4operator.model.catalogue import Accelerator, Catalogue, PerformanceProfile
from v4operator.model.deployment import MemoryPlan
from v4operator.model.hbm import HbmReport
from v4operator.model.layout import Layout

_COUNTS = (1, 2, 4, 8, 16, 32)  # no published recipe has a replica of more devices
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A layout that fits. Speed is that of a full replica at the planned context."""

    accelerator: Accelerator
    devices: int
    layout: Layout
    report: HbmReport
    sequences: int | None
    decode_tokens_per_second: float | None
    usd_per_hour: float | None
    usd_per_million_tokens: float | None


def smallest_layouts(
    plan: MemoryPlan, catalogue: Catalogue, accelerators: tuple[Accelerator, ...]
) -> tuple[Fit, ...]:
    """For each device, the layouts of the smallest replica that does what `plan` asks.

    Larger ones follow where their speed was published, as that is what a price can be told for.
    `plan.accelerator`, `plan.devices` and `plan.layout` are not looked at.
    """
    return tuple(fit for device in accelerators for fit in _smallest(plan, device, catalogue))


def _smallest(plan: MemoryPlan, device: Accelerator, catalogue: Catalogue) -> Iterator[Fit]:
    config = resolve(replace(plan, accelerator=device.name), catalogue)
    if isinstance(config, Unresolved):
        return
    found = False
    for devices in _COUNTS:
        if found and _profile(config, devices, catalogue) is None:
            continue
        for fit in _fitting(config, devices, catalogue):
            found = True
            yield fit


def _fitting(config: Configuration, devices: int, catalogue: Catalogue) -> Iterator[Fit]:
    for layout in layouts(devices):
        report = evaluate(replace(config, devices=devices, layout=layout))
        if report.verdict.fits:
            yield _priced(config, devices, layout, report, catalogue)


def _priced(
    config: Configuration, devices: int, layout: Layout, report: HbmReport, catalogue: Catalogue
) -> Fit:
    profile = _profile(config, devices, catalogue)
    most = report.max_concurrency or 0
    sequences = min(most, profile.max_running_requests) if profile else None
    speed = _speed(profile, sequences, config.context_tokens)
    price = config.accelerator.price_usd_per_hour
    hourly = price.value * devices if price else None
    per_million = hourly / (speed * _SECONDS_PER_HOUR) * 1e6 if hourly and speed else None
    return Fit(
        accelerator=config.accelerator,
        devices=devices,
        layout=layout,
        report=report,
        sequences=sequences,
        decode_tokens_per_second=speed,
        usd_per_hour=hourly,
        usd_per_million_tokens=per_million,
    )


def _profile(
    config: Configuration, devices: int, catalogue: Catalogue
) -> PerformanceProfile | None:
    """Any engine's: published points are few, and the step-time law is mostly the device's."""
    wanted = (config.checkpoint.name, config.accelerator.name, devices)
    return next(
        (p for p in catalogue.profiles if (p.checkpoint, p.accelerator, p.devices) == wanted), None
    )


def _speed(
    profile: PerformanceProfile | None, sequences: int | None, context_tokens: int
) -> float | None:
    if profile is None or not sequences:
        return None
    return profile.step.decode_tokens_per_second(
        sequences=sequences,
        kv_tokens=float(sequences * context_tokens),
        prefill_tokens_per_second=0.0,
    )
