"""What a server may do to a scrape, over real sockets: each gives a reason, in bounded memory."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.scrape import HttpMetricsSource, ScrapeError, fetch_text, fetch_version
from v4operator.model.deployment import Key
from v4operator.model.reading import Engine
from v4operator.observe.collector import Collector
from v4operator.runtime.clock import SystemClock

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator

    from v4operator.observe.ports import Scrape

_PATIENT = 30.0  # seconds: more than any answer here takes that is not slow on purpose
_SHORT = 0.3  # seconds: for the answers that are

_LABELS = '{model_name="m",engine_type="unified",tp_rank="0",pp_rank="0",moe_ep_rank="0"'
_GOOD = f"""\
sglang:num_running_reqs{_LABELS}}} 3.0
sglang:num_queue_reqs{_LABELS}}} 1.0
sglang:realtime_tokens_total{_LABELS},mode="decode"}} 1000.0
""".encode()
_MIB = 2**20


class _Behaviour(Protocol):
    """What the server does to one request."""

    async def __call__(self, writer: StreamWriter) -> None: ...


def _head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode()


class _Says:
    """Sends these bytes and closes."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    async def __call__(self, writer: StreamWriter) -> None:
        for part in self._parts:
            writer.write(part)
            await writer.drain()


def _page(body: bytes, *headers: str, status: str = "200 OK") -> _Says:
    return _Says(_head(f"Content-Length: {len(body)}", *headers, status=status), body)


async def _resets(writer: StreamWriter) -> None:
    writer.write(_head("Content-Length: 1000") + _GOOD[:50])
    await writer.drain()
    writer.transport.abort()


async def _drips(writer: StreamWriter) -> None:
    writer.write(_head())
    while True:
        writer.write(b"#")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _drips_headers(writer: StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _says_nothing(writer: StreamWriter) -> None:
    await writer.wait_closed()


_BOMB = gzip.compress(bytes(200 * _MIB), 9)
_ZIPPED = gzip.compress(_GOOD)
_EMPTY_BLOCKS = b"\x00\x00\x00\xff\xff" * (_MIB // 5)  # compressed data that inflates to nothing
_FLOOD = b"".join(
    f'sglang:num_running_reqs{_LABELS},x="{n}"}} {("NaN", "+Inf", "-Inf")[n % 3]}\n'.encode()
    for n in range(30_000)
)

_GOOD_ANSWERS: dict[str, _Behaviour] = {
    "/metrics": _page(_GOOD),
    "/wrong-type": _page(_GOOD, "Content-Type: application/json"),
    "/zipped": _page(_ZIPPED, "Content-Encoding: gzip"),
    "/no-length": _Says(_head(), _GOOD),
    "/zipped-and-more": _page(_ZIPPED + bytes(_MIB), "Content-Encoding: gzip"),
}

_BAD_ANSWERS: dict[str, tuple[_Behaviour, str]] = {
    "/truncated": (_Says(_head("Content-Length: 1000"), _GOOD[:50]), "answer broken off"),
    "/reset": (_resets, "answer broken off"),
    "/long": (_Says(_head(), *[bytes(_MIB)] * 200), "answer above 16 MiB"),
    "/long-declared": (
        _Says(_head(f"Content-Length: {200 * _MIB}"), *[bytes(_MIB)] * 200),
        "answer above 16 MiB",
    ),
    "/bomb": (_page(_BOMB, "Content-Encoding: gzip"), "answer above 16 MiB"),
    "/zip-of-nothing": (
        _Says(_head("Content-Encoding: gzip"), _ZIPPED[:10], *[_EMPTY_BLOCKS] * 200),
        "compressed answer above 16 MiB",
    ),
    "/zip-cut": (_page(_ZIPPED[:-9], "Content-Encoding: gzip"), "gzip answer ends early"),
    "/zip-broken": (_page(_GOOD, "Content-Encoding: gzip"), "broken gzip: "),
    "/brotli": (_page(_GOOD, "Content-Encoding: br"), "unknown content encoding br"),
    "/half-a-line": (
        _page(_GOOD + b'sglang:token_usage{model_name="m'),
        "unusable answer: cut off",
    ),
    "/binary": (_page(bytes(range(256)) * 1000), "unusable answer: "),
    "/html": (_page(b"<!doctype html><title>Sign in</title>"), "unusable answer: "),
    "/empty": (_page(b""), "unusable answer: "),
    "/redirect": (
        _page(b"", "Location: http://169.254.169.254/latest", status="302 Found"),
        "redirects to http://169.254.169.254/latest; redirects are not followed",
    ),
    "/500": (_page(b"oops", status="500 Internal Server Error"), "HTTP 500 Internal Server Error"),
    "/503": (_page(b"", status="503 Service Unavailable"), "HTTP 503 Service Unavailable"),
    "/799": (_page(b"", status="799 What"), "HTTP 799"),
    "/404": (
        _page(b"", status="404 Not Found"),
        (
            "HTTP 404 at the metrics path: SGLang and vllm-mlx serve it only with "
            "--enable-metrics, NIM at /v1/metrics, mlx-lm and mlx-omni-server not at all"
        ),
    ),
    "/no-http": (_Says(b"SSH-2.0-OpenSSH_9.2\r\n"), "not an HTTP answer: "),
    "/hangs-up": (_Says(), "connection closed before an answer"),
    "/header-flood": (_Says(_head(*["X: y"] * 100_000), _GOOD), "not an HTTP answer: "),
}

_SLOW_ANSWERS: dict[str, _Behaviour] = {
    "/silent": _says_nothing,
    "/drips": _drips,
    "/drips-headers": _drips_headers,
}


class _Server:
    """A server on loopback that behaves by path."""

    def __init__(self) -> None:
        self.address = ""
        self.behaviours: dict[str, _Behaviour] = {
            **_GOOD_ANSWERS,
            **{path: behaviour for path, (behaviour, _) in _BAD_ANSWERS.items()},
            **_SLOW_ANSWERS,
        }
        self.requests: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ")[1].decode()
            self.requests.append(path)
            await self.behaviours.get(path, _page(b"", status="404 Not Found"))(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


@pytest.fixture
async def server() -> AsyncIterator[_Server]:
    serving = _Server()
    listening = await asyncio.start_server(serving.handle, "127.0.0.1", 0)
    serving.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield serving
    listening.close()
    serving.cancel()
    await listening.wait_closed()


@asynccontextmanager
async def _source(
    seconds: float = _PATIENT, policy: AddressPolicy | None = None
) -> AsyncIterator[HttpMetricsSource]:
    source = HttpMetricsSource(
        SystemClock(), policy or AddressPolicy(allow_loopback=True), seconds=seconds
    )
    yield source
    await source.aclose()


async def _scraped(address: str, path: str, seconds: float = _PATIENT) -> Scrape:
    async with _source(seconds) as source:
        return await source.scrape(address, path)


@pytest.mark.parametrize("path", _GOOD_ANSWERS)
async def test_an_odd_but_whole_answer_is_read(server: _Server, path: str) -> None:
    scrape = await _scraped(server.address, path)
    assert scrape.failure is None
    assert scrape.reading is not None
    assert scrape.reading.running_requests == 3.0
    assert scrape.reading.decode_tokens_total == 1000.0


@pytest.mark.parametrize(
    ("path", "reason"), [(path, reason) for path, (_, reason) in _BAD_ANSWERS.items()]
)
async def test_a_bad_answer_is_a_failure_with_its_reason(
    server: _Server, path: str, reason: str
) -> None:
    scrape = await _scraped(server.address, path)
    assert scrape.reading is None
    assert scrape.failure is not None
    assert scrape.failure.startswith(reason)
    assert len(scrape.failure) < 300


@pytest.mark.parametrize("path", _SLOW_ANSWERS)
async def test_a_slow_answer_ends_with_the_time_limit(server: _Server, path: str) -> None:
    scrape = await _scraped(server.address, path, _SHORT)
    assert (scrape.reading, scrape.failure) == (None, "no whole answer within 0.3 s")


@pytest.mark.parametrize("path", ["/long", "/long-declared", "/bomb", "/zip-of-nothing"])
async def test_a_huge_answer_takes_bounded_memory(server: _Server, path: str) -> None:
    async with _source() as source:
        tracemalloc.start()
        try:
            await source.scrape(server.address, path)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 40 * _MIB


async def test_a_flood_of_nan_and_infinity_gives_no_figure_and_no_failure(server: _Server) -> None:
    server.behaviours["/flood"] = _page(_GOOD.split(b"\n", 1)[1] + _FLOOD)
    scrape = await _scraped(server.address, "/flood")
    assert scrape.reading is not None
    assert scrape.reading.running_requests is None
    assert scrape.reading.decode_tokens_total == 1000.0


async def test_a_closed_port_is_refused_and_names_itself(server: _Server) -> None:
    taken = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    taken.close()
    await taken.wait_closed()
    scrape = await _scraped(f"http://127.0.0.1:{port}", "/metrics")
    assert scrape.failure == "connection refused"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ftp://127.0.0.1", "not an http or https URL: ftp://127.0.0.1/metrics"),
        ("file:///etc", "not an http or https URL: file:///etc/metrics"),
        ("127.0.0.1:30000", "not a"),
        ("http://127.0.0.1:99999999", "not a URL: "),
        ("http://engine.invalid", "host name not found"),
        ("", "not an http or https URL: /metrics"),
    ],
    ids=["ftp", "file", "no scheme", "port", "unknown host", "empty"],
)
async def test_an_address_that_cannot_be_asked_says_so(address: str, reason: str) -> None:
    scrape = await _scraped(address, "/metrics")
    assert scrape.failure is not None
    assert scrape.failure.startswith(reason)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:7f00:1]"]
)
async def test_loopback_is_refused_in_every_spelling(server: _Server, host: str) -> None:
    port = server.address.rpartition(":")[2]
    async with _source(policy=AddressPolicy()) as source:
        scrape = await source.scrape(f"http://{host}:{port}", "/metrics")
    assert scrape.reading is None
    assert scrape.failure is not None
    assert scrape.failure.startswith(("address ", "not a URL: "))
    assert server.requests == []


async def test_a_name_that_resolves_to_a_refused_address_is_not_connected_to(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    port = int(server.address.rpartition(":")[2])
    resolve = loop.getaddrinfo

    async def rebound(host: str, *args: object, **kwargs: object) -> object:
        name = "127.0.0.1" if host == "engine.example" else host
        return await resolve(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "getaddrinfo", rebound)
    async with _source(policy=AddressPolicy()) as source:
        scrape = await source.scrape(f"http://engine.example:{port}", "/metrics")
    assert scrape.failure == "address 127.0.0.1 refused: loopback"
    assert server.requests == []


class _Counted:
    """Passes scrapes on until the good path was read four times and every other one once."""

    def __init__(self, source: HttpMetricsSource, paths: set[str]) -> None:
        self._source = source
        self._left = Counter(dict.fromkeys(paths, 1)) + Counter({"/metrics": 3})
        self.enough = asyncio.Event()

    async def scrape(self, address: str, path: str) -> Scrape:
        scrape = await self._source.scrape(address, path)
        self._left -= Counter([path])
        if not self._left:
            asyncio.get_running_loop().call_soon(self.enough.set)
        return scrape


async def test_one_good_replica_goes_on_among_bad_ones(server: _Server) -> None:
    paths = {"/metrics", *_BAD_ANSWERS, *_SLOW_ANSWERS}
    key = Key("ns", "flash")
    async with _source(_SHORT) as source:
        counted = _Counted(source, paths)
        collector = Collector(counted, SystemClock())
        collector.set_targets(key, {path: (server.address, path) for path in paths}, 0.2)
        async with asyncio.timeout(60.0):
            await counted.enough.wait()
        snapshots = collector.windows(key)
        await collector.aclose()
    good = snapshots.pop("/metrics")
    assert good.failure is None
    assert len(good.window.intervals_since(0.0)) >= 2
    assert all(snapshot.window.latest is None for snapshot in snapshots.values())
    assert all(snapshot.failure is not None for snapshot in snapshots.values())


@pytest.mark.parametrize(
    ("path", "body", "version"),
    [
        ("/server_info", b'{"version": "0.5.23", "tp_size": 4}', "0.5.23"),
        ("/get_server_info", b'{"version": "0.5.12"}', "0.5.12"),
        ("/server_info", b'{"version": 5}', None),
        ("/server_info", b"[" * 100_000, None),
        ("/server_info", b'{"version": "1", "x": "' + bytes(2 * _MIB) + b'"}', None),
    ],
    ids=["current name", "older name", "not a string", "deeply nested", "too long"],
)
async def test_the_version_is_asked_once_and_its_failure_is_quiet(
    server: _Server, path: str, body: bytes, version: str | None
) -> None:
    server.behaviours[path] = _page(body)
    async with _source() as source:
        scrapes = [await source.scrape(server.address, "/metrics") for _ in range(3)]
    assert [scrape.failure for scrape in scrapes] == [None, None, None]
    found = {scrape.reading.version for scrape in scrapes if scrape.reading is not None}
    assert found == {version}
    assert server.requests.count("/server_info") == 1


async def test_the_version_is_asked_again_after_a_restart(server: _Server) -> None:
    async with _source() as source:
        server.behaviours["/server_info"] = _page(b'{"version": "0.5.22"}')
        await source.scrape(server.address, "/metrics")
        server.behaviours["/server_info"] = _page(b'{"version": "0.5.23"}')
        server.behaviours["/metrics"] = _page(_GOOD.replace(b"1000.0", b"10.0"))
        scrape = await source.scrape(server.address, "/metrics")
    assert scrape.reading is not None
    assert scrape.reading.version == "0.5.23"


@pytest.mark.parametrize(
    ("seconds", "failure"),
    [
        (-59.0, None),
        (59.0, None),
        (-120.0, "sample timestamp 120 s behind our clock"),
        (3600.0, "sample timestamp 3600 s ahead of our clock"),
    ],
    ids=["a little behind", "a little ahead", "old", "from the future"],
)
async def test_a_sample_timestamp_is_honoured_within_a_minute(
    server: _Server, seconds: float, failure: str | None
) -> None:
    stamp = SystemClock().now() + seconds
    stamped = _GOOD.replace(b".0\n", f".0 {stamp * 1000:.0f}\n".encode())
    server.behaviours["/stamped"] = _page(stamped)
    scrape = await _scraped(server.address, "/stamped")
    assert scrape.failure == failure
    if failure is None:
        assert scrape.at == pytest.approx(stamp, abs=0.002)


async def test_what_the_command_line_fetches_is_the_text(server: _Server) -> None:
    assert await fetch_text(f"{server.address}/metrics") == _GOOD


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/500", "HTTP 500 Internal Server Error"), ("/truncated", "answer broken off")],
)
async def test_what_the_command_line_cannot_fetch_is_an_error_with_the_reason(
    server: _Server, path: str, reason: str
) -> None:
    with pytest.raises(ScrapeError) as raised:
        await fetch_text(f"{server.address}{path}")
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("engine", "path", "body", "version"),
    [
        pytest.param(Engine.VLLM, "/version", b'{"version": "0.33.0"}', "0.33.0", id="vLLM"),
        pytest.param(
            Engine.SGLANG, "/server_info", b'{"version": "0.5.23"}', "0.5.23", id="SGLang"
        ),
        pytest.param(
            Engine.NIM, "/v1/version", b'{"release": "1.8.0", "api": "1"}', "1.8.0", id="NIM"
        ),
        pytest.param(
            Engine.LLAMACPP,
            "/props",
            b'{"build_info": "b9000-0c1e570"}',
            "b9000-0c1e570",
            id="llama.cpp",
        ),
        pytest.param(
            Engine.VLLM, "/v1/version", b'{"release": "2.0.5"}', None, id="NIM around vLLM"
        ),
        pytest.param(Engine.VLLM_MLX, "/version", b'{"version": "1"}', None, id="vllm-mlx"),
    ],
)
async def test_the_command_line_asks_each_engine_for_its_version_in_its_own_way(
    server: _Server, engine: Engine, path: str, body: bytes, version: str | None
) -> None:
    server.behaviours[path] = _page(body)
    assert await fetch_version(server.address, engine) == version
