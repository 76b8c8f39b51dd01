"""Every policy in every scenario, beside the clairvoyant fleet: `python tests/bench/policy.py`.

Each finished run is one line of JSON in `tests/bench/results/policy.jsonl`; with `--resume` what is
there is not played again. Rivals are played with their documented defaults and, in the day-long
scenarios, with the knobs that tuning found; every tuned policy gets the same number of trials and
the same goal: the fewest hours at the target over the development traces, one setting for all of
them, or with one trace left out. At the end come one report and a picture a scenario; what the
budget of minutes left out stands in it as not run, and `--budget-minutes 0` only writes it anew.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from subprocess import run as execute
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.policy_ledger import Job, Ledger, Row

from v4operator.simulate.ground import Ground, Objective, ground_of
from v4operator.simulate.harness import Run, play
from v4operator.simulate.plot import draw
from v4operator.simulate.policies.registry import POLICIES
from v4operator.simulate.scenarios import SCENARIOS, Scenario
from v4operator.simulate.score import Bounds, bounds_of, document, geometric_mean
from v4operator.simulate.table import Contest, table
from v4operator.simulate.tuning import Trial, tuned

_RESULTS = Path(__file__).parent / "results"
_PROFILE = "flash-fp8-4xh200"
_DEVELOPMENT = ("diurnal", "batch")
_RIVALS = tuple(name for name in POLICIES if name not in {"ours", "constant"})
_SEEDS = 5  # on the linear truth for the day-long traces, one elsewhere
_TRIALS = 16
_OWN_LIMIT = "own-limit"  # the gateway is told the limit by our policy's fit, not by the truth
_PICTURED = ("ours", "hpa", "dynamo-hybrid")


class OutOfTimeError(Exception):
    """The budget of minutes is spent."""


class Bench:
    """Plays jobs that are not in the ledger yet."""

    def __init__(self, ledger: Ledger, traces: Path, *, budget_seconds: float, most: int) -> None:
        self._ledger, self._traces = ledger, traces
        self._began, self._played = time.monotonic(), 0
        self._budget_seconds, self._most = budget_seconds, most

    def ground(self, scenario: Scenario, overload: str, seed: int) -> Ground:
        """The common ground; a trace is made once per seed."""
        trace = _trace(self._traces, scenario.name, seed)
        return ground_of(
            scenario,
            trace,
            profile=_PROFILE,
            objective=Objective(),
            overload=overload,  # type: ignore[arg-type] # one of the modes of `main`
            seed=seed,
        )

    def bounds(self, scenario: Scenario) -> Bounds:
        """The clairvoyant fleets of a scenario, searched once with the first seed."""
        key = f"bounds/{scenario.name}"
        row = self._ledger.rows.get(key)
        if row is None:
            self._tell(key)
            row = self._ledger.add(key, asdict(bounds_of(self.ground(scenario, "plain", 0))))
        known = {name: row[name] for name in Bounds.__dataclass_fields__}
        return Bounds(**(known | {"schedule": tuple(known["schedule"])}))

    def row(self, job: Job) -> Row:
        """The row of a job, from the ledger or played now."""
        known = self._ledger.rows.get(job.key)
        if known is not None:
            return known
        self._tell(job.key)
        run, ground = self.play(job)
        scored = document(job.policy, run, ground, self.bounds(SCENARIOS[job.scenario]))
        return self._ledger.add(job.key, {**asdict(job), "knobs": dict(job.knobs), **scored})

    def play(self, job: Job) -> tuple[Run, Ground]:
        """Play a job whatever the ledger holds."""
        scenario = SCENARIOS[job.scenario]
        ground = self.ground(scenario, job.overload, job.seed)
        entry, knobs = POLICIES[job.policy], dict(job.knobs)
        heir = entry.build(_PROFILE, ground.briefing, knobs) if scenario.restart_at else None
        run = play(
            ground.trace,
            ground.setting,
            entry.build(_PROFILE, ground.briefing, knobs),
            heir=heir,
            heir_at=scenario.restart_at or float("inf"),
            own_limit=job.setting == _OWN_LIMIT,
        )
        return run, ground

    def _tell(self, what: str) -> None:
        """Progress and an estimate of the rest; `OutOfTimeError` once the budget is spent."""
        passed = time.monotonic() - self._began
        if passed >= self._budget_seconds:
            raise OutOfTimeError
        left = passed / self._played * max(0, self._most - self._played) if self._played else 0.0
        self._played += 1
        rest = f", at most {left / 60:.0f} min left" if left else ""
        print(f"{passed:7.0f} s  run {self._played:4} of {self._most}  {what}{rest}", flush=True)


@lru_cache(maxsize=4)
def _trace(folder: Path, name: str, seed: int) -> Any:
    scenario = SCENARIOS[name]
    return scenario.trace(folder / scenario.file if scenario.file else None, seed)


def judge(
    bench: Bench, policy: str, overload: str, over: Sequence[str], knobs: Mapping[str, float]
) -> Trial:
    """What a setting is worth over several scenarios, hours relative to the clairvoyant fleet."""
    rows = [
        bench.row(
            Job(
                scenario=name,
                policy=policy,
                overload=overload,
                seed=0,
                setting="trial",
                knobs=tuple(knobs.items()),
            )
        )
        for name in over
    ]
    cost = geometric_mean(row["gpuHours"] / row["oracleGpuHours"] for row in rows)
    meets = all(row["attainment"] >= row["target"] for row in rows)
    return Trial(meets=meets, cost=cost or float("inf"))


def tune_all(
    bench: Bench, overload: str, options: argparse.Namespace
) -> dict[tuple[str, str], Mapping[str, float]]:
    """Knobs by (policy, setting): over all development traces, and with each one left out."""
    found: dict[tuple[str, str], Mapping[str, float]] = {}
    choices: dict[str, tuple[str, ...]] = {"tuned": _DEVELOPMENT}
    if not options.no_leave_out:
        for left in _DEVELOPMENT:
            choices[f"without-{left}"] = tuple(name for name in _DEVELOPMENT if name != left)
    for policy in options.policy:
        for setting, over in choices.items():
            worth = partial(judge, bench, policy, overload, over)
            knobs = tuned(POLICIES[policy], options.trials, worth)
            if knobs is not None:
                found[policy, setting] = knobs
    return found


def jobs(
    scenario: Scenario,
    overload: str,
    settings: Mapping[tuple[str, str], Mapping[str, float]],
    policies: Sequence[str],
    seeds: int,
) -> Iterator[Job]:
    """All runs of a scenario in one mode: defaults, tuned ones, and the left-out check."""
    count = seeds if scenario.day_long else 1
    for policy in policies:
        for seed in range(count):
            yield Job(
                scenario=scenario.name,
                policy=policy,
                overload=overload,
                seed=seed,
                setting="default",
                knobs=tuple(POLICIES[policy].defaults().items()),
            )
            if (policy, overload) == ("ours", "gateway"):
                yield Job(
                    scenario=scenario.name,
                    policy=policy,
                    overload=overload,
                    seed=seed,
                    setting=_OWN_LIMIT,
                    knobs=tuple(POLICIES[policy].defaults().items()),
                )
            for setting in ("tuned", f"without-{scenario.name}"):
                knobs = settings.get((policy, setting))
                if knobs is not None:
                    yield Job(
                        scenario=scenario.name,
                        policy=policy,
                        overload=overload,
                        seed=seed,
                        setting=setting,
                        knobs=tuple(knobs.items()),
                    )


def pictures(bench: Bench, scenario: Scenario, overload: str, folder: Path) -> None:
    """One picture a scenario: ours and two rivals beside the clairvoyant fleet."""
    path = folder / f"{scenario.name}-{overload}.png"
    if path.exists():
        return
    runs = {}
    ground = bench.ground(scenario, overload, 0)
    for policy in _PICTURED:
        job = Job(
            scenario=scenario.name, policy=policy, overload=overload, seed=0, setting="default"
        )
        runs[policy], ground = bench.play(job)
    draw(path, f"{scenario.name}, {overload}", runs, ground, bench.bounds(scenario))


def main(arguments: Sequence[str] | None = None) -> int:
    """Tune, play, and write ledger, table and pictures."""
    options = _options().parse_args(arguments)
    ledger = Ledger(options.results / "policy.jsonl", resume=options.resume)
    bench = Bench(
        ledger,
        options.traces,
        budget_seconds=60.0 * options.budget_minutes,
        most=max(0, _most(options) - len(ledger.rows)),
    )
    try:
        play_all(bench, options)
    except OutOfTimeError:
        print("the budget is spent: the rest stands in the report as not run", flush=True)
    rows = [row for key, row in ledger.rows.items() if not key.startswith("bounds/")]
    contest = Contest(
        day_long=_DEVELOPMENT,
        commit=commit_here(),
        command=_command(options, arguments or sys.argv[1:]),
        planned=Counter(map(_who, _documented(options))),
    )
    text = table(rows, contest)
    (options.results / "policy.md").write_text(text)
    print(text)
    return 0


def play_all(bench: Bench, options: argparse.Namespace) -> None:
    """The most telling first: documented settings on the day-long traces, then tuning, then all."""
    for job in _documented(options):
        if job.scenario in _DEVELOPMENT and job.seed == 0:
            bench.row(job)
    for overload in options.overload:
        settings = tune_all(bench, overload, options) if options.trials else {}
        for name in options.scenario:
            for job in jobs(SCENARIOS[name], overload, settings, options.policy, options.seeds):
                bench.row(job)
            if not options.no_pictures:
                pictures(bench, SCENARIOS[name], overload, options.results)


def _documented(options: argparse.Namespace) -> Iterator[Job]:
    """The plan without what tuning may find."""
    for overload in options.overload:
        for name in options.scenario:
            found = jobs(SCENARIOS[name], overload, {}, options.policy, options.seeds)
            yield from (job for job in found if job.setting == "default")


def _who(job: Job) -> tuple[str, str, str]:
    return job.scenario, job.overload, job.policy


def _most(options: argparse.Namespace) -> int:
    """The most runs that there can be: bounds, documented settings, trials and what they find."""
    documented = sum(1 for _ in _documented(options))
    if not options.trials:
        return documented + len(options.scenario)
    choices = len(_DEVELOPMENT) * (1 if options.no_leave_out else 2)
    trials: int = options.trials * choices * len(options.policy) * len(options.overload)
    return 3 * documented + len(options.scenario) + trials


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="folder of the trace files")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="folder to write to")
    parser.add_argument("--resume", action="store_true", help="keep what has been played")
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--policy", nargs="+", choices=POLICIES, default=["ours", *_RIVALS])
    parser.add_argument(
        "--overload",
        nargs="+",
        default=["gateway", "plain"],
        choices=["plain", "engine-limit", "gateway"],
    )
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    parser.add_argument("--trials", type=int, default=_TRIALS, help="per policy; 0: no tuning")
    parser.add_argument("--no-leave-out", action="store_true", help="tune on all traces only")
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--budget-minutes", type=float, default=float("inf"), help="then it ends")
    return parser


def _command(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    """The command without the folders of one machine."""
    folders = {str(options.traces): "TRACES", str(options.results): "RESULTS"}
    words = (folders.get(word, word) for word in arguments)
    return " ".join(["python", "tests/bench/policy.py", *words])


def commit_here() -> str:
    """The commit that a result belongs to."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = execute(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
