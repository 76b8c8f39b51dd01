"""Alerts on the promised latency: how fast the error budget of thirty days burns.

Rates and windows are those of the SRE workbook ("Alerting on SLOs", multi-window, multi-burn-rate):
a long window for weight, a short one so that it resolves soon after the cause is gone.
"""

from dataclasses import dataclass

from v4operator.rulegen.durations import Durations
from v4operator.rulegen.records import burn_windows
from v4operator.rulegen.rule import (
    DEPLOYMENT,
    FLEET,
    PER_CENT,
    Alert,
    Group,
    Severity,
    of_deployment,
    where,
)

_ENOUGH = 30.0
"""Requests (or tokens) in the long window; fewer say nothing about a share of one in a hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Burn:
    """One pair of windows, and what burning so fast for the long one takes from the budget."""

    factor: float
    long: str
    short: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promise:
    """One objective: its value of `slo`, the alert's name, and how a person calls it."""

    slo: str
    alert: str
    words: str
    next_step: str


_BURNS = (
    _Burn(factor=14.4, long="1h", short="5m", severity=Severity.CRITICAL),
    _Burn(factor=6.0, long="6h", short="30m", severity=Severity.CRITICAL),
    _Burn(factor=3.0, long="1d", short="2h", severity=Severity.WARNING),
    _Burn(factor=1.0, long="3d", short="6h", severity=Severity.WARNING),
)
_PROMISES = (
    _Promise(
        slo="ttft",
        alert="V4TTFTBudgetBurn",
        words="the first token",
        next_step="Requests wait or prefill is slow: look at the queues and at what limits the"
        " count.",
    ),
    _Promise(
        slo="inter-token-latency",
        alert="V4InterTokenLatencyBudgetBurn",
        words="the tokens after it",
        next_step="Batches are too large or a device is slow: look at running requests and at"
        " speeds.",
    ),
)


def alerts(durations: Durations) -> Group:
    """Two objectives, four speeds each."""
    waits = {
        "1h": durations.soon,
        "6h": durations.blocked,
        "1d": durations.burn_1h,
        "3d": 3 * durations.burn_1h,
    }
    return Group(
        name="v4-objectives.alerts",
        rules=tuple(
            _burning(promise, burn, durations, waits[burn.long])
            for promise in _PROMISES
            for burn in _BURNS
        ),
    )


def _burning(promise: _Promise, burn: _Burn, durations: Durations, after: float) -> Alert:
    long = burn_windows(durations)[burn.long]
    enough = f"{_of('requests', burn.long, promise.slo)} * {long:g} > {_ENOUGH:g}"
    exhausted = f"{_missed(burn.long, promise.slo)} > {_allowed(burn, promise.slo)}"
    still = f"({_missed(burn.short, promise.slo)} > {_allowed(burn, promise.slo)})"
    return Alert(
        name=promise.alert,
        severity=burn.severity,
        expr=f"{exhausted} {where(DEPLOYMENT, still)} {where(DEPLOYMENT, f'({enough})')}",
        after=after,
        summary=f"The objective for {promise.words} is missed faster than promised.",
        description=f"{FLEET} missed its objective for {promise.words} with"
        f" {PER_CENT} of what it served in the last {burn.long}, more than"
        f" {burn.factor:g} times what is promised. {promise.next_step}",
        labels={"window": burn.long},
    )


def _missed(window: str, slo: str) -> str:
    return f'v4deployment:v4_slo_missed:ratio_rate{window}{{slo="{slo}"}}'


def _of(what: str, window: str, slo: str) -> str:
    return f'v4deployment:v4_slo_{what}:rate{window}{{slo="{slo}"}}'


def _allowed(burn: _Burn, slo: str) -> str:
    target = of_deployment(f'v4_slo_target_ratio{{slo="{slo}"}}')
    return f"on ({DEPLOYMENT}) group_left () {burn.factor:g} * (1 - {target})"
