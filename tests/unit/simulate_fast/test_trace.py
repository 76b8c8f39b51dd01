"""Request traces: reading, cutting, superposing."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from tests.unit.simulate_fast.worlds import steady, trace_of

from v4operator.simulate.fast.trace import poisson_like, read_trace

DATA = Path(__file__).resolve().parents[2] / "data" / "traces"


def written(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "requests", "prompt", "output", "sessions"),
    [
        ("azure_conv_10min.csv.gz", 2867, 3_287_402, 746_194, 0),
        ("mooncake_conversation_10min.csv.gz", 1750, 24_486_514, 619_615, 0),
        ("servegen_r1_clientsA_30min.csv.gz", 11_726, 12_806_390, 16_180_478, 0),
        ("servegen_mlarge_week1_30min.csv.gz", 7286, 6_023_847, 1_533_544, 0),
        ("agentic_A_60min.csv.gz", 2339, 241_591_159, 1_087_040, 76),
    ],
)
def test_the_slices_are_read_whole(
    name: str, requests: int, prompt: int, output: int, sessions: int
) -> None:
    trace = read_trace(DATA / name)

    assert (len(trace), int(trace.prompt.sum()), int(trace.output.sum())) == (
        requests,
        prompt,
        output,
    )
    assert len(np.unique(trace.session[trace.session >= 0])) == sessions
    assert (np.diff(trace.arrival) >= 0).all()


def test_columns_are_found_by_name_and_others_left_alone(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "client,output_tokens,arrival_s,session,prompt_tokens,cached_tokens_ideal\n"
        "a,3,0.5,7,20,10\nb,4,1.5,8,30,0\n",
    )

    trace = read_trace(path)

    assert trace.arrival.tolist() == [0.5, 1.5]
    assert trace.output.tolist() == [3, 4]
    assert trace.session.tolist() == [7, 8]
    assert trace.prefix.tolist() == [10, 0]
    assert trace.duration == 1.5


def test_gzip_is_told_by_the_name(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"arrival_s,prompt_tokens,output_tokens\n0,1,1\n"))

    assert len(read_trace(path)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arrival_s,prompt_tokens\n0,1\n", r"missing \['output_tokens'\]"),
        ("arrival_s,prompt_tokens,output_tokens\n", "no request"),
        ("arrival_s,prompt_tokens,output_tokens\n0,1,many\n", "line 2"),
        ("arrival_s,prompt_tokens,output_tokens\n0,1,1\n0,1\n", "line 3"),
        ("arrival_s,prompt_tokens,output_tokens\n5,1,1\n4,1,1\n", "not in order"),
        ("arrival_s,prompt_tokens,output_tokens\n0,0,1\n", "at least one token"),
    ],
    ids=["column", "empty", "word", "short row", "order", "no prompt"],
)
def test_what_is_no_trace_is_refused_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_trace(written(tmp_path, text))


def test_arrivals_on_a_three_second_grid_are_spread_over_it(tmp_path: Path) -> None:
    rows = "".join(f"{3 * (n // 50)},10,10\n" for n in range(500))
    path = written(tmp_path, "arrival_s,prompt_tokens,output_tokens\n" + rows)

    arrival = read_trace(path).arrival

    assert np.diff(arrival).max() < 1.0
    assert np.bincount((arrival // 3).astype(int)).tolist() == [50] * 10


def test_a_window_begins_at_zero_and_is_billed_to_its_end() -> None:
    window = steady(1.0, 100.0).window(20.0, 30.0)

    assert window.arrival.tolist() == list(range(10))
    assert window.duration == 10.0


@pytest.mark.parametrize("rate", [0.3, 1.0, 2.0, 3.5])
def test_scaling_keeps_the_shape_of_the_day(rate: float) -> None:
    quiet, busy = steady(2.0, 1000.0), steady(8.0, 1000.0)
    day = trace_of([*quiet.arrival, *(1000.0 + busy.arrival)], seconds=2000.0)

    scaled = day.scaled(rate, seed=3)
    halves = np.bincount((scaled.arrival // 1000.0).astype(int))

    assert halves.tolist() == pytest.approx([2000 * rate, 8000 * rate], rel=0.07)
    assert scaled.duration == 2000.0
    assert (np.diff(scaled.arrival) >= 0).all()


def test_whole_sessions_are_copied_and_stay_apart() -> None:
    day = trace_of(
        [float(n) for n in range(600)], session=[n % 3 for n in range(600)], seconds=3600.0
    )

    doubled = day.scaled(2, seed=1)

    assert len(doubled) == 1200
    assert np.bincount(doubled.session).tolist() == [200] * 6


def test_scaling_is_repeatable_by_seed() -> None:
    day = steady(2.0, 1000.0)

    assert day.scaled(2.5, seed=1).arrival.tolist() == day.scaled(2.5, seed=1).arrival.tolist()
    assert day.scaled(2.5, seed=1).arrival.tolist() != day.scaled(2.5, seed=2).arrival.tolist()


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0"):
        steady(1.0, 10.0).scaled(0)


def test_a_flash_crowd_is_there_for_its_time_and_gone_after() -> None:
    crowd = steady(1.0, 900.0).amplified(300.0, 600.0, 8, seed=2)

    counts = np.bincount((crowd.arrival // 300.0).astype(int))

    assert counts.tolist() == [300, 2400, 300]


def test_prompts_grow_from_a_moment_on_at_the_same_arrivals() -> None:
    day = steady(1.0, 100.0, prompt=500)

    longer = day.with_longer_prompts(50.0, 4.0)

    assert longer.prompt.tolist() == [500] * 50 + [2000] * 50
    assert longer.arrival.tolist() == day.arrival.tolist()


def test_bursts_have_the_rate_and_the_variation_that_was_asked_for() -> None:
    trace = poisson_like(rate=20.0, variation=3.0, seconds=20_000.0, prompt=300, output=15, seed=1)
    gaps = np.diff(trace.arrival)

    assert len(trace) / 20_000.0 == pytest.approx(20.0, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(3.0, rel=0.05)
    assert trace.duration == 20_000.0
    assert (trace.prompt[0], trace.output[0]) == (300, 15)
