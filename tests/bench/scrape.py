"""CPU and pace of scraping: our source against bare httpx with prometheus_client's parser.

Both read the same recorded exposition of SGLang from a server on loopback, which runs in a process
of its own so that only the client's CPU is counted. Rounds alternate and the best of each side
counts: on a shared machine the ratios hold, the absolute figures by some 40 %.
"""

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.scrape import HttpMetricsSource
from v4operator.runtime.clock import SystemClock

_EXPOSITION = Path(__file__).parents[1] / "data/expositions/sglang-0.5.23-cpu-during-05.txt"
_SCRAPES = 200
_AT_ONCE = 20
_ROUNDS = 3
_INTERVAL_SECONDS = 5.0

_Scrape = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """Of one scrape: seconds of CPU, and of wall clock with `_AT_ONCE` under way."""

    cpu_seconds: float
    wall_seconds: float


def main() -> int:
    """Print the figures, the last line as JSON."""
    ours, bare = asyncio.run(_measured())
    cpu_ratio = bare.cpu_seconds / ours.cpu_seconds
    pace_ratio = bare.wall_seconds / ours.wall_seconds
    print(f"scrape of {_EXPOSITION.name} ({_EXPOSITION.stat().st_size} bytes), {_AT_ONCE} at once")
    for name, cost in (("our source", ours), ("httpx + prometheus_client", bare)):
        milliseconds = cost.cpu_seconds * 1e3
        print(f"  {name:26} {milliseconds:6.2f} ms CPU, {1 / cost.wall_seconds:6.0f} scrapes/s")
    print(f"  ratio: {cpu_ratio:.1f}x less CPU, {pace_ratio:.1f}x the pace")
    share = ours.cpu_seconds / _INTERVAL_SECONDS
    print(f"  a replica scraped every {_INTERVAL_SECONDS:g} s costs {share:.3%} of one core")
    figures = {
        "cpuSecondsPerScrape": round(ours.cpu_seconds, 6),
        "scrapesPerSecond": round(1 / ours.wall_seconds, 1),
        "cpuRatio": round(cpu_ratio, 2),
        "paceRatio": round(pace_ratio, 2),
    }
    print(json.dumps(figures))
    return 0


async def _measured() -> tuple[_Cost, _Cost]:
    """The best round of each side."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    server = spawn.Process(target=_serve, args=(there, _EXPOSITION.read_bytes()), daemon=True)
    server.start()
    address = await asyncio.to_thread(here.recv)
    source = HttpMetricsSource(SystemClock(), AddressPolicy(allow_loopback=True), seconds=30.0)
    limits = httpx.Limits(max_keepalive_connections=0)
    try:
        async with httpx.AsyncClient(trust_env=False, limits=limits) as client:
            ours, bare = _ours(source, address), _bare(client, address)
            await ours()
            await bare()
            rounds = [(await _round(ours), await _round(bare)) for _ in range(_ROUNDS)]
    finally:
        await source.aclose()
        server.terminate()
        server.join()
    return _best([one for one, _ in rounds]), _best([other for _, other in rounds])


def _ours(source: HttpMetricsSource, address: str) -> _Scrape:
    async def scrape() -> None:
        found = await source.scrape(address, "/metrics")
        if found.failure is not None:
            raise RuntimeError(found.failure)

    return scrape


def _bare(client: httpx.AsyncClient, address: str) -> _Scrape:
    async def scrape() -> None:
        answer = await client.get(f"{address}/metrics")
        for _ in text_string_to_metric_families(answer.text):
            pass

    return scrape


async def _round(scrape: _Scrape) -> _Cost:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def bounded() -> None:
        async with slots:
            await scrape()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(bounded() for _ in range(_SCRAPES)))
    return _Cost(
        cpu_seconds=(time.process_time() - cpu) / _SCRAPES,
        wall_seconds=(time.perf_counter() - wall) / _SCRAPES,
    )


def _best(costs: list[_Cost]) -> _Cost:
    return _Cost(
        cpu_seconds=min(cost.cpu_seconds for cost in costs),
        wall_seconds=min(cost.wall_seconds for cost in costs),
    )


def _serve(pipe: Connection, body: bytes) -> None:
    """The server: the same page for /metrics, 404 for the rest, one request a connection."""
    page = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    missing = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(page if request.startswith(b"GET /metrics ") else missing)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
