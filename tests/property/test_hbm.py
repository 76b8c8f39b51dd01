"""What must be true of any plan, whatever its figures."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from v4operator.catalogue import load
from v4operator.estimate import kv
from v4operator.estimate.engine_args import parse
from v4operator.estimate.hbm import check
from v4operator.model.deployment import HbmBudget, MemoryPlan
from v4operator.model.hbm import HbmVerdict
from v4operator.model.layout import Layout

CATALOGUE = load()
ORDER = list(HbmVerdict)
NAMED = st.sampled_from([c.name for c in CATALOGUE.checkpoints])
DEVICES = st.sampled_from([a.name for a in CATALOGUE.accelerators])
SMALL = st.sampled_from([1, 2, 3, 4, 8, 16])
CONTEXTS = st.integers(1, 1 << 20)


BUDGETS = st.one_of(
    st.none(),
    st.builds(HbmBudget, ratio=st.floats(0.01, 1.0)),
    st.builds(HbmBudget, size_bytes=st.integers(1, 10**12)),
)


@st.composite
def any_plan(draw: st.DrawFn) -> MemoryPlan:
    layout = Layout(
        tensor=draw(SMALL), data=draw(SMALL), pipeline=draw(SMALL), expert=draw(st.booleans())
    )
    return MemoryPlan(
        checkpoint=draw(NAMED),
        engine=draw(st.sampled_from(["vllm", "sglang", "nim"])),
        engine_version=draw(st.sampled_from([None, "0.20", "0.33.0", "0.5.12", "0.5.23"])),
        engine_args=(),
        accelerator=draw(DEVICES),
        devices=draw(st.one_of(st.just(layout.devices), SMALL)),
        layout=layout,
        max_context_tokens=draw(CONTEXTS),
        concurrency=draw(st.integers(1, 10_000)),
        budget=draw(BUDGETS),
    )


@st.composite
def runnable(draw: st.DrawFn) -> MemoryPlan:
    """Plans that somebody could start: mostly they get as far as the account."""
    power = st.sampled_from([1, 2, 4, 8])
    layout = Layout(tensor=draw(power), data=draw(power), expert=draw(st.booleans()))
    return replace(
        draw(any_plan()),
        checkpoint=draw(st.sampled_from(["deepseek-v4-flash", "deepseek-v4-pro"])),
        engine=draw(st.sampled_from(["vllm", "sglang"])),
        engine_version=None,
        accelerator=draw(st.sampled_from(["h200-141", "b200", "b300", "mi355x"])),
        devices=layout.devices,
        layout=layout,
        concurrency=1,
        budget=None,
    )


def plans() -> st.SearchStrategy[MemoryPlan]:
    return st.one_of(any_plan(), runnable(), st.builds(_limited, runnable(), BUDGETS))


def _limited(plan: MemoryPlan, budget: HbmBudget | None) -> MemoryPlan:
    return replace(plan, budget=budget)


@given(plans())
def test_every_plan_gets_a_verdict_with_its_figures_or_the_reason(plan: MemoryPlan) -> None:
    report = check(plan, CATALOGUE)
    assert report.sentence
    judged = ORDER.index(report.verdict) >= ORDER.index(HbmVerdict.WEIGHTS_EXCEED)
    assert (report.decided_by is not None) is judged
    # An engine that nobody has modelled is judged by the size of the files alone.
    by_files = judged and report.budget_bytes is None
    assert not by_files or report.verdict is HbmVerdict.WEIGHTS_EXCEED
    assert (report.pool is not None) is (judged and not by_files)
    if report.verdict is not HbmVerdict.FITS:
        assert report.findings[0].reason == report.verdict.reason


@given(runnable())
def test_the_most_requests_are_admitted_and_one_more_is_too_many(plan: MemoryPlan) -> None:
    most = check(plan, CATALOGUE).max_concurrency or 0
    fitting = check(replace(plan, concurrency=max(1, most)), CATALOGUE)
    assume(fitting.verdict.fits)
    beyond = check(replace(plan, concurrency=most + 1), CATALOGUE)
    assert beyond.verdict is HbmVerdict.CONCURRENCY_EXCEED


@given(plans(), CONTEXTS)
def test_a_shorter_context_never_makes_it_worse(plan: MemoryPlan, other: int) -> None:
    short, long = sorted((plan.max_context_tokens or 1, other))
    better = check(replace(plan, max_context_tokens=short), CATALOGUE)
    worse = check(replace(plan, max_context_tokens=long), CATALOGUE)
    assert ORDER.index(better.verdict) >= ORDER.index(worse.verdict)
    assert (better.max_concurrency or 0) >= (worse.max_concurrency or 0)


@given(plans(), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_a_larger_budget_never_makes_it_worse(
    plan: MemoryPlan, first: float, second: float
) -> None:
    small, large = sorted((first, second))
    worse = check(replace(plan, budget=HbmBudget(ratio=small)), CATALOGUE)
    better = check(replace(plan, budget=HbmBudget(ratio=large)), CATALOGUE)
    assert ORDER.index(better.verdict) >= ORDER.index(worse.verdict)


@given(CONTEXTS, CONTEXTS, st.integers(1, 1 << 17))
def test_blocks_grow_with_length_and_with_tokens_in_flight(
    first: int, second: int, flight: int
) -> None:
    short, long = sorted((first, second))
    assert kv.blocks(short, flight) <= kv.blocks(long, flight)
    assert kv.blocks(short, flight) <= kv.blocks(short, flight + 1)


@given(st.lists(st.text(max_size=30), max_size=12).map(tuple))
def test_any_command_line_is_read_without_failing(args: tuple[str, ...]) -> None:
    for engine in ("vllm", "sglang"):
        parse(engine, args)
