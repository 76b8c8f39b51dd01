"""What waits at a gateway is asked on a clock of its own, and what is not told is unknown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from v4operator.model.deployment import GatewayQueries, Key
from v4operator.model.observation import GatewayObservation
from v4operator.observe.gateway import GatewayWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import FakeClock

_KEY = Key("ns", "flash")
_BOTH = GatewayQueries(waiting="queue", lost="lost", server="main")
_QUEUE = replace(_BOTH, lost=None)


class _Prometheus:
    """Gives what the test says; a text is a reason why it gives nothing."""

    def __init__(self) -> None:
        self.answers: dict[str, float | str] = {"queue": 7.0, "lost": 40.0}
        self.asked: list[tuple[str, str]] = []
        self.broken: Exception | None = None
        self.hung = False

    async def figure(self, server: str, expression: str) -> float | str:
        self.asked.append((server, expression))
        if self.broken is not None:
            raise self.broken
        if self.hung:
            await asyncio.Event().wait()
        return self.answers[expression]


@pytest.fixture
def prometheus() -> _Prometheus:
    return _Prometheus()


@pytest.fixture
async def gateways(prometheus: _Prometheus, clock: FakeClock) -> AsyncIterator[GatewayWatch]:
    watch = GatewayWatch(prometheus, clock)
    yield watch
    await watch.aclose()


def _reasons(gateways: GatewayWatch) -> list[str]:
    return [finding.reason for finding in gateways.seen(_KEY).findings]


async def test_both_counts_are_asked_at_once_and_then_once_an_interval(
    gateways: GatewayWatch, prometheus: _Prometheus, clock: FakeClock
) -> None:
    gateways.watch(_KEY, _BOTH, 5.0)
    await clock.advance(1.0)
    seen = gateways.seen(_KEY)
    assert seen.gateway == GatewayObservation(waiting_requests=7.0, lost_total=40.0)
    assert seen.findings == ()
    await clock.advance(58.0)
    assert prometheus.asked == [("main", "queue"), ("main", "lost")] * 12


async def test_a_deployment_that_names_no_gateway_is_not_asked_about(
    gateways: GatewayWatch, prometheus: _Prometheus, clock: FakeClock
) -> None:
    gateways.watch(_KEY, None, 5.0)
    await clock.advance(60.0)
    assert gateways.seen(_KEY).gateway is None
    assert _reasons(gateways) == []
    assert prometheus.asked == []


async def test_a_gateway_whose_losses_nobody_counts_has_a_queue_all_the_same(
    gateways: GatewayWatch, clock: FakeClock
) -> None:
    gateways.watch(_KEY, _QUEUE, 5.0)
    await clock.advance(1.0)
    assert gateways.seen(_KEY).gateway == GatewayObservation(waiting_requests=7.0, lost_total=None)


async def test_before_the_first_answer_nothing_is_known_and_nothing_is_wrong(
    gateways: GatewayWatch,
) -> None:
    gateways.watch(_KEY, _BOTH, 5.0)
    assert gateways.seen(_KEY).gateway is None
    assert _reasons(gateways) == []


@pytest.mark.parametrize(
    ("interval", "kept", "gone"), [(5.0, 54.0, 7.0), (60.0, 178.0, 4.0)], ids=["5s", "60s"]
)
async def test_a_failure_leaves_the_last_answer_for_a_minute_or_three_intervals_and_is_then_told(
    gateways: GatewayWatch,
    prometheus: _Prometheus,
    clock: FakeClock,
    interval: float,
    kept: float,
    gone: float,
) -> None:
    gateways.watch(_KEY, _BOTH, interval)
    await clock.advance(1.0)
    prometheus.answers["queue"] = "Prometheus 'main' gives no sample, not one"
    await clock.advance(kept)
    held = gateways.seen(_KEY)
    assert held.gateway is not None
    assert held.gateway.waiting_requests == 7.0
    assert held.findings == ()
    await clock.advance(gone)
    seen = gateways.seen(_KEY)
    assert seen.gateway is None
    (finding,) = seen.findings
    assert finding.reason == "GatewayQueueUnknown"
    assert "spec.demand.query" in finding.message
    assert "Prometheus 'main' gives no sample, not one" in finding.message
    assert "sized as without a gateway" in finding.message
    prometheus.answers["queue"] = 3.0
    await clock.advance(interval)
    again = gateways.seen(_KEY)
    assert again.gateway is not None
    assert again.gateway.waiting_requests == 3.0
    assert again.findings == ()


async def test_losses_that_cannot_be_counted_are_told_and_leave_the_queue(
    gateways: GatewayWatch, prometheus: _Prometheus, clock: FakeClock
) -> None:
    prometheus.answers["lost"] = "Prometheus 'main' gives 2 series, not one"
    gateways.watch(_KEY, _BOTH, 5.0)
    await clock.advance(1.0)
    seen = gateways.seen(_KEY)
    assert seen.gateway == GatewayObservation(waiting_requests=7.0, lost_total=None)
    (finding,) = seen.findings
    assert finding.reason == "GatewayLossUnknown"
    assert "spec.demand.lostQuery" in finding.message
    assert "2 series" in finding.message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("client bug"), "query failed: RuntimeError: client bug"),
        (TimeoutError(), "no answer within 10 s"),
    ],
    ids=["defect", "too-slow"],
)
async def test_whatever_goes_wrong_at_the_source_is_a_reason_and_asking_goes_on(
    gateways: GatewayWatch,
    prometheus: _Prometheus,
    clock: FakeClock,
    error: Exception,
    reason: str,
) -> None:
    prometheus.broken = error
    gateways.watch(_KEY, _QUEUE, 5.0)
    await clock.advance(1.0)
    (finding,) = gateways.seen(_KEY).findings
    assert reason in finding.message
    prometheus.broken = None
    await clock.advance(5.0)
    assert gateways.seen(_KEY).gateway is not None


async def test_a_source_that_never_answers_makes_nothing_known_and_nobody_wait(
    gateways: GatewayWatch, prometheus: _Prometheus, clock: FakeClock
) -> None:
    prometheus.hung = True
    gateways.watch(_KEY, _BOTH, 5.0)
    await clock.advance(120.0)
    assert gateways.seen(_KEY).gateway is None
    assert len(prometheus.asked) == 2


async def test_other_queries_begin_anew_and_the_same_ones_go_on(
    gateways: GatewayWatch, prometheus: _Prometheus, clock: FakeClock
) -> None:
    gateways.watch(_KEY, _BOTH, 5.0)
    await clock.advance(1.0)
    gateways.watch(_KEY, _BOTH, 5.0)
    assert gateways.seen(_KEY).gateway is not None
    prometheus.answers["other"] = 1.0
    gateways.watch(_KEY, replace(_BOTH, waiting="other"), 5.0)
    assert gateways.seen(_KEY).gateway is None
    await clock.advance(1.0)
    assert gateways.seen(_KEY).gateway == GatewayObservation(waiting_requests=1.0, lost_total=40.0)
    prometheus.asked.clear()
    gateways.watch(_KEY, None, 5.0)
    await clock.advance(60.0)
    assert gateways.seen(_KEY).gateway is None
    assert prometheus.asked == []


async def test_a_closed_watch_asks_no_more(
    gateways: GatewayWatch, prometheus: _Prometheus, clock: FakeClock
) -> None:
    gateways.watch(_KEY, _BOTH, 5.0)
    await clock.advance(1.0)
    prometheus.asked.clear()
    await gateways.aclose()
    await clock.advance(60.0)
    assert prometheus.asked == []
