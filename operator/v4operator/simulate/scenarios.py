"""Scenarios to compare policies in: a trace, what the replicas really do, what goes wrong.

From the protocol of the simulation study (section 4.3). Day-long ones decide the summary; the
others test one thing. Nothing is played here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from v4operator.simulate.fast.setting import Blind, Router
from v4operator.simulate.fast.trace import Trace, poisson_like, read_trace
from v4operator.simulate.fast.truths import TRUTHS, Leak, Slow, Truth

R1 = "servegen_r1_clientsA_24h.csv.gz"
R1_SHORT = "servegen_r1_clientsA_30min.csv.gz"
MLARGE = "servegen_mlarge_week1_24h.csv.gz"
AZURE = "azure_conv_2023.csv.gz"
MOONCAKE = "mooncake_conversation.csv.gz"
AGENTIC = "agentic_24h_A.csv.gz"

_HOUR = 3600.0

_Make = Callable[[Trace, int], Trace]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the protocol.

    `make` turns the trace of `file` (an empty one without a file) and a seed into the requests.
    `quota_ratio` limits the fleet to that share of what the work needs at its peak. `restart_at`
    is when the controller loses its memory.
    """

    name: str
    tests: str
    make: _Make
    file: str | None = None
    day_long: bool = False
    target: float = 0.99
    truth: Truth = field(default_factory=Truth)
    router: Router = "least"
    failed_starts: float = 0.0
    quota_ratio: float | None = None
    blind: tuple[Blind, ...] = ()
    restart_at: float | None = None

    def trace(self, path: Path | None, seed: int) -> Trace:
        """The requests, made of the trace in that file (`None` where none is needed).

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not a trace, or none was given.
        """
        if path is None and self.file is not None:
            raise ValueError(f"scenario {self.name}: needs a trace such as {self.file}")
        return self.make(_EMPTY if path is None else _read(path), seed)


@lru_cache(maxsize=2)
def _read(path: Path) -> Trace:
    """A trace file; two are kept, since reading a day takes seconds."""
    return read_trace(path)


_EMPTY = poisson_like(rate=1.0, variation=1.0, seconds=0.0, prompt=1, output=1)


def _times(rate: float) -> _Make:
    return lambda trace, seed: trace.scaled(rate, seed=seed)


def _bursts(_: Trace, seed: int) -> Trace:
    """Very short answers in bursts: 20 requests a second on average, CV 10, two hours."""
    return poisson_like(
        rate=20.0, variation=10.0, seconds=2 * _HOUR, prompt=1000, output=15, seed=seed
    )


def _step(trace: Trace, seed: int) -> Trace:
    """Six hours of R1, of which the fourth has three times the traffic at once."""
    return trace.window(0.0, 6 * _HOUR).amplified(3 * _HOUR, 4 * _HOUR, 3, seed=seed)


def _crowd(trace: Trace, seed: int) -> Trace:
    """Three times the Azure hour, and eight times that for ten minutes in its middle."""
    return trace.scaled(3, seed=seed).amplified(1500.0, 2100.0, 8, seed=seed)


def _longer_prompts(trace: Trace, _: int) -> Trace:
    """Prompts four times as long from noon on, at the same request rate."""
    return trace.with_longer_prompts(12 * _HOUR, 4.0)


_LEAK = Truth(
    name="leak",
    leak=Leak(begin=2 * _HOUR, end=8 * _HOUR, factor=1.6),
    slow=Slow(ordinal=1, since=10 * _HOUR),
)
_BLIND = (
    Blind(begin=2 * _HOUR, end=2 * _HOUR + 300.0),
    Blind(begin=16 * _HOUR, end=17 * _HOUR, kind="stale", ordinal=0),
)


def _wrong(factor: float) -> Scenario:
    return Scenario(
        name=f"wrong-catalogue-{factor:g}",
        tests="the capacity must be learned, not configured",
        file=R1,
        make=_times(1),
        truth=Truth(name=f"linear x{factor:g}").with_hidden_factor(factor),
    )


def _truth(name: str) -> tuple[Scenario, Scenario]:
    """Both day-long scenarios on a truth that the estimator does not contain, with noise."""
    truth = TRUTHS[name].noisy()
    return (
        Scenario(
            name=f"diurnal-{name}",
            tests="the truth is not the estimator's law",
            file=MLARGE,
            make=_times(3),
            truth=truth,
        ),
        Scenario(
            name=f"batch-{name}",
            tests="the truth is not the estimator's law",
            file=R1,
            make=_times(1),
            truth=truth,
        ),
    )


def _all() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="diurnal",
            tests="forecast, scale-down",
            file=MLARGE,
            make=_times(3),
            day_long=True,
        ),
        Scenario(
            name="batch",
            tests="long answers, ramps of several times in ten minutes",
            file=R1,
            make=_times(1),
            day_long=True,
        ),
        Scenario(
            name="short-batch",
            tests="half an hour of the batch clients, for a quick look",
            file=R1_SHORT,
            make=_times(1),
        ),
        Scenario(name="bursty", tests="overreaction, tail of TTFT", make=_bursts),
        Scenario(
            name="stationary-azure", tests="oscillation, cost at rest", file=AZURE, make=_times(10)
        ),
        Scenario(
            name="stationary-mooncake",
            tests="oscillation, long prompts",
            file=MOONCAKE,
            make=_times(4),
            target=0.95,  # prompts of 100k tokens miss the TTFT on any fleet
        ),
        Scenario(
            name="agentic",
            tests="KV limit, cache loss on scale-down, 100k prompts",
            file=AGENTIC,
            make=_times(4),
            router="affinity",
            target=0.95,  # as above
        ),
        Scenario(name="step", tests="reaction bound by the start-up", file=R1, make=_step),
        Scenario(name="flash-crowd", tests="is scaling up worth it?", file=AZURE, make=_crowd),
        Scenario(
            name="leak",
            tests="sized for and reported; then one replica at half speed",
            file=R1,
            make=_times(1),
            truth=_LEAK,
        ),
        *(_wrong(factor) for factor in (0.5, 0.7, 1.3, 2.0)),
        Scenario(
            name="length-shift",
            tests="policies that count requests",
            file=R1,
            make=_longer_prompts,
        ),
        Scenario(
            name="blind",
            tests="five minutes without metrics, a stale replica, a restart of the controller",
            file=R1,
            make=_times(1),
            blind=_BLIND,
            restart_at=8 * _HOUR,
        ),
        Scenario(name="quota", tests="degradation", file=R1, make=_times(1), quota_ratio=0.8),
        Scenario(
            name="failed-starts",
            tests="one start in twenty fails",
            file=R1,
            make=_times(1),
            failed_starts=0.05,
        ),
        *(s for name in TRUTHS if name != "linear" for s in _truth(name)),
    )


def own_trace(truth: Truth, target: float) -> Scenario:
    """The user's own trace as it is."""
    return Scenario(
        name="trace",
        tests="the user's own",
        file="a CSV",
        make=_times(1),
        truth=truth,
        target=target,
    )


SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _all()}
