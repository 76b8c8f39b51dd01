"""Rows of many runs as Markdown: what has run, a summary a mode, and a table a scenario.

What was planned and has not run is said, so that a part is not taken for the whole.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from v4operator.simulate.score import geometric_mean

Row = Mapping[str, Any]

OURS = "ours"

_RHO = (
    "rho: billed device-hours over those of the clairvoyant fleet with the plain router; only a "
    "run that met the target has one. Setting own-limit: the gateway admits what the policy's own "
    "fit allows, elsewhere what the true replica does."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What the rows are about: the scenarios that count, and how many runs there should be.

    `planned` holds runs by (scenario, overload mode, policy) with documented settings.
    """

    day_long: Sequence[str]
    commit: str
    command: str
    planned: Mapping[tuple[str, str, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A policy in one mode over the day-long scenarios; `ratio` only where every run met."""

    policy: str
    setting: str
    runs: int
    missed: int
    hours: float
    ratio: float | None


def table(rows: Sequence[Row], contest: Contest) -> str:
    """The whole report. Trials of the tuning count as such and are not shown."""
    shown = [row for row in rows if row["setting"] != "trial"]
    trials = sum(1 for row in rows if row["setting"] == "trial")
    made = f"`{contest.command}` at commit {contest.commit}"
    lines = [
        "# Policies beside the clairvoyant fleet",
        "",
        f"Made with {made}: {len(shown)} runs and {trials} trials of the tuning.",
        _RHO,
    ]
    modes = sorted({row["overload"] for row in shown})
    for mode in modes:
        lines += ["", *_summary([row for row in shown if row["overload"] == mode], mode, contest)]
    lines += ["", *_not_run(shown, contest.planned)]
    scenarios = sorted({(row["scenario"], row["overload"]) for row in shown})
    for scenario, mode in scenarios:
        there = [r for r in shown if (r["scenario"], r["overload"]) == (scenario, mode)]
        lines += ["", *_scenario(there, scenario, mode)]
    return "\n".join(lines) + "\n"


def standings(rows: Sequence[Row], day_long: Sequence[str]) -> list[Standing]:
    """Policies that ran in every day-long scenario, those that met the target first, by rho."""
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["scenario"] in day_long:
            left_out = row["setting"].startswith("without")
            grouped[row["policy"], "left-out" if left_out else row["setting"]].append(row)
    whole = [
        _standing(policy, setting, group)
        for (policy, setting), group in grouped.items()
        if {row["scenario"] for row in group} == set(day_long)
    ]
    return sorted(whole, key=lambda s: (s.missed / s.runs, s.ratio or s.hours, s.policy))


def _standing(policy: str, setting: str, group: Sequence[Row]) -> Standing:
    ratios = [row["rho"] for row in group if row["rho"] is not None]
    by_scenario: dict[str, list[float]] = defaultdict(list)
    for row in group:
        by_scenario[row["scenario"]].append(row["gpuHours"])
    missed = len(group) - len(ratios)
    return Standing(
        policy=policy,
        setting=setting,
        runs=len(group),
        missed=missed,
        hours=float(sum(np.mean(hours) for hours in by_scenario.values())),
        ratio=None if missed else geometric_mean(ratios),
    )


def _summary(rows: Sequence[Row], mode: str, contest: Contest) -> Iterator[str]:
    """Ours, the best rivals, the constant and the clairvoyant fleet, then everyone."""
    named = " and ".join(contest.day_long)
    yield f"## {mode}: {named}"
    yield ""
    ranked = standings(rows, contest.day_long)
    own = {s.setting: s for s in ranked if s.policy == OURS}
    ours, with_limit = own.get("default"), own.get("own-limit")
    rivals = [s for s in ranked if s.policy != OURS]
    best = {
        f"best rival, {setting}": next(
            (s for s in rivals if s.setting == setting and s.ratio is not None), None
        )
        for setting in ("tuned", "left-out", "default")
    }
    yield "| who | policy | device-hours | rho, geometric mean | target missed |"
    yield "|---|---|---:|---:|---:|"
    with_own = {} if with_limit is None else {"ours, its own admission limit": with_limit}
    for who, standing in {"ours": ours, **with_own, **best}.items():
        yield _place(who, standing)
    yield from _fixed(rows, contest.day_long)
    yield ""
    yield _saving(ours, best["best rival, tuned"])
    yield ""
    yield "All, those that met the target first: " + "; ".join(map(_told, ranked)) + "."


def _place(who: str, standing: Standing | None) -> str:
    if standing is None:
        return f"| {who} | none has run everywhere and met the target | - | - | - |"
    ratio = "-" if standing.ratio is None else f"{standing.ratio:.3f}"
    missed = f"{standing.missed} of {standing.runs}"
    return f"| {who} | {standing.policy} | {standing.hours:,.0f} | {ratio} | {missed} |"


def _fixed(rows: Sequence[Row], day_long: Sequence[str]) -> Iterator[str]:
    """Whoever never scales, and whoever knows the future."""
    by_scenario = {row["scenario"]: row for row in rows if row["scenario"] in day_long}
    for who, key in (
        ("smallest constant fleet", "constantGpuHours"),
        ("clairvoyant, plain router", "oracleGpuHours"),
        ("clairvoyant, gateway", "oracleGatewayGpuHours"),
    ):
        hours = [row[key] for row in by_scenario.values()]
        plain = [row["oracleGpuHours"] for row in by_scenario.values()]
        if not hours or None in hours or None in plain:
            continue
        ratio = geometric_mean(h / p for h, p in zip(hours, plain, strict=True))
        yield f"| {who} | | {sum(hours):,.0f} | {ratio:.3f} | |"


def _saving(ours: Standing | None, rival: Standing | None) -> str:
    if ours is None or ours.ratio is None or rival is None or rival.ratio is None:
        return (
            "No saving can be told: ours or the best tuned rival is missing or missed the target."
        )
    saved = 1.0 - ours.ratio / rival.ratio
    return f"Ours costs {saved:.1%} less than {rival.policy}, tuned on the same traces."


def _told(standing: Standing) -> str:
    name = f"{standing.policy} ({standing.setting})"
    if standing.ratio is not None:
        return f"{name} {standing.ratio:.3f}"
    return f"{name} missed {standing.missed} of {standing.runs}"


def _not_run(rows: Sequence[Row], planned: Mapping[tuple[str, str, str], int]) -> Iterator[str]:
    """What is lacking of the plan, policies of one scenario and mode in one line."""
    done: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in rows:
        if row["setting"] == "default":
            done[row["scenario"], row["overload"], row["policy"]] += 1
    lacking: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (scenario, mode, policy), runs in planned.items():
        there = done[scenario, mode, policy]
        if there < runs:
            told = policy if there == 0 else f"{policy} ({there} of {runs} seeds)"
            lacking[scenario, mode].append(told)
    yield "## Not run"
    yield ""
    if not lacking:
        yield "Nothing: all that was planned has run."
    for (scenario, mode), policies in lacking.items():
        yield f"* {scenario}, {mode}: {', '.join(policies)}"


_COLUMNS = (
    "policy",
    "setting",
    "seeds",
    "rho",
    "attainment",
    "worst hour",
    "device-hours",
    "gap closed",
    "actions",
    "reversals",
    "TTFT p99 s",
    "ITL p99 ms",
    "loading h",
    "draining h",
    "ms a decision",
)


def _scenario(rows: Sequence[Row], scenario: str, mode: str) -> Iterator[str]:
    """The policies of one scenario and mode, means over seeds, the best first."""
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["policy"], row["setting"]].append(row)
    known = rows[0]
    hours = (known["oracleGpuHours"], known["oracleGatewayGpuHours"], known["constantGpuHours"])
    plain, gateway, constant = ("none" if h is None else f"{h:,.1f}" for h in hours)
    yield f"### {scenario}, {mode}"
    yield ""
    yield (
        f"Target {known['target']:.1%}; device-hours of the clairvoyant fleet {plain} (with a "
        f"gateway {gateway}), of the smallest constant one {constant}."
    )
    yield ""
    yield "| " + " | ".join(_COLUMNS) + " |"
    yield "|---|---|" + "---:|" * (len(_COLUMNS) - 2)
    for key, group in sorted(grouped.items(), key=lambda item: _rank(item[1])):
        yield _line(key, group)


def _rank(group: Sequence[Row]) -> tuple[int, float]:
    missed = sum(1 for row in group if row["rho"] is None)
    return missed, float(np.mean([row["gpuHours"] for row in group]))


def _line(key: tuple[str, str], group: Sequence[Row]) -> str:
    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in group if row[name] is not None] or [np.nan]))

    p99 = [(row["ttft"]["p99"] or 0.0, row["itl"]["p99"] or 0.0) for row in group]
    cells = [
        *key,
        str(len(group)),
        _ratio(group),
        f"{mean('attainment'):.4f}",
        f"{mean('attainmentWorstHour'):.3f}",
        f"{mean('gpuHours'):.1f}",
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
