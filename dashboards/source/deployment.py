"""The deployment board: what one deployment does, against what is expected of it, and why."""

from dashboards.source.board import DEPLOYMENT, Section, board
from dashboards.source.hbm import hbm
from dashboards.source.latency import latency
from dashboards.source.panels import (
    figure,
    graph,
    mostly_zero,
    reference,
    state,
    with_line_at,
)
from dashboards.source.replicas import replicas
from dashboards.source.scaling import scaling
from dashboards.source.standing import standing
from dashboards.source.style import (
    BAD,
    COUNT,
    EFFICIENCY,
    EFFICIENCY_LINE,
    EXPECTED,
    HBM_VERDICTS,
    KV_LINE,
    KV_USAGE,
    LIMIT,
    LIMITERS,
    OBSERVED,
    RATIO,
    REQUESTS_PER_SECOND,
    THROUGHPUT_VERDICTS,
    TOKENS,
    TOKENS_PER_SECOND,
    WARN,
)
from dashboards.source.targets import DEPLOYMENTS, Query
from grafana_foundation_sdk.models import dashboard as kinds

_REPLICA = "{{replica}}"


def deployment() -> kinds.Dashboard:
    """One deployment, from verdicts down to each replica."""
    return board(
        DEPLOYMENT,
        "One deployment: observed against expected, load, latency, scaling, memory, replicas.",
        [_now(), standing(), _throughput(), _load(), latency(), scaling(), hbm(), replicas()],
        deployment="one",
    )


def _now() -> Section:
    return Section(
        title="Now",
        panels=[
            state(
                "Throughput",
                "The operator's verdict on decode speed, and its name for what is wrong.",
                _held("v4_deployment_throughput_verdict", "verdict"),
                THROUGHPUT_VERDICTS,
            ),
            figure(
                "Efficiency",
                "Decoded over expected tokens of the last minutes; unknown under too little load.",
                RATIO,
                _one("v4_deployment_decode_efficiency_ratio"),
                steps=EFFICIENCY,
                decimals=0,
            ),
            state(
                "HBM",
                "Whether checkpoint, context and concurrency fit the budget of each device.",
                _held("v4_deployment_hbm_verdict", "verdict"),
                HBM_VERDICTS,
            ),
            figure(
                "Fullest KV cache",
                "Share of the KV cache in use in the fullest replica.",
                RATIO,
                Query(expr=f"max(v4_replica_kv_cache_usage_ratio{{{DEPLOYMENTS}}})", legend="KV"),
                steps=KV_USAGE,
                decimals=0,
            ),
            figure(
                "Replicas",
                "Replicas that serve, and replicas that the last decision asks for.",
                COUNT,
                _one("v4_deployment_ready_replicas", "ready"),
                _one("v4_deployment_desired_replicas", "desired"),
            ),
            state(
                "Held back by",
                "What keeps the count from what is recommended now; none: nothing does.",
                _held("v4_deployment_limited", "limiter"),
                LIMITERS,
                other=WARN,
            ),
        ],
    )


def _throughput() -> Section:
    return Section(
        title="Throughput: observed against expected",
        panels=[
            reference(
                graph(
                    "Decode speed",
                    "Tokens generated in a second, what the model expects at the same batch and"
                    " context, and what the replicas that serve could do at the objectives.",
                    TOKENS_PER_SECOND,
                    _rate("v4_replica_decode_tokens_total", "observed"),
                    _rate("v4_replica_expected_decode_tokens_total", "expected"),
                    Query(
                        expr="sum("
                        f"v4_deployment_replica_capacity_decode_tokens_per_second{{{DEPLOYMENTS}}}"
                        f" * v4_deployment_ready_replicas{{{DEPLOYMENTS}}})",
                        legend="capacity at the objectives",
                    ),
                    colors={
                        "observed": OBSERVED,
                        "expected": EXPECTED,
                        "capacity at the objectives": LIMIT,
                    },
                ),
                "expected",
                "capacity at the objectives",
            ),
            with_line_at(
                graph(
                    "Efficiency by replica",
                    "Decoded over expected tokens of the last minutes. A replica that departs from"
                    " its peers is sick; all of them below the line are degraded.",
                    RATIO,
                    _per_replica("v4_replica_decode_efficiency_ratio"),
                ),
                EFFICIENCY_LINE,
            ),
            graph(
                "Decode speed by replica",
                "Tokens generated in a second over the last minutes.",
                TOKENS_PER_SECOND,
                _per_replica("v4_replica_decode_tokens_per_second"),
            ),
            graph(
                "Accepted length",
                "Tokens for each verification step under speculative decoding: a fall slows every"
                " request on sound devices. Absent without speculation.",
                COUNT,
                _per_replica("v4_replica_accepted_length_ratio"),
                no_value="No speculative decoding",
            ),
        ],
    )


def _load() -> Section:
    return Section(
        title="Load",
        panels=[
            graph(
                "Requests",
                "Requests in the engines, running and waiting.",
                COUNT,
                _sum("v4_replica_running_requests", "running"),
                _sum("v4_replica_waiting_requests", "waiting"),
                width=8,
                colors={"running": OBSERVED, "waiting": WARN},
            ),
            with_line_at(
                graph(
                    "KV cache by replica",
                    "Share of the KV cache in use. Above the line engines begin to preempt.",
                    RATIO,
                    _per_replica("v4_replica_kv_cache_usage_ratio"),
                    width=8,
                ),
                KV_LINE,
            ),
            mostly_zero(
                graph(
                    "Preemptions",
                    "Requests thrown out of the KV cache (vLLM: preempted, SGLang: retracted) in a"
                    " second: work done twice.",
                    REQUESTS_PER_SECOND,
                    _rate("v4_replica_preemptions_total", "preempted"),
                    width=8,
                    colors={"preempted": BAD},
                )
            ),
            graph(
                "Requests finished",
                "Requests that ended in a second.",
                REQUESTS_PER_SECOND,
                _rate("v4_replica_finished_requests_total", "finished"),
                width=8,
            ),
            graph(
                "Context",
                "Mean length of what is resident, in tokens: longer contexts decode slower.",
                TOKENS,
                _one("v4_deployment_mean_context_tokens", "mean"),
                width=8,
                no_value="The engine does not tell",
            ),
            graph(
                "Prompt tokens from the prefix cache",
                "Share of prompt tokens that need no prefill; less of it is a later first token.",
                RATIO,
                Query(
                    expr=f"sum(rate(v4_replica_prefix_hit_tokens_total{{{DEPLOYMENTS}}}"
                    "[$__rate_interval])) / "
                    f"sum(rate(v4_replica_prompt_tokens_total{{{DEPLOYMENTS}}}[$__rate_interval]))",
                    legend="hits",
                ),
                width=8,
                no_value="The engine does not tell",
            ).max(1),
        ],
    )


def _held(metric: str, label: str) -> Query:
    return Query(expr=f"{metric}{{{DEPLOYMENTS}}} == 1", legend=f"{{{{{label}}}}}")


def _one(metric: str, legend: str = "now") -> Query:
    return Query(expr=f"max({metric}{{{DEPLOYMENTS}}})", legend=legend)


def _sum(metric: str, legend: str) -> Query:
    return Query(expr=f"sum({metric}{{{DEPLOYMENTS}}})", legend=legend)


def _rate(metric: str, legend: str) -> Query:
    return Query(expr=f"sum(rate({metric}{{{DEPLOYMENTS}}}[$__rate_interval]))", legend=legend)


def _per_replica(metric: str) -> Query:
    return Query(expr=f"max by (replica) ({metric}{{{DEPLOYMENTS}}})", legend=_REPLICA)
