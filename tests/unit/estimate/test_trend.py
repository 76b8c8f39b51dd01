import pytest

from v4operator.estimate.trend import slope

TIMES = [30.0 * i for i in range(21)]
NOISE = [0.03, -0.05, 0.04, -0.01, 0.02, -0.04, 0.05]  # of 1, in no order


def noisy(values: list[float]) -> list[float]:
    return [v * (1 + NOISE[i % len(NOISE)]) for i, v in enumerate(values)]


def test_a_clean_ramp_is_found_exactly() -> None:
    assert slope(TIMES, [1.0 + t / 300.0 for t in TIMES]) == pytest.approx(1 / 300.0)


def test_a_ramp_is_found_in_noise() -> None:
    assert slope(TIMES, noisy([1.0 + t / 300.0 for t in TIMES])) == pytest.approx(
        1 / 300.0, rel=0.15
    )


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([2.0] * 21, id="still"),
        pytest.param(noisy([2.0] * 21), id="noise"),
        pytest.param(noisy([3.0 - t / 600.0 for t in TIMES]), id="falling"),
        pytest.param(noisy([1.0] * 16 + [2.0] * 5), id="a step two minutes ago"),
        pytest.param(noisy([1.0] * 12 + [2.0] * 9), id="a step four minutes ago"),
        pytest.param([1.0] * 20 + [3.0], id="one high sample"),
    ],
)
def test_nothing_else_is_taken_for_a_ramp(values: list[float]) -> None:
    assert slope(TIMES, values) == 0.0


@pytest.mark.parametrize("points", [0, 1, 7])
def test_a_few_points_are_no_ramp(points: int) -> None:
    assert slope(TIMES[:points], [float(i) for i in range(points)]) == 0.0
