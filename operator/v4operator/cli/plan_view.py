"""How `plan` shows its answer: the JSON keys that are kept stable, and a table for people."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from v4operator.estimate.hbm_fits import Fit
from v4operator.model.deployment import MemoryPlan
from v4operator.model.hbm import Band, Finding, HbmReport
from v4operator.model.units import GIB

_BAR_CELLS = 60
_LABEL_CELLS = 24


def report_document(plan: MemoryPlan, report: HbmReport) -> dict[str, Any]:
    """The answer under its documented keys: bytes per device, tokens and requests per replica."""
    return {
        "verdict": report.verdict.value,
        "sentence": report.sentence,
        "decidedBy": report.decided_by,
        "checkpoint": plan.checkpoint,
        "engine": plan.engine,
        "engineVersion": report.engine_version,
        "accelerator": plan.accelerator,
        "devices": plan.devices,
        "parallelism": asdict(report.layout) if report.layout else None,
        "maxContextTokens": report.context_tokens,
        "concurrency": plan.concurrency,
        "moeKernel": report.moe_kernel,
        **_account(report),
        "findings": [finding_document(finding) for finding in report.findings],
    }


def _account(report: HbmReport) -> dict[str, Any]:
    return {
        "visibleBytes": report.visible_bytes,
        "budgetBytes": report.budget_bytes,
        "weightsBytes": report.weights_bytes,
        "overheadBytes": _band(report.overhead_bytes),
        "kvCacheBytes": _band(report.kv_cache_bytes),
        "requiredBytes": report.required_bytes,
        "kvCapacityTokens": report.kv_capacity_tokens,
        "reportedCapacityTokens": report.reported_capacity_tokens,
        "maxConcurrency": report.max_concurrency,
        "kvBytesPerRequest": report.kv_bytes_per_request,
        "memFraction": report.memory_fraction,
    }


def fits_document(plan: MemoryPlan, fits: Iterable[Fit]) -> dict[str, Any]:
    """The smallest layouts that fit, per device, under their documented keys."""
    return {
        "checkpoint": plan.checkpoint,
        "engine": plan.engine,
        "maxContextTokens": plan.max_context_tokens,
        "concurrency": plan.concurrency,
        "layouts": [_fit(fit) for fit in fits],
    }


def _fit(fit: Fit) -> dict[str, Any]:
    return {
        "accelerator": fit.accelerator.name,
        "devices": fit.devices,
        "parallelism": asdict(fit.layout),
        "verdict": fit.report.verdict.value,
        "decidedBy": fit.report.decided_by,
        **_account(fit.report),
        "sequences": fit.sequences,
        "decodeTokensPerSecond": fit.decode_tokens_per_second,
        "usdPerHour": fit.usd_per_hour,
        "usdPerMillionTokens": fit.usd_per_million_tokens,
    }


def report_table(plan: MemoryPlan, report: HbmReport) -> str:
    """The verdict, one device's memory as a bar, the figures, and what to do."""
    asked = f"{plan.checkpoint} on {plan.devices} x {plan.accelerator}"
    engine = f"{plan.engine} {report.engine_version or ''}".strip()
    layout = f", {report.layout.label}" if report.layout else ""
    lines = [f"{asked}{layout}, {engine}", "", report.sentence]
    if report.kv_cache_bytes is not None:
        lines += ["", *_bar(report), "", *_rows(report)]
    lines += ["", *_advice(report)] if report.findings else []
    return "\n".join(lines)


def _bar(report: HbmReport) -> Iterable[str]:
    """Shares of the visible memory of one device; what does not fit into it ends in an arrow."""
    parts, visible = _parts(report), report.visible_bytes or 1
    cells, filled = "", 0.0
    for mark, _, size in parts:
        filled += size
        cells += mark * (round(filled / visible * _BAR_CELLS) - len(cells))
    shown = cells if len(cells) <= _BAR_CELLS else f"{cells[: _BAR_CELLS - 1]}>"
    yield f"[{shown}] {_gib(visible)} per device"
    yield "  ".join(f"{mark} {name} {_gib(size)}" for mark, name, size in parts)


def _parts(report: HbmReport) -> list[tuple[str, str, float]]:
    band, overhead = report.kv_cache_bytes, report.overhead_bytes
    weights = float(report.weights_bytes or 0)
    pool = max(0.0, band.central) if band else 0.0
    other = overhead.central if overhead else 0.0
    free = max(0.0, (report.visible_bytes or 0) - weights - pool - other)
    named = (("█", "weights", weights), ("▓", "KV", pool), ("▒", "overhead", other))
    return [*named, ("·", "free", free)]


def _rows(report: HbmReport) -> Iterable[str]:
    band = report.kv_cache_bytes or Band(low=0, central=0, high=0)
    context = f"{report.context_tokens:,} tokens"
    rows = (
        ("verdict", report.verdict.value),
        ("budget", f"{_gib(report.budget_bytes)} ({report.memory_fraction:.3f} of the device)"),
        ("weights", _gib(report.weights_bytes)),
        ("KV left", f"{_gib(band.low)} ... {_gib(band.central)} ... {_gib(band.high)}"),
        ("KV of one request", f"{_gib(report.kv_bytes_per_request)} at {context}"),
        ("requests at once", f"{report.max_concurrency:,} of {context}"),
        ("KV capacity", f"{report.kv_capacity_tokens:,} tokens per replica"),
        ("the engine will say", f"{report.reported_capacity_tokens:,} tokens"),
        ("decided by", f"{report.decided_by} figures"),
    )
    return [f"{name:<{_LABEL_CELLS}}{text}" for name, text in rows]


def _advice(report: HbmReport) -> Iterable[str]:
    for finding in report.findings:
        told = "" if finding.message == report.sentence else f" {finding.message}"
        hint = f" {finding.hint}" if finding.hint else ""
        if told or hint:
            yield f"{finding.reason}:{told}{hint}"


def fits_table(plan: MemoryPlan, fits: Sequence[Fit]) -> str:
    """One line per device and layout."""
    asked = f"{plan.concurrency} x {plan.max_context_tokens or 'maximum'} tokens"
    title = f"Smallest and published replicas of {plan.checkpoint} on {plan.engine} for {asked}"
    if not fits:
        return f"{title}: none of the devices in the catalogue."
    header = ("device", "layout", "verdict", "requests", "tok/s", "USD/h", "USD/Mtok")
    return "\n".join([title, "", *aligned([header, *(_fit_row(fit) for fit in fits)])])


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of the same length as lines with straight columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in lines]


def _fit_row(fit: Fit) -> tuple[str, ...]:
    return (
        f"{fit.devices} x {fit.accelerator.name}",
        fit.layout.label,
        fit.report.verdict.value,
        f"{fit.report.max_concurrency:,}",
        number(fit.decode_tokens_per_second, ",.0f"),
        number(fit.usd_per_hour, ".2f"),
        number(fit.usd_per_million_tokens, ".2f"),
    )


def number(value: float | None, form: str) -> str:
    """The value as `form` says, or a dash where there is none."""
    return "-" if value is None else format(value, form)


def finding_document(finding: Finding) -> dict[str, str | None]:
    """A finding under its documented keys."""
    return {"reason": finding.reason, "message": finding.message, "hint": finding.hint}


def _band(band: Band | None) -> dict[str, int] | None:
    if band is None:
        return None
    return {"low": round(band.low), "central": round(band.central), "high": round(band.high)}


def _gib(size_bytes: float | None) -> str:
    return "-" if size_bytes is None else f"{size_bytes / GIB:.1f} GiB"
