"""One row for each replica of a deployment."""

from dashboards.source.board import Section
from dashboards.source.style import (
    COUNT,
    EFFICIENCY,
    KV_USAGE,
    NONE_IS_GOOD,
    PHASES,
    RATIO,
    SECONDS,
    THROUGHPUT_VERDICTS,
    TOKENS_PER_SECOND,
    Steps,
)
from dashboards.source.tables import Column, grid
from dashboards.source.targets import DEPLOYMENTS

# Three polls of the default interval: older than that, a figure is not current.
_AGE: Steps = ((None, "green"), (15, "yellow"), (60, "red"))


def replicas() -> Section:
    """Phase, load, memory, speed and verdict of every replica."""
    return Section(
        title="Replicas",
        panels=[
            grid(
                "Every replica",
                "Overdue: starting for longer than three learned start-ups, or crashing again and"
                " again. Age: of the last good scrape. Speed counts in healthy replicas.",
                Column(field="replica", title="Replica"),
                Column(
                    field="phase",
                    title="Phase",
                    expr=f"max by (replica, phase) (v4_replica_phase{{{DEPLOYMENTS}}} == 1)",
                    words=PHASES,
                ),
                Column(
                    field="verdict",
                    title="Verdict",
                    expr="max by (replica, verdict)"
                    f" (v4_replica_throughput_verdict{{{DEPLOYMENTS}}} == 1)",
                    words=THROUGHPUT_VERDICTS,
                ),
                _gauge("C", "Efficiency", "decode_efficiency_ratio", RATIO, steps=EFFICIENCY),
                _gauge("D", "Decode", "decode_tokens_per_second", TOKENS_PER_SECOND, decimals=1),
                _gauge("E", "Expected", "expected_decode_tokens_per_second", TOKENS_PER_SECOND, 1),
                _gauge("F", "Running", "running_requests", COUNT),
                _gauge("G", "Waiting", "waiting_requests", COUNT),
                _gauge("H", "KV", "kv_cache_usage_ratio", RATIO, steps=KV_USAGE),
                _gauge("I", "Counts as", "speed_ratio", COUNT, decimals=2),
                _gauge("J", "Age", "metrics_age_seconds", SECONDS, steps=_AGE),
                _gauge("K", "Overdue", "overdue", COUNT, steps=NONE_IS_GOOD),
                sort="Replica",
                height=9,
            )
        ],
    )


def _gauge(
    letter: str,
    title: str,
    metric: str,
    unit: str,
    decimals: int = 0,
    steps: Steps | None = None,
) -> Column:
    return Column(
        field=f"Value #{letter}",
        title=title,
        width=90,
        expr=f"max by (replica) (v4_replica_{metric}{{{DEPLOYMENTS}}})",
        unit=unit,
        decimals=decimals,
        steps=steps,
    )
