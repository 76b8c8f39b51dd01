"""A user's own expression at a Prometheus, over real sockets: one count, or the reason for none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from tests.contract.test_prometheus_hostile import Server, serving, told

from v4operator.adapters.prometheus_entries import PrometheusEntries, PrometheusEntry
from v4operator.adapters.prometheus_source import PrometheusSource
from v4operator.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_EXPRESSION = 'sum(gateway_queue{service="flash"})'


def vector(*values: str, ahead_seconds: float = 0.0) -> Callable[[], web.Response]:
    """Stamped as it is answered: what is collected now may be tried minutes later."""

    def answer() -> web.Response:
        at = SystemClock().now() + ahead_seconds
        rows = [{"metric": {"pod": str(n)}, "value": [at, value]} for n, value in enumerate(values)]
        return told(rows)()

    return answer


def scalar(value: str) -> web.Response:
    data = {"resultType": "scalar", "result": [SystemClock().now(), value]}
    return web.json_response({"status": "success", "data": data})


async def outcome(server: Server, *, asked_of: str = "main", **entry: Any) -> float | str:
    known = PrometheusEntries((PrometheusEntry(name="main", url=server.url, **entry),))
    source = PrometheusSource(known, SystemClock())
    try:
        return await source.figure(asked_of, _EXPRESSION)
    finally:
        await source.aclose()


@pytest.mark.parametrize(
    ("answer", "count"),
    [(vector("12"), 12.0), (vector("0"), 0.0), (lambda: scalar("3"), 3.0)],
    ids=["a-vector-of-one", "none-waits", "a-scalar"],
)
async def test_one_finite_count_is_told_by_a_vector_of_one_or_a_scalar(
    answer: Callable[[], web.Response], count: float
) -> None:
    async with serving(answer) as server:
        assert await outcome(server, matchers={"cluster": "eu-1"}) == count
    ((path, _, form),) = server.asked
    assert path == "/api/v1/query"
    assert form["query"] == _EXPRESSION  # as it was written: matchers are not forced into it
    assert form["lookback_delta"] == "150s"


_BAD: dict[str, tuple[Callable[[], web.Response], str]] = {
    "nothing": (vector(), "gives no sample, not one"),
    "many": (vector("1", "2", "3"), "gives 3 series, not one"),
    "not-a-number": (vector("NaN"), "gives nan, which is no count"),
    "infinite": (vector("+Inf"), "gives inf, which is no count"),
    "negative": (vector("-1"), "gives -1, which is no count"),
    "no-value": (told([{"metric": {}}]), "gives 0 samples over time, not one"),
    "a-range": (
        told([{"metric": {}, "values": [[1.0, "1"], [2.0, "2"]]}]),
        "gives 2 samples over time, not one",
    ),
    "of-long-ago": (vector("1", ahead_seconds=-600.0), "a sample of another time"),
    "of-the-future": (vector("1", ahead_seconds=60.0), "a sample of another time"),
    "text": (
        lambda: web.json_response(
            {"status": "success", "data": {"resultType": "string", "result": [1.0, "many"]}}
        ),
        "the answer holds no series",
    ),
    "no-expression": (
        lambda: web.json_response(
            {"status": "error", "error": "1:4: parse error: unexpected <EOF>"}, status=400
        ),
        "HTTP 400: 1:4: parse error",
    ),
    "partial": (told([], warnings=["store 2 is down"]), "the answer is partial: store 2 is down"),
    "html": (
        lambda: web.Response(text="<html>sign in</html>", content_type="text/html"),
        "not an answer of Prometheus's query API",
    ),
    "redirect": (
        lambda: web.Response(status=302, headers={"Location": "http://elsewhere/"}),
        "redirects are not followed",
    ),
    "long": (lambda: web.Response(body=b" " * (2**20 + 1)), "answer above 1 MiB"),
    "too-many-parts": (
        lambda: web.Response(body=b'{"data":' + b"[" * 10_001),
        "the answer has more than 10,000 parts",
    ),
}


@pytest.mark.parametrize(("answer", "reason"), _BAD.values(), ids=_BAD.keys())
async def test_anything_else_is_no_count_and_the_reason_names_the_server(
    answer: Callable[[], web.Response], reason: str
) -> None:
    async with serving(answer) as server:
        found = await outcome(server)
    assert isinstance(found, str)
    assert reason in found
    assert "'main'" in found


async def test_a_slow_answer_is_no_count_within_the_entrys_limit() -> None:
    async with serving(vector("1")) as server:
        server.released.clear()
        found = await outcome(server, timeout_seconds=0.2)
        server.released.set()
    assert found == "Prometheus 'main': no whole answer within 0.2 s"


async def test_a_token_goes_to_the_server_and_into_no_reason(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret-token\n")
    answer = web.json_response({"status": "error", "error": "bad s3cret-token"}, status=401)
    async with serving(lambda: answer) as server:
        found = await outcome(server, token_file=token)
    assert server.asked[0][1]["Authorization"] == "Bearer s3cret-token"
    assert found == "Prometheus 'main': HTTP 401: bad [token]"


async def test_an_entry_that_stands_alone_is_the_default_one() -> None:
    async with serving(vector("12")) as server:
        assert await outcome(server, asked_of="") == 12.0


async def test_one_that_is_not_named_is_told_with_those_that_are() -> None:
    async with serving(vector("12")) as server:
        found = await outcome(server, asked_of="mian")
    assert isinstance(found, str)
    assert "no Prometheus 'mian', allowed: main; did you mean 'main'?" in found
    assert server.asked == []


def test_of_several_entries_without_a_default_one_has_to_be_named() -> None:
    entries = PrometheusEntries(
        tuple(PrometheusEntry(name=name, url="http://x") for name in ("eu", "us"))
    )
    told_of = entries.find("")
    assert isinstance(told_of, str)
    assert "has to name one of eu, us" in told_of
