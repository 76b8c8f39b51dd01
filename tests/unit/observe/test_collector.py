from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from v4operator.model.deployment import Key
from v4operator.observe.collector import Collector
from v4operator.observe.ports import Scrape

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.conftest import FakeClock, MakeReading

_KEY = Key("ns", "flash")
_OTHER = Key("ns", "pro")


class _Engines:
    """Engines that decode 100 tokens a second; any of them can be made to misbehave."""

    def __init__(self, clock: FakeClock, make_reading: MakeReading) -> None:
        self._clock = clock
        self._make_reading = make_reading
        self.scrapes: defaultdict[str, list[float]] = defaultdict(list)
        self.paths: set[str] = set()
        self.refused: set[str] = set()
        self.broken: set[str] = set()
        self.hung: set[str] = set()
        self.slow_seconds: dict[str, float] = {}
        self.frozen_at: dict[str, float] = {}
        self.under_way = 0
        self.most_under_way = 0

    async def scrape(self, address: str, path: str) -> Scrape:
        now = self._clock.now()
        self.scrapes[address].append(now)
        self.paths.add(path)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._answer(address, now)
        finally:
            self.under_way -= 1

    async def _answer(self, address: str, now: float) -> Scrape:
        if address in self.hung:
            await asyncio.Event().wait()
        if address in self.broken:
            raise RuntimeError("parser bug")
        if address in self.refused:
            return Scrape(at=now, reading=None, failure="connection refused")
        if address in self.slow_seconds:
            await self._clock.sleep(self.slow_seconds[address])
        at = self.frozen_at.get(address, now)
        reading = self._make_reading(decode_tokens_total=at * 100.0)
        return Scrape(at=at, reading=reading, failure=None)


@pytest.fixture
def engines(clock: FakeClock, make_reading: MakeReading) -> _Engines:
    return _Engines(clock, make_reading)


@pytest.fixture
async def collector(engines: _Engines, clock: FakeClock) -> AsyncIterator[Collector]:
    collector = Collector(engines, clock)
    yield collector
    await collector.aclose()


def _targets(*names: str) -> dict[str, tuple[str, str]]:
    return {name: (f"http://{name}:30000", "/metrics") for name in names}


async def test_each_target_is_scraped_once_an_interval(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    collector.set_targets(_KEY, _targets("a", "b", "c"), 5.0)
    await clock.advance(60.0)
    assert {address: len(times) for address, times in engines.scrapes.items()} == {
        "http://a:30000": 12,
        "http://b:30000": 12,
        "http://c:30000": 12,
    }
    assert engines.paths == {"/metrics"}
    gaps = {
        round(after - before, 6)
        for times in engines.scrapes.values()
        for before, after in pairwise(times)
    }
    assert gaps == {5.0}


async def test_the_next_news_comes_when_all_that_is_scraped_within_a_time_has_begun(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    collector.set_targets(_KEY, _targets("a", "b", "c"), 5.0)
    begun = clock.now()
    turn = collector.next_news(_KEY, 5.0)
    await clock.advance(5.0)
    scraped = [time - begun for times in engines.scrapes.values() for time in times]
    assert len(scraped) == 3
    assert turn == pytest.approx(max(scraped))
    first = min(scraped)
    assert collector.next_news(_KEY, first + 1e-3) == pytest.approx(first)
    assert collector.next_news(_KEY, first / 2.0) is None


async def _past_a_turn(
    collector: Collector, engines: _Engines, clock: FakeClock, seconds: float
) -> float:
    """Scrape "a" every ten seconds until so many after the last turn that is seen, the result."""
    collector.set_targets(_KEY, _targets("a"), 10.0)
    await clock.advance(60.0)
    turn = engines.scrapes["http://a:30000"][-1]
    await clock.advance(turn + seconds - clock.now())
    return turn


def _since(turn: float, engines: _Engines) -> list[float]:
    """Seconds from that turn to each later scrape of "a"."""
    return [at - turn for at in engines.scrapes["http://a:30000"] if at > turn]


async def test_another_look_is_soon_once_an_interval_and_moves_no_turn(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    turn = await _past_a_turn(collector, engines, clock, 10.5)
    for _ in range(3):
        collector.look_again(_KEY, 10.0)
    assert collector.next_news(_KEY, 5.0) == pytest.approx(2.0)
    await clock.advance(3.0)
    collector.look_again(_KEY, 10.0)
    await clock.advance(20.0)
    assert _since(turn, engines) == pytest.approx([10.0, 12.5, 20.0, 30.0])
    assert collector.windows(_KEY)["a"].scrapes.failed == 0


async def test_nobody_is_looked_at_again_right_before_its_turn_or_after_it_is_gone(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    turn = await _past_a_turn(collector, engines, clock, 7.0)
    collector.look_again(_KEY, 10.0)
    await clock.advance(4.0)
    assert _since(turn, engines) == pytest.approx([10.0])
    collector.look_again(_KEY, 10.0)
    collector.set_targets(_KEY, {}, 10.0)
    await clock.advance(30.0)
    assert _since(turn, engines) == pytest.approx([10.0])


async def test_of_many_those_that_are_still_there_are_looked_at_again(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    turn = await _past_a_turn(collector, engines, clock, 10.5)
    others = [f"flash-{n}" for n in range(20)]
    collector.set_targets(_KEY, _targets("a", *others), 10.0)
    collector.look_again(_KEY, 10.0)
    collector.set_targets(_KEY, _targets(*others), 10.0)
    await clock.advance(9.0)
    assert _since(turn, engines) == pytest.approx([10.0])
    looks = Counter(round(at - turn, 3) for times in engines.scrapes.values() for at in times)
    assert looks[12.5] > len(others) / 3


async def test_who_did_not_answer_is_not_looked_at_again(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    engines.refused.add("http://a:30000")
    turn = await _past_a_turn(collector, engines, clock, 10.5)
    collector.look_again(_KEY, 10.0)
    await clock.advance(9.0)
    assert _since(turn, engines) == pytest.approx([10.0])


async def test_a_slow_engine_is_asked_one_thing_at_a_time_and_its_answers_stay_in_order(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    turn = await _past_a_turn(collector, engines, clock, 9.5)
    engines.slow_seconds["http://a:30000"] = 3.0
    await clock.advance(1.0)
    collector.look_again(_KEY, 10.0)
    await clock.advance(2.0)
    engines.slow_seconds.clear()
    await clock.advance(7.0)
    assert engines.most_under_way == 1
    assert collector.windows(_KEY)["a"].scrapes.failed == 0
    assert _since(turn, engines) == pytest.approx([10.0])


async def test_a_target_that_moves_in_the_middle_of_a_scrape_is_scraped_at_its_new_place(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    await _past_a_turn(collector, engines, clock, 9.5)
    engines.slow_seconds["http://a:30000"] = 3.0
    await clock.advance(1.5)
    collector.set_targets(_KEY, _targets("a"), 5.0)
    engines.slow_seconds.clear()
    moved = clock.now()
    await clock.advance(20.0)
    assert len(_since(moved, engines)) == 4


async def test_who_is_not_scraped_has_no_turn(
    engines: _Engines, clock: FakeClock, make_reading: MakeReading
) -> None:
    collector = Collector(engines, clock, fleets=_Server(clock, make_reading))
    collector.set_targets(_KEY, _targets("a"), 5.0, "main")
    collector.look_again(_KEY, 5.0)
    assert collector.next_news(_KEY, 60.0) is None
    assert collector.next_news(_OTHER, 60.0) is None
    await collector.aclose()


async def test_targets_are_spread_over_the_interval_and_keep_their_turn_after_a_restart(
    engines: _Engines, clock: FakeClock
) -> None:
    turns: list[dict[str, float]] = []
    for _ in range(2):
        collector = Collector(engines, clock)
        engines.scrapes.clear()
        collector.set_targets(_KEY, _targets(*(f"flash-{n}" for n in range(200))), 10.0)
        await clock.advance(10.0)
        turns.append({name: round(times[0] % 10.0, 3) for name, times in engines.scrapes.items()})
        await collector.aclose()
    assert turns[0] == turns[1]
    tenths = Counter(int(turn) for turn in turns[0].values())
    assert len(tenths) == 10
    assert max(tenths.values()) <= 40  # 20 each if spread evenly


async def test_windows_fill_and_tell_rates(collector: Collector, clock: FakeClock) -> None:
    collector.set_targets(_KEY, _targets("a"), 5.0)
    await clock.advance(65.0)
    snapshot = collector.windows(_KEY)["a"]
    recent = snapshot.window.over(60.0, clock.now())
    assert recent is not None
    assert recent.decode_tokens_per_second == pytest.approx(100.0)
    assert (snapshot.failure, snapshot.failing_since) == (None, None)
    assert snapshot.scrape_limit_seconds == 2.0


async def test_a_failing_target_keeps_its_reason_and_the_time_of_the_first_failure(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    engines.refused.add("http://a:30000")
    collector.set_targets(_KEY, _targets("a", "b"), 5.0)
    await clock.advance(30.0)
    snapshots = collector.windows(_KEY)
    assert snapshots["a"].failure == "connection refused"
    assert snapshots["a"].failing_since == engines.scrapes["http://a:30000"][0]
    assert snapshots["a"].window.latest is None
    assert snapshots["b"].failure is None
    engines.refused.clear()
    await clock.advance(5.0)
    recovered = collector.windows(_KEY)["a"]
    assert (recovered.failure, recovered.failing_since) == (None, None)
    assert recovered.window.latest is not None


async def test_an_error_in_a_source_is_a_failure_of_that_target_alone(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    engines.broken.add("http://a:30000")
    collector.set_targets(_KEY, _targets("a", "b"), 5.0)
    await clock.advance(20.0)
    snapshots = collector.windows(_KEY)
    assert snapshots["a"].failure == "scrape failed: RuntimeError: parser bug"
    assert len(engines.scrapes["http://a:30000"]) == 4
    assert snapshots["b"].failure is None


async def test_a_target_that_never_answers_delays_no_other(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    engines.hung.add("http://a:30000")
    collector.set_targets(_KEY, _targets("a", "b"), 5.0)
    await clock.advance(50.0)
    assert len(engines.scrapes["http://a:30000"]) == 1
    assert len(engines.scrapes["http://b:30000"]) == 10


async def test_no_more_than_the_bound_are_scraped_at_once(
    engines: _Engines, clock: FakeClock
) -> None:
    names = [f"flash-{n}" for n in range(20)]
    engines.hung.update(f"http://{name}:30000" for name in names)
    collector = Collector(engines, clock, concurrency=3)
    collector.set_targets(_KEY, _targets(*names), 5.0)
    await clock.advance(20.0)
    assert engines.most_under_way == 3
    await collector.aclose()


async def test_an_answer_that_stands_still_is_a_failure(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    engines.frozen_at["http://a:30000"] = clock.now()
    collector.set_targets(_KEY, _targets("a"), 5.0)
    await clock.advance(20.0)
    snapshot = collector.windows(_KEY)["a"]
    assert snapshot.failure == "the answer carries the time of an earlier one"
    assert snapshot.window.intervals_since(0.0) == ()


async def test_a_removed_target_is_forgotten_and_scraped_no_more(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    collector.set_targets(_KEY, _targets("a", "b"), 5.0)
    collector.set_targets(_OTHER, _targets("c"), 5.0)
    await clock.advance(10.0)
    collector.set_targets(_KEY, _targets("b"), 5.0)
    await clock.advance(10.0)
    assert set(collector.windows(_KEY)) == {"b"}
    assert len(engines.scrapes["http://a:30000"]) == 2
    assert len(engines.scrapes["http://b:30000"]) == 4
    collector.set_targets(_KEY, {}, 5.0)
    assert collector.windows(_KEY) == {}
    assert set(collector.windows(_OTHER)) == {"c"}


async def test_setting_the_same_targets_again_changes_nothing(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    for _ in range(12):
        collector.set_targets(_KEY, _targets("a"), 5.0)
        await clock.advance(5.0)
    assert len(engines.scrapes["http://a:30000"]) == 12
    assert len(collector.windows(_KEY)["a"].window.intervals_since(0.0)) == 11


async def test_a_target_at_another_address_starts_with_an_empty_window(
    collector: Collector, clock: FakeClock
) -> None:
    collector.set_targets(_KEY, _targets("a"), 5.0)
    await clock.advance(20.0)
    collector.set_targets(_KEY, {"a": ("http://elsewhere:30000", "/metrics")}, 5.0)
    assert collector.windows(_KEY)["a"].window.latest is None


async def test_another_interval_keeps_the_window_and_changes_the_pace(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    collector.set_targets(_KEY, _targets("a"), 5.0)
    await clock.advance(20.0)
    collector.set_targets(_KEY, _targets("a"), 20.0)
    assert collector.windows(_KEY)["a"].window.latest is not None
    before = len(engines.scrapes["http://a:30000"])
    await clock.advance(60.0)
    assert len(engines.scrapes["http://a:30000"]) - before == 3


async def test_a_closed_collector_scrapes_nothing(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    collector.set_targets(_KEY, _targets("a"), 5.0)
    await clock.advance(5.0)
    await collector.aclose()
    await clock.advance(50.0)
    assert len(engines.scrapes["http://a:30000"]) == 1
    assert collector.windows(_KEY) == {}


class _Server:
    """A Prometheus that scrapes every 15 s, whatever the operator's interval."""

    def __init__(self, clock: FakeClock, make_reading: MakeReading) -> None:
        self._clock = clock
        self._make_reading = make_reading
        self.asked: list[tuple[Key, str, frozenset[str]]] = []
        self.failure: str | None = None
        self.broken = False
        self.forgotten: list[Key] = []

    def problem(self, server: str) -> str | None:
        return None if server == "main" else f"no Prometheus {server!r}"

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)

    async def read(self, key: Key, server: str, replicas: Mapping[str, str]) -> dict[str, Scrape]:
        self.asked.append((key, server, frozenset(replicas)))
        if self.broken:
            raise RuntimeError("client bug")
        at = self._clock.now() // 15.0 * 15.0
        reading = None if self.failure else self._make_reading(decode_tokens_total=at * 100.0)
        spacing = None if self.failure else 15.0
        scrape = Scrape(at=at, reading=reading, failure=self.failure, spacing_seconds=spacing)
        return dict.fromkeys(replicas, scrape)


async def test_a_fleet_is_read_by_one_query_and_no_engine_is_scraped(
    engines: _Engines, clock: FakeClock, make_reading: MakeReading
) -> None:
    server = _Server(clock, make_reading)
    collector = Collector(engines, clock, fleets=server)
    collector.set_targets(_KEY, _targets("a", "b"), 5.0, "main")
    await clock.advance(59.0)
    snapshots = collector.windows(_KEY)
    await collector.aclose()
    assert server.asked == [(_KEY, "main", frozenset({"a", "b"}))] * 12
    assert not engines.scrapes
    recent = snapshots["a"].window.over(60.0, clock.now())
    assert recent is not None
    assert recent.decode_tokens_per_second == pytest.approx(100.0)
    assert snapshots["a"].scrapes.failed == 0


async def test_the_pace_of_the_server_stays_known_while_it_fails_and_goes_with_it(
    engines: _Engines, clock: FakeClock, make_reading: MakeReading
) -> None:
    server = _Server(clock, make_reading)
    collector = Collector(engines, clock, fleets=server)
    collector.set_targets(_KEY, _targets("a"), 5.0, "main")
    await clock.advance(20.0)
    server.failure = "down"
    await clock.advance(20.0)
    failing = collector.windows(_KEY)["a"]
    assert (failing.failure, failing.spacing_seconds) == ("down", 15.0)
    assert server.forgotten == []
    collector.set_targets(_KEY, _targets("a"), 5.0)
    await clock.advance(20.0)
    scraped = collector.windows(_KEY)["a"]
    await collector.aclose()
    assert (scraped.failure, scraped.spacing_seconds) == (None, None)
    assert server.forgotten == [_KEY]


async def test_a_server_that_can_never_be_asked_is_told_of_the_deployment(
    collector: Collector, engines: _Engines, clock: FakeClock, make_reading: MakeReading
) -> None:
    asking = Collector(engines, clock, fleets=_Server(clock, make_reading))
    assert asking.source_problem("main") is None
    assert asking.source_problem("mian") == "no Prometheus 'mian'"
    assert asking.source_problem(None) is None
    assert collector.source_problem("") == "no Prometheus can be asked here"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"failure": "connection refused"}, "connection refused"),
        ({"broken": True}, "query failed: RuntimeError: client bug"),
    ],
    ids=["down", "defect"],
)
async def test_a_server_that_fails_is_the_reason_of_each_replica_of_its_fleet_only(
    engines: _Engines,
    clock: FakeClock,
    make_reading: MakeReading,
    change: dict[str, Any],
    reason: str,
) -> None:
    server = _Server(clock, make_reading)
    collector = Collector(engines, clock, fleets=server)
    collector.set_targets(_KEY, _targets("a", "b"), 5.0, "")
    collector.set_targets(_OTHER, _targets("c"), 5.0)
    await clock.advance(20.0)
    for name, value in change.items():
        setattr(server, name, value)
    await clock.advance(20.0)
    failures = {name: s.failure for name, s in collector.windows(_KEY).items()}
    other = collector.windows(_OTHER)["c"].failure
    await collector.aclose()
    assert failures == {"a": reason, "b": reason}
    assert other is None


async def test_the_source_can_change_while_the_windows_stay(
    engines: _Engines, clock: FakeClock, make_reading: MakeReading
) -> None:
    server = _Server(clock, make_reading)
    collector = Collector(engines, clock, fleets=server)
    collector.set_targets(_KEY, _targets("a"), 5.0, "main")
    await clock.advance(20.0)
    window = collector.windows(_KEY)["a"].window
    collector.set_targets(_KEY, _targets("a"), 5.0)
    asked = len(server.asked)
    await clock.advance(20.0)
    kept = collector.windows(_KEY)["a"].window
    collector.set_targets(_KEY, _targets("a"), 5.0, "main")
    scraped = len(engines.scrapes["http://a:30000"])
    await clock.advance(20.0)
    await collector.aclose()
    assert kept is window
    assert (asked, scraped) == (5, 4)
    assert len(server.asked) > asked
    assert len(engines.scrapes["http://a:30000"]) == scraped


async def test_without_a_prometheus_to_ask_the_replicas_are_unknown_and_not_scraped(
    collector: Collector, engines: _Engines, clock: FakeClock
) -> None:
    collector.set_targets(_KEY, _targets("a"), 5.0, "main")
    await clock.advance(10.0)
    assert collector.windows(_KEY)["a"].failure == "no Prometheus can be asked here"
    assert not engines.scrapes
