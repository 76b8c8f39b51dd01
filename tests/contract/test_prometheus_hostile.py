"""What a Prometheus may answer, over real sockets: unknown with the reason, never zero."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from v4operator.adapters.prometheus import PrometheusClient, PrometheusError
from v4operator.adapters.prometheus_entries import (
    PrometheusEntries,
    PrometheusEntry,
    load_entries,
)
from v4operator.adapters.prometheus_source import PrometheusSource
from v4operator.model.deployment import Key
from v4operator.model.problem import InputError
from v4operator.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from multidict import CIMultiDictProxy

    from v4operator.observe.ports import Scrape

_REPLICAS = {"flash-0": "http://10.0.0.1:8000"}
_TOKEN = "s3cret-token"


class Server:
    """Answers every query with one response and keeps what it was asked."""

    def __init__(self, answer: Callable[[], web.Response]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, CIMultiDictProxy[str], dict[str, str]]] = []
        self.url = ""
        self.released = asyncio.Event()
        self.released.set()

    @property
    def asked_of_engines(self) -> list[tuple[str, CIMultiDictProxy[str], dict[str, str]]]:
        return [each for each in self.asked if "DCGM" not in each[2]["query"]]

    async def handle(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((request.path, request.headers, form))
        await self.released.wait()
        return self.answer()


@asynccontextmanager
async def serving(answer: Callable[[], web.Response]) -> AsyncIterator[Server]:
    server = Server(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def told(result: list[Any], **more: Any) -> Callable[[], web.Response]:
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return lambda: web.json_response(body)


def row(at: float, value: str = "3", instance: str = "10.0.0.1:8000") -> dict[str, Any]:
    name = "vllm:num_requests_running"
    labels = {"__name__": name, "instance": instance, "job": "engines", "engine": "0"}
    return {"metric": labels, "values": [[at, value]]}


def stamped(ahead_seconds: float, value: str = "3") -> web.Response:
    return told([row(SystemClock().now() + ahead_seconds, value)])()


async def outcome(server: Server, **entry: Any) -> Scrape:
    known = PrometheusEntries((PrometheusEntry(name="main", url=server.url, **entry),))
    source = PrometheusSource(known, SystemClock())
    try:
        found = await source.read(Key("ml", "flash"), "main", _REPLICAS)
    finally:
        await source.aclose()
    assert list(found) == ["flash-0"]
    return found["flash-0"]


async def test_the_samples_own_time_is_the_readings() -> None:
    now = SystemClock().now()
    async with serving(told([row(now - 20)])) as server:
        scrape = await outcome(server)
    assert scrape.failure is None
    assert scrape.at == now - 20
    assert scrape.reading is not None
    assert scrape.reading.running_requests == 3.0
    assert scrape.spacing_seconds is None
    assert scrape.reading.version is None
    assert scrape.reading.version_reason
    assert len(server.asked_of_engines) == 1


_BAD: dict[str, tuple[Callable[[], web.Response], str]] = {
    "html": (
        lambda: web.Response(text="<html>sign in</html>", content_type="text/html"),
        "not an answer of Prometheus's query API",
    ),
    "503": (lambda: web.Response(status=503, text="busy"), "HTTP 503, not an answer"),
    "refused": (
        lambda: web.json_response({"status": "error", "error": "too many"}, status=422),
        "HTTP 422: too many",
    ),
    "redirect": (
        lambda: web.Response(status=302, headers={"Location": "http://elsewhere/"}),
        "redirects are not followed",
    ),
    "partial": (told([], warnings=["store 2 is down"]), "the answer is partial: store 2 is down"),
    "partial-beside-a-note": (
        told([], warnings=["PromQL info: metric might not be a counter", "remote_read: timeout"]),
        "the answer is partial: remote_read: timeout",
    ),
    "partial-by-flag": (told([], isPartial=True), "some stores did not answer"),
    "truncated": (lambda: web.Response(text='{"status":"succ'), "not an answer"),
    "no-series": (told(["nonsense"]), "the answer holds no series"),
    "empty": (told([]), "no engine series with instance="),
    "another-cluster": (told([row(1.0, instance="10.9.9.9:8000")]), "no engine series with"),
    "too-long": (lambda: web.Response(body=b" " * (17 * 2**20)), "answer above 16 MiB"),
    "too-many-parts": (
        lambda: web.Response(body=b'{"data":' + b"[" * 1_000_001),
        "the answer has more than 1,000,000 parts",
    ),
    "ahead": (lambda: stamped(120.0), "s ahead of us"),
    "not-a-number": (lambda: stamped(0.0, "NaN"), "not one of the samples"),
}


@pytest.mark.parametrize(("answer", "reason"), _BAD.values(), ids=_BAD.keys())
async def test_a_bad_answer_is_unknown_with_its_reason(
    answer: Callable[[], web.Response], reason: str
) -> None:
    async with serving(answer) as server:
        scrape = await outcome(server)
    assert scrape.reading is None
    assert scrape.failure is not None
    assert reason in scrape.failure
    assert "'main'" in scrape.failure


@pytest.mark.parametrize(
    "note",
    [
        'PromQL info: metric might not be a counter, name does not end in _total: "x" (1:6)',
        "PromQL warning: bucket label is missing (1:20)",
    ],
    ids=["info", "warning"],
)
async def test_a_note_on_the_expression_blinds_nobody(note: str) -> None:
    now = SystemClock().now()
    async with serving(told([row(now - 20)], warnings=[note], infos=[note])) as server:
        scrape = await outcome(server)
    assert scrape.failure is None
    assert scrape.reading is not None


async def test_a_slow_answer_is_unknown_within_the_entrys_limit() -> None:
    async with serving(told([])) as server:
        server.released.clear()
        scrape = await outcome(server, timeout_seconds=0.2)
        server.released.set()
    assert scrape.failure == "Prometheus 'main': no whole answer within 0.2 s"


async def test_a_large_fleet_is_asked_for_in_parts_and_all_of_them_count() -> None:
    now = SystemClock().now()
    places = {f"flash-{n}": f"http://10.0.{n}.1:8000" for n in range(60)}
    rows = [row(now - 20, instance=place.removeprefix("http://")) for place in places.values()]
    async with serving(told(rows)) as server:
        entry = PrometheusEntry(name="main", url=server.url)
        source = PrometheusSource(PrometheusEntries((entry,)), SystemClock())
        found = await source.read(Key("ml", "flash"), "main", places)
        await source.aclose()
    assert all(scrape.reading is not None for scrape in found.values())
    assert len(server.asked_of_engines) == 3


async def test_what_dcgm_tells_joins_the_reading_and_is_asked_for_once_a_minute() -> None:
    now = SystemClock().now()
    free = {"__name__": "DCGM_FI_DEV_FB_FREE", "exported_pod": "flash-0", "pod": "exporter"}
    rows = [row(now - 20), {"metric": free, "value": [now, "1024"]}]
    async with serving(told(rows)) as server:
        entry = PrometheusEntry(name="main", url=server.url)
        source = PrometheusSource(PrometheusEntries((entry,)), SystemClock())
        for _ in range(3):
            found = await source.read(Key("ml", "flash"), "main", _REPLICAS)
        grown = await source.read(Key("ml", "flash"), "main", {**_REPLICAS, "flash-1": "http://b"})
        await source.aclose()
    reading = found["flash-0"].reading
    assert reading is not None
    assert reading.memory is not None
    assert reading.memory.device_free_bytes == 2**30
    assert grown["flash-0"].reading == reading
    assert len(server.asked) - len(server.asked_of_engines) == 2


async def test_one_that_is_down_or_not_named_is_told() -> None:
    entry = PrometheusEntry(name="main", url="http://127.0.0.1:9", default=True)
    source = PrometheusSource(PrometheusEntries((entry,)), SystemClock())
    down = await source.read(Key("ml", "flash"), "", _REPLICAS)
    strange = await source.read(Key("ml", "flash"), "mian", _REPLICAS)
    await source.aclose()
    assert down["flash-0"].failure == "Prometheus 'main': connection refused"
    assert "did you mean 'main'?" in str(strange["flash-0"].failure)


async def test_a_rotated_token_and_the_tenant_are_sent_and_never_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{_TOKEN}\n")
    answer = lambda: web.json_response(  # noqa: E731 - one answer, used once
        {"status": "error", "error": f"bad token {_TOKEN}"}, status=401
    )
    async with serving(answer) as server:
        scrape = await outcome(server, token_file=file, headers={"X-Scope-OrgID": "team"})
        file.write_text("other")
        await outcome(server, token_file=file)
    assert scrape.failure == "Prometheus 'main': HTTP 401: bad token [token]"
    sent = [headers["Authorization"] for _, headers, _ in server.asked_of_engines]
    assert sent == [f"Bearer {_TOKEN}", "Bearer other"]
    assert server.asked[0][1]["X-Scope-OrgID"] == "team"


async def test_a_fleet_is_one_query_of_its_replicas_by_name_and_namespace() -> None:
    async with serving(told([])) as server:
        await outcome(
            server,
            replica_by="Name",
            replica_label="pod",
            namespace_label="namespace",
            matchers={"cluster": "a"},
        )
    ((path, _, form),) = server.asked_of_engines
    assert path == "/api/v1/query"
    assert 'pod=~"flash\\\\-0",cluster="a",namespace="ml"}[450s]' in form["query"]


async def test_days_of_history_come_in_pages_of_time() -> None:
    async with serving(told([])) as server:
        entry = PrometheusEntry(name="main", url=server.url)
        async with PrometheusClient(entry) as client:
            pages = [
                page
                async for page in client.query_range("up", start=0.0, end=25_000.0, step_seconds=1)
            ]
    asked = [(form["start"], form["end"]) for _, _, form in server.asked]
    assert len(pages) == 3
    assert asked == [
        ("0.000", "9999.000"),
        ("10000.000", "19999.000"),
        ("20000.000", "25000.000"),
    ]


async def test_a_missing_token_file_is_an_error_without_a_request(tmp_path: Path) -> None:
    async with serving(told([])) as server:
        entry = PrometheusEntry(name="main", url=server.url, token_file=tmp_path / "none")
        async with PrometheusClient(entry) as client:
            with pytest.raises(PrometheusError, match="token file cannot be read"):
                await client.query("up", at=1.0)
    assert server.asked == []


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"prometheus": [{"name": "a", "url": "ftp://x"}]}, "prometheus.0.url"),
        ({"prometheus": [{"name": "a", "url": "http://user:secret@x"}]}, "prometheus.0.url"),
        ({"prometheus": [{"name": "a", "url": "http://x", "token": "secret"}]}, "token"),
        ({"prometheus": [{"name": "a", "url": "http://x"}] * 2}, "a twice"),
        (
            {"prometheus": [{"name": n, "url": "http://x", "default": True} for n in "ab"]},
            "several defaults",
        ),
        ([], "File"),
        (
            {"prometheus": [{"name": "a", "url": "http://x", "replicaBy": "Name"}]},
            "namespaceLabel beside replicaBy: Name",
        ),
        (
            {"prometheus": [{"name": "a", "url": "https://x", "caFile": "/nowhere/ca.crt"}]},
            r"prometheus\.0\.caFile: found /nowhere/ca\.crt, which is no file",
        ),
    ],
    ids=["scheme", "password", "unknown-field", "twice", "defaults", "no-mapping", "by-name", "ca"],
)
def test_a_wrong_file_is_refused_without_quoting_values(
    tmp_path: Path, document: object, said: str
) -> None:
    file = tmp_path / "prometheus.yaml"
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=said) as caught:
        load_entries(file)
    assert "secret" not in str(caught.value)
