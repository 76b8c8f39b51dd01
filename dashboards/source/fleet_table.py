"""The table of the fleet board: one row for each deployment."""

from collections.abc import Mapping

from dashboards.source.board import CAPACITY, DEPLOYMENT, Section, link_to
from dashboards.source.objectives import attained
from dashboards.source.style import (
    ATTAINMENT,
    COUNT,
    DOLLARS,
    EFFICIENCY,
    HBM_VERDICTS,
    KV_USAGE,
    RATIO,
    THROUGHPUT_VERDICTS,
)
from dashboards.source.tables import Column, grid
from dashboards.source.targets import BY_DEPLOYMENT, NAMESPACES, fullest


def deployments() -> Section:
    """Verdicts, objectives, replicas and cost of every deployment."""
    return Section(
        title="Deployments",
        panels=[
            grid(
                "Every deployment",
                "One row each. Efficiency is decoded over expected tokens; objectives are the"
                " share of requests (TTFT) and of tokens (ITL, inter-token latency) that met them"
                " in the chosen time range. The name leads to the deployment's own board.",
                *_columns(),
                sort="Deployment",
            )
        ],
    )


def _columns() -> tuple[Column, ...]:
    return (
        _label("namespace", "Namespace"),
        Column(
            field="v4deployment",
            title="Deployment",
            link=("Open", link_to(DEPLOYMENT, "Namespace", "Deployment")),
        ),
        Column(
            field="engine",
            title="Engine",
            width=80,
            expr=f"max by ({BY_DEPLOYMENT}, engine, accelerator)"
            f" (v4_deployment_info{{{NAMESPACES}}})",
        ),
        _label("accelerator", "Device"),
        _gauge("B", "Ready", 65, "v4_deployment_ready_replicas", COUNT),
        _gauge("C", "Desired", 80, "v4_deployment_desired_replicas", COUNT),
        _verdict("throughput", "Throughput", THROUGHPUT_VERDICTS),
        Column(
            field="Value #E",
            title="Efficiency",
            width=95,
            expr=fullest("v4_deployment_decode_efficiency_ratio"),
            unit=RATIO,
            decimals=0,
            steps=EFFICIENCY,
        ),
        _verdict("hbm", "HBM", HBM_VERDICTS),
        Column(
            field="Value #G",
            title="KV",
            width=60,
            expr=fullest("v4_replica_kv_cache_usage_ratio"),
            unit=RATIO,
            decimals=0,
            steps=KV_USAGE,
        ),
        _attained("H", "TTFT", "ttft"),
        _attained("I", "ITL", "inter-token-latency"),
        Column(
            field="Value #J",
            title="$/h",
            width=70,
            expr=fullest("v4_deployment_cost_dollars_per_hour"),
            unit=DOLLARS,
            decimals=0,
            link=("Open capacity and cost", link_to(CAPACITY, "Namespace", "Deployment")),
        ),
    )


def _label(name: str, title: str, width: int | None = None) -> Column:
    return Column(field=name, title=title, width=width)


def _gauge(letter: str, title: str, width: int, metric: str, unit: str) -> Column:
    return Column(
        field=f"Value #{letter}",
        title=title,
        width=width,
        expr=fullest(metric),
        unit=unit,
        decimals=0,
    )


def _verdict(kind: str, title: str, words: Mapping[str, str]) -> Column:
    held = f"v4_deployment_{kind}_verdict{{{NAMESPACES}}} == 1"
    named = f'label_replace({held}, "{kind}", "$1", "verdict", "(.*)")'
    return Column(
        field=kind,
        title=title,
        expr=f"max by ({BY_DEPLOYMENT}, {kind}) ({named})",
        words=words,
    )


def _attained(letter: str, title: str, slo: str) -> Column:
    return Column(
        field=f"Value #{letter}",
        title=title,
        width=75,
        expr=attained(slo, NAMESPACES, "$__range", by=BY_DEPLOYMENT),
        unit=RATIO,
        decimals=1,
        steps=ATTAINMENT,
    )
