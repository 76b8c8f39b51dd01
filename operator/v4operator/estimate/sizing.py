"""A demand -> how many replicas of each published profile, at what cost and latency. Pure.

Memory by `hbm`, speed by the profile's law, capacity at the objective by `throughput`, prices from
the catalogue. The start of a plan, before anything runs: a running fleet is sized by `forecast`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from math import ceil

from v4operator.catalogue.resolve import find_accelerator, find_checkpoint
from v4operator.estimate.calibration import fit_from_prior
from v4operator.estimate.economics import BreakEven, Traffic, break_even, usd_per_million_tokens
from v4operator.estimate.hbm import check
from v4operator.estimate.hbm_config import FP4_FORMATS
from v4operator.estimate.hbm_remedies import layouts
from v4operator.estimate.profiles import Operation, at_rate, mix_of_shape
from v4operator.estimate.roofline import DecodeStep, most_decode_tokens_per_second
from v4operator.estimate.throughput import capacity, prompt_seconds, ttft_is_attainable
from v4operator.estimate.trust import Trust, trust
from v4operator.model.catalogue import Catalogue, Checkpoint, PerformanceProfile
from v4operator.model.deployment import MemoryPlan, Objectives
from v4operator.model.forecast import Capacity, Mix
from v4operator.model.hbm import Finding, HbmReport
from v4operator.model.layout import Layout

_MOST_VERIFIED_TOKENS = 8.0  # DSpark with 7 draft tokens, the most of any published recipe
_WHOLE = 1e-9  # a need of 3.0000000001 replicas is three


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is asked for: requests a second of one shape, and what each is promised."""

    requests_per_second: float
    traffic: Traffic
    objectives: Objectives


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """One way to serve a workload.

    `replicas` is `None` where no number of them keeps the objectives or one does not fit; the
    findings say why. `capacity` is one replica at the objective, `operation` one of `replicas` at
    the workload. Dollars are those of the whole fleet at the workload. `break_even` holds one row
    for each dated API price of the same model, at the fleet's capacity.
    """

    profile: PerformanceProfile
    layout: Layout
    report: HbmReport
    trust: Trust
    replicas: int | None = None
    capacity: Capacity | None = None
    operation: Operation | None = None
    usd_per_hour: float | None = None
    usd_per_million_tokens: float | None = None
    usd_per_million_answer_tokens: float | None = None
    break_even: tuple[BreakEven, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def utilization_ratio(self) -> float | None:
        """The workload's share of what the fleet could do while it keeps the objectives."""
        if self.capacity is None or self.operation is None:
            return None
        return self.operation.requests_per_second / self.capacity.requests_per_second


def sizings(
    workload: Workload,
    plan: MemoryPlan,
    catalogue: Catalogue,
    *,
    as_of: date,
    layout: Layout | None = None,
) -> tuple[Sizing, ...]:
    """Every profile that speaks of `plan.checkpoint`, cheapest first, those that do not serve last.

    `plan.accelerator` bounds the devices unless it is empty, `layout` the devices of a replica.
    An empty `plan.engine` is the profile's own. `plan.devices`, `plan.layout` and
    `plan.concurrency` are not looked at; `as_of` is the day that ages are counted to.
    """
    found = [
        _sizing(workload, plan, catalogue, profile, layout, as_of)
        for profile in relevant_profiles(plan, catalogue)
        if layout is None or layout.devices == profile.devices
    ]
    return tuple(sorted(found, key=_order))


def relevant_profiles(plan: MemoryPlan, catalogue: Catalogue) -> Iterator[PerformanceProfile]:
    """Profiles of the checkpoint, else of one of its family with experts of the same width."""
    wanted = find_checkpoint(catalogue, plan.checkpoint)
    device = find_accelerator(catalogue, plan.accelerator)
    if wanted is None:
        return
    exact = {(p.accelerator, p.devices) for p in catalogue.profiles if p.checkpoint == wanted.name}
    for profile in catalogue.profiles:
        other = find_checkpoint(catalogue, profile.checkpoint)
        own = profile.checkpoint == wanted.name
        stands_in = (profile.accelerator, profile.devices) not in exact and _alike(wanted, other)
        if (own or stands_in) and device in {
            None,
            find_accelerator(catalogue, profile.accelerator),
        }:
            yield profile


def _alike(wanted: Checkpoint, other: Checkpoint | None) -> bool:
    if other is None or other.family != wanted.family:
        return False
    formats = {wanted.expert_format, other.expert_format}
    return len(formats) == 1 or formats <= FP4_FORMATS


def _order(sizing: Sizing) -> tuple[bool, float, int]:
    cost = sizing.usd_per_hour if sizing.usd_per_hour is not None else float("inf")
    return sizing.replicas is None, cost, (sizing.replicas or 1) * sizing.profile.devices


def _sizing(
    workload: Workload,
    plan: MemoryPlan,
    catalogue: Catalogue,
    profile: PerformanceProfile,
    layout: Layout | None,
    as_of: date,
) -> Sizing:
    engine = plan.engine or profile.engine
    report = _report(replace(plan, engine=engine), catalogue, profile, layout)
    found = Sizing(
        profile=profile,
        layout=report.layout or layout or Layout(tensor=profile.devices),
        report=report,
        trust=trust(
            profile,
            checkpoint=plan.checkpoint,
            engine=engine,
            engine_version=report.engine_version,
            as_of=as_of,
        ),
    )
    if not report.verdict.fits:
        reason = Finding(reason=report.verdict.reason, message=report.sentence)
        return replace(found, findings=(reason,))
    traffic = workload.traffic
    mix = mix_of_shape(
        traffic.prompt_tokens, traffic.answer_tokens, cache_hit_ratio=traffic.cache_hit_ratio
    )
    broken = tuple(_unattainable(profile, mix, workload.objectives))
    if broken:
        return replace(found, findings=broken)
    return _served(found, workload, mix, catalogue)


def _report(
    plan: MemoryPlan, catalogue: Catalogue, profile: PerformanceProfile, layout: Layout | None
) -> HbmReport:
    """The first layout that fits, the profile's own before others; else the first of them."""
    usual = sorted(layouts(profile.devices), key=lambda each: each.label != profile.layout)
    tried = [layout] if layout else usual
    plan = replace(plan, accelerator=profile.accelerator, devices=profile.devices, concurrency=1)
    reports = [check(replace(plan, layout=each), catalogue) for each in tried]
    return next((report for report in reports if report.verdict.fits), reports[0])


def _unattainable(
    profile: PerformanceProfile, mix: Mix, objectives: Objectives
) -> Iterator[Finding]:
    law = profile.step
    alone = law.seconds(sequences=1, kv_tokens=mix.context_tokens, prefill_tokens=0)
    if alone > objectives.inter_token_latency_seconds:
        yield Finding(
            reason="InterTokenLatencyUnattainable",
            message=f"One request alone has {1e3 * alone:.1f} ms between tokens; the objective is "
            f"{1e3 * objectives.inter_token_latency_seconds:g} ms.",
            hint="More replicas do not help: allow more time, or take faster devices.",
        )
    if not ttft_is_attainable(law, mix, objectives):
        seconds = prompt_seconds(law, mix, law.base_seconds)
        yield Finding(
            reason="TTFTUnattainable",
            message=f"A prompt of {mix.prompt_tokens:,.0f} tokens takes {seconds:.1f} s on an idle "
            f"replica; the objective is {objectives.ttft_seconds:g} s.",
            hint="More replicas do not help: allow more time, or raise the prefix cache's hits.",
        )


def _served(found: Sizing, workload: Workload, mix: Mix, catalogue: Catalogue) -> Sizing:
    profile, rate = found.profile, workload.requests_per_second
    carried = capacity(
        fit_from_prior(profile),
        mix,
        workload.objectives,
        pool=found.report.pool,
        max_running=profile.max_running_requests,
    )
    replicas = max(1, ceil(rate / carried.requests_per_second - _WHOLE))
    operation = at_rate(
        profile.step,
        mix,
        rate / replicas,
        limit=carried.sequences + _WHOLE,
        attainment=workload.objectives.attainment,
    )
    sized = replace(
        found,
        replicas=replicas,
        capacity=carried,
        operation=operation,
        findings=tuple(_implausible(found, carried, mix, catalogue)),
    )
    return _priced(sized, workload, carried.requests_per_second * replicas, catalogue)


def _implausible(
    found: Sizing, carried: Capacity, mix: Mix, catalogue: Catalogue
) -> Iterator[Finding]:
    """A law that is faster than the memory of the device can be is wrong, whoever fitted it."""
    served = find_checkpoint(catalogue, found.profile.checkpoint)
    device = find_accelerator(catalogue, found.profile.accelerator)
    if served is None or device is None:
        return
    step = DecodeStep(
        sequences=carried.sequences,
        context_tokens=mix.context_tokens,
        verified_tokens=_MOST_VERIFIED_TOKENS,
    )
    most = most_decode_tokens_per_second(served, device, found.layout, step)
    if most is not None and carried.decode_tokens_per_second > most:
        yield Finding(
            reason="ImplausibleProfile",
            message=f"The profile's {carried.decode_tokens_per_second:,.0f} tok/s are above the "
            f"{most:,.0f} that the device's bandwidth and arithmetic allow.",
            hint="Look for a wrong unit or a wrong device in the profile.",
        )


def _priced(
    sized: Sizing, workload: Workload, fleet_requests_per_second: float, catalogue: Catalogue
) -> Sizing:
    device = find_accelerator(catalogue, sized.profile.accelerator)
    price = device.price_usd_per_hour if device else None
    if price is None or sized.replicas is None:
        return sized
    traffic = workload.traffic
    hourly = price.value * sized.profile.devices * sized.replicas
    answers = workload.requests_per_second * traffic.answer_tokens
    tokens = workload.requests_per_second * traffic.total_tokens
    full = fleet_requests_per_second * traffic.total_tokens
    return replace(
        sized,
        usd_per_hour=hourly,
        usd_per_million_tokens=usd_per_million_tokens(hourly, tokens),
        usd_per_million_answer_tokens=usd_per_million_tokens(hourly, answers),
        break_even=tuple(
            break_even(api, traffic, usd_per_hour=hourly, tokens_per_second=full)
            for api in catalogue.published.api_prices
            if api.product == _product(sized.profile, catalogue)
        ),
    )


def _product(profile: PerformanceProfile, catalogue: Catalogue) -> str | None:
    """The hosted API sells each family under its name."""
    served = find_checkpoint(catalogue, profile.checkpoint)
    return served.family if served else None
