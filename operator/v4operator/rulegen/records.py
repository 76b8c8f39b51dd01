"""Recording rules. Numerator and denominator are recorded; ratios are divided, never averaged."""

from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import DEPLOYMENT, REPLICA, Group, Record

_SLO = f"{DEPLOYMENT}, slo"


def throughput(durations: Durations) -> Group:
    """Observed and expected decode tokens, per replica and per deployment."""
    rules: list[Record] = [_settled(durations)]
    for window, seconds in (("5m", durations.short), ("15m", durations.long)):
        for counter in ("v4_replica_decode_tokens", "v4_replica_expected_decode_tokens"):
            rules += _rates(counter, window, seconds)
        rules.append(
            Record(
                name=f"v4deployment:v4_decode_efficiency:ratio_rate{window}",
                expr=f"v4deployment:v4_replica_decode_tokens:rate{window}"
                f" / (v4deployment:v4_replica_expected_decode_tokens:rate{window} > 0)",
            )
        )
    return Group(name="v4-throughput.records", rules=tuple(rules))


def caches(durations: Durations) -> Group:
    """Preemptions per finished request, and the share of prompts that the prefix cache had."""
    preemptions = _pair(
        "v4_preemption:ratio",
        ("v4_replica_preemptions", "v4_replica_finished_requests"),
        "15m",
        durations.long,
    )
    hits = _pair(
        "v4_prefix_hit:ratio",
        ("v4_replica_prefix_hit_tokens", "v4_replica_prompt_tokens"),
        "30m",
        durations.cache,
    )
    return Group(name="v4-caches.records", rules=(*preemptions, *hits))


def objectives(durations: Durations) -> Group:
    """Missed and all requests over the windows of burn rates; undecided ones count as met."""
    rules: list[Record] = []
    for window, seconds in burn_windows(durations).items():
        missed, counted = (
            f"sum by ({_SLO}) (rate(v4_slo_requests_total{which}[{spelled(seconds)}]))"
            for which in ('{verdict="missed"}', "")
        )
        rules += [
            Record(name=f"v4deployment:v4_slo_missed_requests:rate{window}", expr=missed),
            Record(name=f"v4deployment:v4_slo_requests:rate{window}", expr=counted),
            Record(
                name=f"v4deployment:v4_slo_missed:ratio_rate{window}",
                expr=f"v4deployment:v4_slo_missed_requests:rate{window}"
                f" / (v4deployment:v4_slo_requests:rate{window} > 0)",
            ),
        ]
    return Group(name="v4-objectives.records", rules=tuple(rules))


def burn_windows(durations: Durations) -> dict[str, float]:
    """Name and length in seconds of every window over which misses are counted."""
    return {
        "5m": durations.burn_5m,
        "30m": durations.burn_30m,
        "1h": durations.burn_1h,
        "2h": durations.burn_2h,
        "6h": durations.burn_6h,
        "1d": durations.burn_1d,
        "3d": durations.burn_3d,
    }


def _settled(durations: Durations) -> Record:
    """1 where the replica is ready, was all the time, and was so before that."""
    window = spelled(durations.settling)
    return Record(
        name="v4replica:v4_replica_ready:settled",
        expr=f"min by ({REPLICA}) (min_over_time(v4_replica_ready[{window}]))"
        f" * on ({REPLICA}) max by ({REPLICA}) (v4_replica_ready offset {window})",
    )


def _rates(counter: str, window: str, seconds: float) -> list[Record]:
    replica = f"v4replica:{counter}:rate{window}"
    return [
        Record(
            name=replica, expr=f"sum by ({REPLICA}) (rate({counter}_total[{spelled(seconds)}]))"
        ),
        Record(
            name=f"v4deployment:{counter}:rate{window}", expr=f"sum by ({DEPLOYMENT}) ({replica})"
        ),
    ]


def _pair(ratio: str, counters: tuple[str, str], window: str, seconds: float) -> list[Record]:
    names = [f"v4deployment:{counter}:rate{window}" for counter in counters]
    rates = [
        Record(
            name=name,
            expr=f"sum by ({DEPLOYMENT}) (rate({counter}_total[{spelled(seconds)}]))",
        )
        for name, counter in zip(names, counters, strict=True)
    ]
    divided = Record(
        name=f"v4deployment:{ratio}_rate{window}", expr=f"{names[0]} / ({names[1]} > 0)"
    )
    return [*rates, divided]
