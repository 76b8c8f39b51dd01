"""What is exported of one replica: the tables of its gauges, state sets and counters."""

from collections.abc import Callable, Iterator

from v4operator.decide.fleet import is_overdue
from v4operator.model.forecast import ReplicaForecast, ThroughputVerdict
from v4operator.model.observation import Interval
from v4operator.model.reading import EngineReading
from v4operator.model.replica import Phase
from v4operator.report.families import Family, Kind, Row, counter, gauge, states
from v4operator.report.replica_totals import ReplicaCount
from v4operator.report.seen import SeenReplica

_ENGINE = "the engine's metrics"
_WORKLOAD = "the workload"
_MODEL = "the capacity model"
_SCRAPER = "the operator's scrapes"

_READING_FIGURES = frozenset(EngineReading.__dataclass_fields__)


def _read(
    pick: Callable[[EngineReading], float | None],
) -> Callable[[SeenReplica], float | None]:
    return lambda seen: None if seen.reading is None else pick(seen.reading)


def _told(
    pick: Callable[[ReplicaForecast], float | None],
) -> Callable[[SeenReplica], float | None]:
    return lambda seen: None if seen.forecast is None else pick(seen.forecast)


def _count(count: ReplicaCount) -> Callable[[SeenReplica], float | None]:
    return lambda seen: seen.counts.get(count)


def context_of(interval: Interval | None) -> tuple[float, float] | None:
    """KV tokens and running requests, means of an interval; `None` where nothing ran in it."""
    if interval is None or interval.kv_tokens_mean is None or not interval.running_mean:
        return None
    return interval.kv_tokens_mean, interval.running_mean


def _context(seen: SeenReplica) -> float | None:
    held = context_of(seen.observed.recent) if seen.observed.fresh else None
    return None if held is None else held[0] / held[1]


def _accepted_length(seen: SeenReplica) -> float | None:
    """Over five minutes, or over the last one while there are no five."""
    if not seen.observed.fresh:
        return None
    over = seen.observed.slow or seen.observed.recent
    return over.accept_length if over else None


def _overdue(seen: SeenReplica) -> float:
    phase = seen.observed.replica.phase
    if phase in {Phase.PENDING, Phase.STARTING}:
        return float(is_overdue(seen.observed, seen.now, seen.start_up_seconds))
    return float(phase is Phase.CRASHED)


def _missing(seen: SeenReplica) -> Iterator[Row]:
    """Fields of a reading only: of single ranks there may be hundreds."""
    for gap in seen.reading.missing if seen.reading else ():
        if gap.name.partition(".")[0] in _READING_FIGURES:
            yield (gap.name,), 1.0


def _scrapes(seen: SeenReplica) -> Iterator[Row]:
    for result, count in (
        ("good", ReplicaCount.GOOD_SCRAPES),
        ("failed", ReplicaCount.FAILED_SCRAPES),
    ):
        if count in seen.counts:
            yield (result,), seen.counts[count]


REPLICA_GAUGES: tuple[Family[SeenReplica], ...] = (
    gauge(
        "v4_replica_up",
        "Whether the replica's metrics are fresh (1) or not (0).",
        _SCRAPER,
        lambda seen: float(seen.observed.fresh),
    ),
    gauge(
        "v4_replica_ready",
        "Whether the replica serves (1) or is starting, blocked or leaving (0).",
        _WORKLOAD,
        lambda seen: float(seen.observed.replica.phase is Phase.READY),
    ),
    states(
        "v4_replica_phase",
        "Where the replica is in its life: 1 for the phase that holds.",
        _WORKLOAD,
        label="phase",
        values=tuple(phase.value for phase in Phase),
        held=lambda seen: seen.observed.replica.phase.value,
    ),
    gauge(
        "v4_replica_overdue",
        "1 where the replica starts for longer than three learned start-ups, or has crashed.",
        _WORKLOAD,
        _overdue,
    ),
    gauge(
        "v4_replica_created_timestamp_seconds",
        "When the replica was created; where nobody runs it, when it was first seen up.",
        _WORKLOAD,
        lambda seen: seen.observed.replica.created_at,
    ),
    gauge(
        "v4_replica_routable",
        "Whether requests are routed to the replica.",
        _WORKLOAD,
        lambda seen: float(seen.observed.replica.routable),
    ),
    gauge(
        "v4_replica_metrics_age_seconds",
        "Age of the last good reading of the replica's metrics.",
        _SCRAPER,
        lambda seen: seen.observed.age_seconds,
    ),
    gauge(
        "v4_replica_running_requests",
        "Requests that the engine is running.",
        _ENGINE,
        _read(lambda reading: reading.running_requests),
    ),
    gauge(
        "v4_replica_waiting_requests",
        "Requests that wait inside the engine.",
        _ENGINE,
        _read(lambda reading: reading.waiting_requests),
    ),
    gauge(
        "v4_replica_kv_cache_usage_ratio",
        "Share of the KV cache in use, of the fullest rank.",
        _ENGINE,
        _read(lambda reading: reading.kv_usage_ratio),
    ),
    gauge(
        "v4_replica_kv_capacity_tokens",
        "Tokens that the KV cache holds as the engine reports it, summed over ranks; vLLM's is a "
        "planner's figure at the maximum length.",
        _ENGINE,
        _read(lambda reading: reading.kv_capacity_tokens),
    ),
    gauge(
        "v4_replica_mean_context_tokens",
        "Mean context of the running requests over the last minute.",
        _ENGINE,
        _context,
    ),
    gauge(
        "v4_replica_accepted_length_ratio",
        "Tokens that a step yields per request, 1 + accepted / drafts, over the last minutes; "
        "absent without speculative decoding.",
        _ENGINE,
        _accepted_length,
    ),
    gauge(
        "v4_replica_decode_tokens_per_second",
        "Decode speed over the last minutes.",
        _ENGINE,
        _told(lambda told: told.observed_tokens_per_second),
    ),
    gauge(
        "v4_replica_expected_decode_tokens_per_second",
        "Decode speed that the capacity model expects at the same batch, context and prefill.",
        _MODEL,
        _told(lambda told: told.expected_tokens_per_second),
    ),
    gauge(
        "v4_replica_decode_efficiency_ratio",
        "Observed over expected decode tokens; absent while it cannot be told.",
        _MODEL,
        _told(lambda told: told.efficiency_ratio),
    ),
    gauge(
        "v4_replica_speed_ratio",
        "What the replica counts for in capacity, in healthy replicas.",
        _MODEL,
        _told(lambda told: told.speed_ratio),
    ),
    states(
        "v4_replica_throughput_verdict",
        "Verdict on throughput of the replica: 1 for the one that holds.",
        _MODEL,
        label="verdict",
        values=tuple(verdict.value for verdict in ThroughputVerdict),
        held=lambda seen: seen.forecast.verdict.value if seen.forecast else None,
    ),
    Family(
        name="v4_replica_missing_figure",
        kind=Kind.GAUGE,
        help="1 for each figure that the fresh metrics of this engine do not give.",
        source=_ENGINE,
        labels=("figure",),
        rows=_missing,
    ),
)

REPLICA_COUNTERS: tuple[Family[SeenReplica], ...] = (
    counter(
        "v4_replica_decode_tokens_total",
        "Decode tokens of the replica in the intervals that are compared with the model.",
        _ENGINE,
        _count(ReplicaCount.COMPARED),
    ),
    counter(
        "v4_replica_expected_decode_tokens_total",
        "Decode tokens that the model expects in the same intervals, integrated at every poll.",
        _MODEL,
        _count(ReplicaCount.EXPECTED),
    ),
    counter(
        "v4_replica_generated_tokens_total",
        "All tokens of the answers that were seen to be made.",
        _ENGINE,
        _count(ReplicaCount.GENERATED),
    ),
    counter(
        "v4_replica_prompt_tokens_total",
        "Tokens of the prompts, those from the prefix cache included.",
        _ENGINE,
        _count(ReplicaCount.PROMPT),
    ),
    counter(
        "v4_replica_prefix_hit_tokens_total",
        "Tokens of the prompts that were taken from the prefix cache and not computed.",
        _ENGINE,
        _count(ReplicaCount.PREFIX_HIT),
    ),
    counter(
        "v4_replica_preemptions_total",
        "Running requests that lost their KV cache: vLLM's preemptions, SGLang's retractions.",
        _ENGINE,
        _count(ReplicaCount.PREEMPTIONS),
    ),
    counter(
        "v4_replica_finished_requests_total",
        "Requests that ended; where the engine tells them apart, without aborted ones.",
        _ENGINE,
        _count(ReplicaCount.FINISHED),
    ),
    counter(
        "v4_replica_drafts_total",
        "Draft rounds of speculative decoding; absent without it.",
        _ENGINE,
        _count(ReplicaCount.DRAFTS),
    ),
    counter(
        "v4_replica_accepted_tokens_total",
        "Draft tokens that were accepted; absent without speculative decoding.",
        _ENGINE,
        _count(ReplicaCount.ACCEPTED),
    ),
    Family(
        name="v4_replica_scrapes_total",
        kind=Kind.COUNTER,
        help="Readings of the replica's metrics by result.",
        source=_SCRAPER,
        labels=("result",),
        rows=_scrapes,
    ),
)

REPLICA: tuple[Family[SeenReplica], ...] = (*REPLICA_GAUGES, *REPLICA_COUNTERS)
