"""Findings beside the decision: memory that does not fit, and configuration that can never act.

Each case has a name, what was found and what would help. Pure; nothing here changes the count.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum

from v4operator.decide.fleet import is_overdue
from v4operator.estimate.live_words import sentence
from v4operator.model.deployment import ScalingMode
from v4operator.model.forecast import Forecast
from v4operator.model.hbm import Finding, HbmVerdict
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.reading import Engine
from v4operator.model.replica import Phase

# Engines whose metrics are those of another, or of several (NIM 2.x passes its backend's on).
_ANSWERS_AS = {
    "vllm-ascend": frozenset({Engine.VLLM.value}),
    "nim": frozenset({Engine.NIM.value, Engine.VLLM.value, Engine.SGLANG.value}),
    "mlx": frozenset({Engine.VLLM_MLX.value}),
}


class FindingReason(StrEnum):
    """Findings that `decide` itself makes; the HBM check and the estimate add their own."""

    HBM_BUDGET_EXCEEDED = "HBMBudgetExceeded"
    MINIMUM_EQUALS_MAXIMUM = "MinimumEqualsMaximum"
    NO_SCALE_TARGET = "NoScaleTarget"
    NO_ENDPOINTS = "NoEndpoints"
    METRICS_NOT_FOUND = "MetricsNotFound"
    PORT_CLOSED = "PortClosed"
    NOT_AN_ENGINE = "NotAnEngine"
    ENGINE_MISMATCH = "EngineMismatch"


def findings(observation: Observation, forecast: Forecast) -> tuple[Finding, ...]:
    """All findings, the memory's first; those of the forecast and of its HBM report included."""
    own = (finding for check in _CHECKS for finding in check(observation, forecast))
    live = forecast.live_hbm.findings if forecast.live_hbm else ()
    return (*own, *forecast.hbm.findings, *live, *forecast.findings)


def hbm_budget(_: Observation, forecast: Forecast) -> Iterator[Finding]:
    """The report's own sentence; its first hint says what would fit."""
    report = forecast.hbm
    if report.verdict is HbmVerdict.UNKNOWN or report.verdict.fits:
        return
    hint = next((f.hint for f in report.findings if f.hint), None)
    yield Finding(reason=FindingReason.HBM_BUDGET_EXCEEDED, message=report.sentence, hint=hint)


def live_hbm_budget(_: Observation, forecast: Forecast) -> Iterator[Finding]:
    """A running replica holds more than the budget, whatever was planned."""
    live = forecast.live_hbm
    if live is not None and live.exceeds:
        yield Finding(
            reason=FindingReason.HBM_BUDGET_EXCEEDED,
            message=f"Live: {sentence(live)}",
            hint="lower the engine's memory fraction, or raise hbm.budget",
        )


def minimum_equals_maximum(observation: Observation, _: Forecast) -> Iterator[Finding]:
    """Automatic scaling between equal bounds never acts."""
    scaling = observation.deployment.scaling
    if scaling.mode is ScalingMode.AUTOMATIC and scaling.min_replicas == scaling.max_replicas:
        yield Finding(
            reason=FindingReason.MINIMUM_EQUALS_MAXIMUM,
            message=f"minReplicas and maxReplicas are both {scaling.min_replicas}:"
            " automatic scaling has nothing to decide",
            hint="raise maxReplicas, or set scaling.mode to Recommend",
        )


def no_scale_target(observation: Observation, _: Forecast) -> Iterator[Finding]:
    """Endpoints by address behave as Recommend, whatever the mode says."""
    automatic = observation.deployment.scaling.mode is ScalingMode.AUTOMATIC
    if automatic and observation.workload.desired is None:
        yield Finding(
            reason=FindingReason.NO_SCALE_TARGET,
            message="scaling.mode is Automatic, but nobody here can set the count of this workload",
            hint="give a workload that can be scaled, or set scaling.mode to Recommend",
        )


def no_endpoints(observation: Observation, _: Forecast) -> Iterator[Finding]:
    """Nothing is there to be watched, and nothing is asked for."""
    if not observation.replicas and not observation.workload.desired:
        yield Finding(
            reason=FindingReason.NO_ENDPOINTS,
            message="the workload has no replicas: nothing is scraped",
            hint="list the engines' URLs under workload.endpoints",
        )


def unreachable(observation: Observation, forecast: Forecast) -> Iterator[Finding]:
    """Every replica fails for one telling cause: then the configuration is what is wrong."""
    failing = [r for r in observation.replicas if _should_answer(r, observation, forecast)]
    if not failing or observation.fresh:
        return
    for reason, sign, message, hint in _SIGNS:
        if all(sign in (r.unknown or "") for r in failing):
            where = f"port {observation.deployment.metrics_port}, path"
            path = observation.deployment.metrics_path
            found = f"{message} by all {len(failing)} replicas ({where} {path})"
            yield Finding(reason=reason, message=found, hint=hint)
            return


def engine_mismatch(observation: Observation, _: Forecast) -> Iterator[Finding]:
    """The metrics say which engine runs; the resource may say another."""
    declared = observation.deployment.memory.engine.lower()
    answers = _ANSWERS_AS.get(declared, frozenset({declared}))
    found = {
        r.replica.name: r.reading.engine.value
        for r in observation.replicas
        if r.reading is not None and r.reading.engine.value not in answers
    }
    if found:
        names = ", ".join(f"{name} runs {engine}" for name, engine in sorted(found.items()))
        yield Finding(
            reason=FindingReason.ENGINE_MISMATCH,
            message=f"engine.name is {declared}, but {names}",
            hint="set engine.name to what runs: memory and throughput are modelled by engine",
        )


Check = Callable[[Observation, Forecast], Iterator[Finding]]

_CHECKS: tuple[Check, ...] = (
    hbm_budget,
    live_hbm_budget,
    minimum_equals_maximum,
    no_scale_target,
    no_endpoints,
    unreachable,
    engine_mismatch,
)

# What the text of a failed scrape contains, in the words of HTTP and the operating system, and what
# it means if it is the same everywhere.
_SIGNS = (
    (
        FindingReason.METRICS_NOT_FOUND,
        "404",
        "the metrics path is answered with 404",
        "start SGLang with --enable-metrics, or set engine.metrics.path",
    ),
    (
        FindingReason.PORT_CLOSED,
        "refused",
        "the metrics port is refused",
        "set engine.metrics.port to the engine's port, or check that it listens on that address",
    ),
    (
        FindingReason.NOT_AN_ENGINE,
        "not an engine",
        "the metrics path is answered, but not with an engine's metrics,",
        "set engine.metrics.port and path to the engine's own",
    ),
)


def _should_answer(
    replica: ReplicaObservation, observation: Observation, forecast: Forecast
) -> bool:
    """Whether silence cannot be a start: an answer of any kind, ready, or overdue."""
    if replica.replica.phase is Phase.DRAINING or replica.unknown is None:
        return False
    refused = "refused" in replica.unknown
    ready = replica.replica.phase is Phase.READY
    return ready or not refused or is_overdue(replica, observation.now, forecast.start_up_seconds)
