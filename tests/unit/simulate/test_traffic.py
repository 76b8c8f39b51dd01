from itertools import islice, takewhile
from statistics import mean, pstdev

import pytest

from v4operator.simulate.traffic import Arrivals, Lengths, Rate, Traffic

FIXED = Lengths(mean_tokens=100)


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [
        pytest.param(-5, 2, id="before the first point"),
        pytest.param(150, 4, id="half-way up a ramp"),
        pytest.param(200, 9, id="at a step the later value counts"),
        pytest.param(900, 9, id="after the last point"),
    ],
)
def test_rate_runs_straight_between_its_points(elapsed: float, expected: float) -> None:
    rate = Rate(points=((100, 2), (200, 6), (200, 9)))
    assert rate.at(elapsed) == expected


def test_a_swing_repeats() -> None:
    rate = Rate(points=((0, 0), (50, 10), (100, 0)), repeat_seconds=100)
    assert [rate.at(at) for at in (25, 75, 125, 1050)] == [5, 5, 5, 10]


@pytest.mark.parametrize(
    ("points", "repeat"),
    [
        pytest.param((), None, id="no points"),
        pytest.param(((5, 1), (4, 1)), None, id="backwards"),
        pytest.param(((0, -1),), None, id="negative"),
        pytest.param(((0, 1), (9, 1)), 5.0, id="repeats before its end"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(
    points: tuple[tuple[float, float], ...], repeat: float | None
) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Rate(points=points, repeat_seconds=repeat)


def test_arrivals_follow_the_rate_as_poisson() -> None:
    traffic = Traffic(
        rate=Rate(points=((0, 5), (2000, 5), (2000, 20))), prompt=FIXED, output=FIXED, seed=4
    )
    times = [r.arrival - 500 for r in islice(Arrivals(traffic, 500.0), 30_000)]
    assert times == sorted(times)
    early = sum(at < 2000 for at in times)
    assert early == pytest.approx(10_000, rel=0.03)
    gaps = [b - a for a, b in zip(times[early:], times[early + 1 :], strict=False)]
    assert mean(gaps) == pytest.approx(0.05, rel=0.03)
    assert pstdev(gaps) == pytest.approx(0.05, rel=0.05)  # exponential: deviation = mean


def test_the_same_seed_gives_the_same_requests_and_another_does_not() -> None:
    def first(seed: int) -> list[tuple[float, int, int]]:
        traffic = Traffic(
            rate=Rate(points=((0, 3),)),
            prompt=Lengths(mean_tokens=500, variation=0.7),
            output=FIXED,
            seed=seed,
        )
        some = islice(Arrivals(traffic, 0.0), 50)
        return [(r.arrival, r.prompt_tokens, r.output_tokens) for r in some]

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_lengths_have_the_mean_and_variation_that_were_asked_for() -> None:
    traffic = Traffic(
        rate=Rate(points=((0, 1),)),
        prompt=Lengths(mean_tokens=1200, variation=0.8),
        output=Lengths(mean_tokens=300, variation=0.5, longest_tokens=600),
        cached_ratio=0.25,
    )
    requests = list(islice(Arrivals(traffic, 0.0), 20_000))
    prompts = [r.prompt_tokens for r in requests]
    assert mean(prompts) == pytest.approx(1200, rel=0.03)
    assert pstdev(prompts) / mean(prompts) == pytest.approx(0.8, rel=0.06)
    assert max(r.output_tokens for r in requests) == 600
    assert all(r.cached_tokens == int(r.prompt_tokens * 0.25) for r in requests)


def test_no_rate_means_no_requests() -> None:
    traffic = Traffic(rate=Rate(points=((0, 0),)), prompt=FIXED, output=FIXED)
    assert list(Arrivals(traffic, 0.0)) == []


def test_a_rate_that_falls_to_nothing_for_a_while_has_a_gap() -> None:
    points = ((0, 4), (100, 4), (100, 0), (200, 0), (200, 4))
    traffic = Traffic(rate=Rate(points=points), prompt=FIXED, output=FIXED)
    times = [r.arrival for r in takewhile(lambda r: r.arrival < 300, Arrivals(traffic, 0.0))]
    assert not [at for at in times if 100 <= at < 200]
    assert len([at for at in times if at >= 200]) > 300
