"""The largest answers that a Prometheus can make the operator read, and what they become here."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from tests.contract.test_prometheus_hostile import outcome, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_ANSWER = b'{"status":"success","data":{"result":[%s]}}'

# Each within a per cent of a million parts or of 16 MiB, and as dense as it can be.
_LARGEST: dict[str, bytes] = {
    "samples": _ANSWER % (b'{"metric":{},"values":[%s[1,"1"]]}' % (b'[1,"1"],' * 330_000)),
    "labels": _ANSWER
    % (b'{"metric":{%s"z":""}}' % b"".join(b'"%x":"",' % number for number in range(499_000))),
    "series": _ANSWER % (b'{"metric":{}},' * 249_000 + b'{"metric":{}}'),
    "text": _ANSWER % (b'{"metric":{"a":"%s"}}' % (b"x" * 15 * 2**20)),
}


@pytest.mark.parametrize("body", _LARGEST.values(), ids=_LARGEST.keys())
async def test_the_largest_answer_that_is_read_stays_bounded_in_memory(body: bytes) -> None:
    async with serving(lambda: web.Response(body=body)) as server:
        tracemalloc.start()
        scrape = await outcome(server)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "no engine series with instance=" in str(scrape.failure)  # it was read
    assert peak < 300 * 2**20  # the operator's own limit is 512 MiB


async def _flood() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield b"[" * 2**20


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (_flood, "answer above 16 MiB"),
        (lambda: b'{"data":' + b"[" * 1_000_001, "the answer has more than 1,000,000 parts"),
    ],
    ids=["64 MiB", "a million values"],
)
async def test_a_larger_one_is_refused_before_it_takes_memory(
    body: Callable[[], object], reason: str
) -> None:
    async with serving(lambda: web.Response(body=body())) as server:
        tracemalloc.start()
        scrape = await outcome(server)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert reason in str(scrape.failure)
    assert peak < 64 * 2**20  # two queries at once, 16 MiB each, and the server's own pieces
