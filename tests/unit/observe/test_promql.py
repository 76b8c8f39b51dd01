"""Series of a Prometheus become the readings that scraping gives, or nothing."""

from pathlib import Path

import pytest

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines import WANTED, NotAnEngine, read, read_samples
from v4operator.observe.exposition import parse
from v4operator.observe.promql import (
    PromSeries,
    alternatives,
    by_replica,
    escaped,
    exposition,
    one_count,
    replica_selector,
)

RECORDED = Path(__file__).parents[2] / "data" / "expositions"
NOW = 1000.0
_TARGET = {"job": "engines", "instance": "10.0.0.1:8000"}


def series(name: str, *samples: tuple[float, float], **labels: str) -> PromSeries:
    return PromSeries(labels={"__name__": name, **_TARGET, **labels}, samples=samples)


def running(*samples: tuple[float, float], **labels: str) -> PromSeries:
    return series("vllm:num_requests_running", *samples, **labels)


@pytest.mark.parametrize(
    "name",
    [
        "sglang-0.5.23-collector-unified-load-3",
        "sglang-0.5.23-cpu-tp2-during-02",
        "vllm-0.32.0-cpu-during-03",
        "vllm-0.32.0-cpu-dp2-api2-during-01",
        "llamacpp-0c1e570-cpu-after",
    ],
)
def test_a_recorded_exposition_reads_the_same_out_of_a_prometheus(name: str) -> None:
    text = (RECORDED / f"{name}.txt").read_bytes()
    scraped = read(text)
    stored = [
        series(sample, (NOW, value), **labels)
        for sample, found in parse(text, WANTED).samples.items()
        for labels, value in found
    ]
    rebuilt = exposition(stored, now=NOW)
    assert rebuilt is not None
    queried = read_samples(rebuilt)
    assert isinstance(scraped, EngineReading)
    assert isinstance(queried, EngineReading)
    for figure in ("running_requests", "decode_tokens_total", "kv_capacity_tokens", "memory"):
        assert getattr(queried, figure) == getattr(scraped, figure)
    assert queried.ranks == scraped.ranks
    assert queried.inter_token_latency == scraped.inter_token_latency
    assert queried.missing == scraped.missing
    assert queried.timestamp == NOW


def test_a_series_without_a_sample_in_the_last_scrape_has_gone() -> None:
    gone = running((NOW - 15, 7.0), engine="1")
    there = running((NOW - 15, 1.0), (NOW, 2.0), engine="0")
    found = exposition([there, gone], now=NOW + 20)
    assert found is not None
    assert [value for _, value in found.series("vllm:num_requests_running")] == [2.0]


def test_a_scrape_that_is_still_arriving_is_not_read_yet() -> None:
    both = [running((NOW - 15, 1.0), (NOW, 2.0)), running((NOW - 15, 7.0), engine="1")]
    found = exposition(both, now=NOW + 1)
    assert found is not None
    assert found.timestamp == NOW - 15
    assert [value for _, value in found.series("vllm:num_requests_running")] == [1.0, 7.0]


def test_no_sample_is_no_exposition() -> None:
    assert exposition([], now=NOW) is None
    assert exposition([running()], now=NOW) is None


def test_copies_by_a_pair_of_servers_count_once() -> None:
    pair = [running((NOW, 3.0), prometheus_replica=one) for one in ("a", "b")]
    ignored = frozenset({"prometheus_replica"})
    grouped = by_replica(pair, "instance", ignored, kept={}, now=NOW)
    found = exposition(grouped["10.0.0.1:8000"].series, now=NOW)
    assert found is not None
    assert [value for _, value in found.series("vllm:num_requests_running")] == [3.0]


def test_a_replica_that_two_jobs_scrape_counts_once() -> None:
    twice = [running((NOW, 3.0), pod="a", job=job) for job in ("second", "first")]
    grouped = by_replica(twice, "pod", frozenset(), kept={}, now=NOW)
    assert [each.labels["job"] for each in grouped["a"].series] == ["first"]


_TWO_JOBS = [
    *(running((NOW - 30, 1.0), (NOW - 15, 1.0), (NOW, 2.0), pod="a", job=job) for job in "xy"),
    series("vllm:num_requests_waiting", (NOW, 1.0), pod="a", job="y"),
]


@pytest.mark.parametrize(
    ("kept", "later_seconds", "read"),
    [("x", 45.0, "x"), ("x", 46.0, "y"), ("y", 0.0, "y"), ("gone", 0.0, "y")],
    ids=["goes-on", "three-scrapes-lost", "the-other", "gone"],
)
def test_the_job_that_was_read_before_is_read_while_it_scrapes(
    kept: str, later_seconds: float, read: str
) -> None:
    """The other job has more series and would be taken first."""
    target = (kept, _TARGET["instance"])
    now = NOW + later_seconds
    grouped = by_replica(_TWO_JOBS, "pod", frozenset(), kept={"a": target}, now=now)
    assert grouped["a"].target == (read, _TARGET["instance"])


def test_a_kept_job_with_a_single_sample_has_no_pace_to_be_kept_by() -> None:
    jobs = [running((NOW, 1.0), pod="a", job=job) for job in ("x", "y")]
    target = ("y", _TARGET["instance"])
    grouped = by_replica(jobs, "pod", frozenset(), kept={"a": target}, now=NOW)
    assert grouped["a"].target[0] == "x"
    assert grouped["a"].spacing_seconds is None


def test_the_pace_is_that_of_most_gaps_and_a_lost_scrape_does_not_change_it() -> None:
    short = running((NOW - 90, 1.0), (NOW, 1.0), pod="a")
    whole = series("up", *((NOW - gap, 1.0) for gap in (120, 90, 60, 30, 0)), pod="a")
    lossy = series("up", *((NOW - gap, 1.0) for gap in (120, 90, 30, 0)), pod="b")
    grouped = by_replica([short, whole, lossy], "pod", frozenset(), kept={}, now=NOW)
    assert {name: each.spacing_seconds for name, each in grouped.items()} == {"a": 30.0, "b": 30.0}


def test_each_replica_has_its_own_series() -> None:
    both = [running(pod="a"), running(pod="b")]
    grouped = by_replica(both, "pod", frozenset(), kept={}, now=NOW)
    assert {name: len(found.series) for name, found in grouped.items()} == {"a": 1, "b": 1}


def test_samples_of_no_engine_and_of_two_are_unusable() -> None:
    neither = exposition([series("up", (NOW, 1.0))], now=NOW)
    both = exposition([running((NOW, 1.0)), series("sglang:num_running_reqs", (NOW, 1.0))], now=NOW)
    assert neither is not None
    assert both is not None
    assert read_samples(neither) == NotAnEngine(reason="samples of no known engine")
    assert read_samples(both) == NotAnEngine(reason="samples of sglang and vllm")


def test_nan_in_place_of_every_figure_is_no_reading() -> None:
    found = exposition([running((NOW, float("nan")))], now=NOW)
    assert found is not None
    assert read_samples(found) == NotAnEngine(reason="not one of the samples is a number")


def test_the_selector_names_replicas_literally_and_adds_matchers() -> None:
    text = replica_selector("instance", ["10.0.0.1:8000"], {"cluster": 'a"b\\'})
    assert 'instance=~"10\\\\.0\\\\.0\\\\.1:8000"' in text
    assert text.endswith(',cluster="a\\"b\\\\"}')
    assert "vllm:num_requests_running" in text


def test_what_a_string_cannot_hold_is_escaped() -> None:
    assert escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'
    assert alternatives(["b", "a"]) == "a|b"


def test_the_engine_is_recognised_from_its_samples() -> None:
    found = exposition([running((NOW, 1.0))], now=NOW)
    assert found is not None
    reading = read_samples(found)
    assert isinstance(reading, EngineReading)
    assert reading.engine is Engine.VLLM


_COUNT = PromSeries(labels={}, samples=((NOW, 12.0),))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([_COUNT], 12.0),
        ([PromSeries(labels={}, samples=((NOW - 100.0, 0.0),))], 0.0),
        ([PromSeries(labels={}, samples=((NOW + 5.0, 1.0),))], 1.0),
        ([], "no sample, not one"),
        ([_COUNT] * 1200, "1,200 series, not one"),
        ([PromSeries(labels={}, samples=())], "0 samples over time, not one"),
        ([PromSeries(labels={}, samples=((NOW, 1.0), (NOW, 1.0)))], "2 samples over time, not one"),
        ([PromSeries(labels={}, samples=((NOW, float("nan")),))], "nan, which is no count"),
        ([PromSeries(labels={}, samples=((NOW, float("inf")),))], "inf, which is no count"),
        ([PromSeries(labels={}, samples=((NOW, -0.5),))], "-0.5, which is no count"),
        ([PromSeries(labels={}, samples=((NOW - 101.0, 1.0),))], "a sample of another time"),
        ([PromSeries(labels={}, samples=((NOW + 6.0, 1.0),))], "a sample of another time"),
        ([PromSeries(labels={}, samples=((float("nan"), 1.0),))], "a sample of another time"),
    ],
    ids=[
        "one",
        "none-waits",
        "a-clock-a-little-ahead",
        "nothing",
        "many",
        "no-sample",
        "a-range",
        "nan",
        "infinite",
        "negative",
        "old",
        "of-the-future",
        "of-no-time",
    ],
)
def test_one_finite_count_of_now_is_a_count_and_nothing_else_is(
    answer: list[PromSeries], found: float | str
) -> None:
    told = one_count(answer, since=NOW - 100.0, until=NOW + 5.0)
    if isinstance(found, str):
        assert isinstance(told, str)
        assert told.startswith(found)
    else:
        assert told == found
