"""How `plan --demand` shows its answer: JSON keys that are kept stable, and tables for people."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from v4operator.cli.plan_guide import assumption_lines
from v4operator.cli.plan_view import aligned, finding_document, number
from v4operator.estimate.economics import BreakEven
from v4operator.estimate.profiles import Operation
from v4operator.estimate.sizing import Sizing, Workload
from v4operator.model.deployment import MemoryPlan
from v4operator.model.hbm import Finding


def demand_document(
    plan: MemoryPlan,
    workload: Workload,
    found: Sequence[Sizing],
    findings: Sequence[Finding],
    as_of: date,
) -> dict[str, Any]:
    """The answer under its documented keys; the first option's figures stand on top as well."""
    options = [_option(sizing) for sizing in found]
    best = options[0] if options else {}
    top = ("replicas", "usdPerHour", "usdPerMillionTokens", "ttftSeconds", "confidence")
    return {
        "checkpoint": plan.checkpoint,
        "engine": plan.engine or None,
        "maxContextTokens": plan.max_context_tokens,
        "requestsPerSecond": workload.requests_per_second,
        "promptTokens": workload.traffic.prompt_tokens,
        "answerTokens": workload.traffic.answer_tokens,
        "cacheHitRatio": workload.traffic.cache_hit_ratio,
        "objectives": {
            "ttftSeconds": workload.objectives.ttft_seconds,
            "interTokenLatencySeconds": workload.objectives.inter_token_latency_seconds,
            "attainmentRatio": workload.objectives.attainment,
        },
        "asOf": as_of.isoformat(),
        **{key: best.get(key) for key in (*top, "interTokenLatencySeconds")},
        "options": options,
        "findings": [finding_document(finding) for finding in findings],
        "assumptions": list(_assumptions(plan, workload)),
    }


def _option(sizing: Sizing) -> dict[str, Any]:
    operation, capacity = sizing.operation, sizing.capacity
    return {
        "accelerator": sizing.profile.accelerator,
        "devices": sizing.profile.devices,
        "parallelism": asdict(sizing.layout),
        "verdict": sizing.report.verdict.value,
        "replicas": sizing.replicas,
        "utilizationRatio": sizing.utilization_ratio,
        "ttftSeconds": operation.ttft_seconds if operation else None,
        "ttftTailSeconds": operation.ttft_tail_seconds if operation else None,
        "interTokenLatencySeconds": operation.inter_token_latency_seconds if operation else None,
        "runningRequestsPerReplica": operation.sequences if operation else None,
        "decodeTokensPerSecondPerReplica": operation.decode_tokens_per_second
        if operation
        else None,
        "requestsPerSecondPerReplicaAtObjective": capacity.requests_per_second
        if capacity
        else None,
        "bound": capacity.bound.value if capacity else None,
        "usdPerHour": sizing.usd_per_hour,
        "usdPerMillionTokens": sizing.usd_per_million_tokens,
        "usdPerMillionAnswerTokens": sizing.usd_per_million_answer_tokens,
        "confidence": sizing.trust.confidence,
        "confidenceReasons": list(sizing.trust.reasons),
        "breakEven": [_break_even(row, sizing) for row in sizing.break_even],
        "findings": [finding_document(finding) for finding in sizing.findings],
    }


def _break_even(row: BreakEven, sizing: Sizing) -> dict[str, Any]:
    price, used = row.price, sizing.utilization_ratio or 0.0
    return {
        "product": price.product,
        "since": price.since,
        "window": price.window,
        "terms": price.terms,
        "cacheDiscount": price.cache_discount,
        "apiUsdPerMillionTokens": row.api_usd,
        "breakEvenUtilizationRatio": row.utilization_ratio,
        "breakEvenTokensPerMonth": row.volume_tokens,
        "capacityTokensPerMonth": row.capacity_tokens,
        "cheaper": "own" if used >= row.utilization_ratio else "api",
    }


def demand_table(
    plan: MemoryPlan, workload: Workload, found: Sequence[Sizing], findings: Sequence[Finding]
) -> str:
    """One line per option, the first one's confidence and break-even, and what was assumed."""
    lines = [_title(plan, workload), ""]
    serving = [sizing for sizing in found if sizing.replicas is not None]
    if serving:
        header = ("replicas", "layout", "use", "TTFT", "99 %", "ITL", "USD/h", "USD/Mtok", "conf.")
        lines += [*aligned([header, *(_row(sizing) for sizing in serving)]), ""]
        lines += [*_confidence(serving[0]), *_api_lines(serving[0])]
    for sizing in found:
        lines += [f"{_name(sizing)}: {_told(finding)}" for finding in sizing.findings]
    lines += [_told(finding) for finding in findings]
    while not lines[-1]:
        lines.pop()
    return "\n".join([*lines, "", *assumption_lines(_assumptions(plan, workload))])


def _title(plan: MemoryPlan, workload: Workload) -> str:
    traffic, objectives = workload.traffic, workload.objectives
    cached = f", {traffic.cache_hit_ratio:.0%} of the prompt cached"
    return (
        f"{workload.requests_per_second:g} requests/s of {traffic.prompt_tokens:,.0f} + "
        f"{traffic.answer_tokens:,.0f} tokens{cached if traffic.cache_hit_ratio else ''}, "
        f"{plan.checkpoint}, first token in {objectives.ttft_seconds:g} s, then "
        f"{1e3 * objectives.inter_token_latency_seconds:g} ms a token"
    )


def _name(sizing: Sizing) -> str:
    return f"{sizing.profile.devices} x {sizing.profile.accelerator}"


def _row(sizing: Sizing) -> tuple[str, ...]:
    done = sizing.operation
    return (
        f"{sizing.replicas} of {_name(sizing)}",
        sizing.layout.label,
        number(sizing.utilization_ratio, ".0%"),
        *(_latencies(done) if done else ("-", "-", "-")),
        number(sizing.usd_per_hour, ",.2f"),
        number(sizing.usd_per_million_tokens, ".2f"),
        f"{sizing.trust.confidence:.2f}",
    )


def _latencies(done: Operation) -> tuple[str, str, str]:
    return (
        f"{1e3 * done.ttft_seconds:,.0f} ms",
        f"{1e3 * done.ttft_tail_seconds:,.0f} ms",
        f"{1e3 * done.inter_token_latency_seconds:.1f} ms",
    )


def _confidence(sizing: Sizing) -> list[str]:
    return [f"Confidence of {_name(sizing)}: {'; '.join(sizing.trust.reasons)}.", ""]


def _api_lines(sizing: Sizing) -> list[str]:
    if not sizing.break_even:
        return []
    rows = [("API price from", "USD/Mtok", "breaks even at", "cheaper")]
    for row in sizing.break_even:
        own = (sizing.utilization_ratio or 0.0) >= row.utilization_ratio
        use = f"{row.utilization_ratio:.0%} use"
        told = use if row.attainable else f"never ({use})"
        rows.append((row.price.label, f"{row.api_usd:.3f}", told, "own" if own else "API"))
    title = f"Against the hosted API, {_name(sizing)} at {sizing.utilization_ratio:.0%} use:"
    return [title, *aligned(rows), ""]


def _told(finding: Finding) -> str:
    return f"{finding.message} {finding.hint or ''}".rstrip()


def _assumptions(plan: MemoryPlan, workload: Workload) -> Iterator[str]:
    yield (
        "Speed is the law of a published profile (mostly SGLang cookbook v0.5.15); between engines "
        "and releases such figures are up to threefold apart, which the confidence stands for."
    )
    yield (
        f"Capacity keeps the objectives for {workload.objectives.attainment:.0%} of requests, all "
        "of one shape and arriving at random; TTFT under load is an estimate."
    )
    yield f"Memory is planned for requests of up to {plan.max_context_tokens:,} tokens."
    yield (
        "Prices are the catalogue's dated ones, on demand, for whole replicas around the clock; "
        "nothing is looked up. The API's cache discount applies to the cached share of the prompt, "
        "as the own prefix cache does."
    )
