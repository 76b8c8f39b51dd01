"""Rows of many runs as one Markdown table, and the summary over the day-long scenarios."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from v4operator.simulate.score import geometric_mean

Row = Mapping[str, Any]


def table(rows: Sequence[Row], *, day_long: Sequence[str], commit: str, command: str) -> str:
    """One Markdown table, means over seeds, and the summary over the day-long scenarios."""
    grouped: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        if row["setting"] != "trial":
            key = (row["scenario"], row["overload"], row["policy"], row["setting"])
            grouped.setdefault(key, []).append(row)
    lines = [
        f"Made with `{command}` at commit {commit}.",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + "---|" * len(_COLUMNS),
    ]
    lines += [_line(key, group) for key, group in sorted(grouped.items())]
    return "\n".join([*lines, "", *_summary(grouped, day_long)]) + "\n"


_COLUMNS = (
    "scenario",
    "overload",
    "policy",
    "setting",
    "seeds",
    "attainment",
    "worst hour",
    "GPU-hours",
    "oracle",
    "oracle with gateway",
    "rho",
    "gap closed",
    "actions",
    "reversals",
    "TTFT p99 s",
    "ITL p99 ms",
    "loading h",
    "draining h",
    "ms a decision",
)


def _line(key: tuple[str, str, str, str], group: Sequence[Row]) -> str:
    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in group if row[name] is not None] or [np.nan]))

    p99 = [(row["ttft"]["p99"] or 0.0, row["itl"]["p99"] or 0.0) for row in group]
    cells = [
        *key,
        str(len(group)),
        f"{mean('attainment'):.4f}",
        f"{mean('attainmentWorstHour'):.3f}",
        f"{mean('gpuHours'):.1f}",
        f"{mean('oracleGpuHours'):.1f}",
        f"{mean('oracleGatewayGpuHours'):.1f}",
        _ratio(group),
        f"{mean('gapClosed'):.2f}",
        f"{mean('scalingActions'):.0f}",
        f"{mean('reversals'):.0f}",
        f"{np.mean([t for t, _ in p99]):.2f}",
        f"{1e3 * np.mean([i for _, i in p99]):.1f}",
        f"{mean('loadingGpuHours'):.1f}",
        f"{mean('drainingGpuHours'):.1f}",
        f"{1e3 * mean('secondsPerDecision'):.2f}",
    ]
    return "| " + " | ".join(cell.replace("nan", "-") for cell in cells) + " |"


def _ratio(group: Sequence[Row]) -> str:
    """The mean over seeds; a miss in any of them shows as such."""
    missed = sum(1 for row in group if row["rho"] is None)
    if missed:
        return f"missed {missed}/{len(group)}"
    return f"{np.mean([row['rho'] for row in group]):.3f}"


def _summary(
    grouped: Mapping[tuple[str, str, str, str], Sequence[Row]], day_long: Sequence[str]
) -> Iterator[str]:
    yield f"Geometric mean of rho over {' and '.join(day_long)}, all seeds:"
    yield ""
    by_policy: dict[tuple[str, str, str], list[float | None]] = {}
    for (scenario, overload, policy, setting), group in grouped.items():
        if scenario in day_long:
            shown = "left-out" if setting.startswith("without") else setting
            ratios = by_policy.setdefault((overload, policy, shown), [])
            ratios.extend(row["rho"] for row in group)
    for (overload, policy, setting), ratios in sorted(by_policy.items()):
        met = [ratio for ratio in ratios if ratio is not None]
        mean = geometric_mean(met)
        told = "-" if mean is None else f"{mean:.3f}"
        missed = len(ratios) - len(met)
        told += f", target missed in {missed} of {len(ratios)} runs" if missed else ""
        yield f"* {overload}, {policy}, {setting}: {told}"
