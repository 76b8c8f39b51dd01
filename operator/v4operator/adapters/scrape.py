"""Reads the metrics of one engine over HTTP: a reading, or the reason why there is none.

What is bounded and refused stands in `fetch` and `addresses`; what the text means, in
`observe.engines`. Nothing is retried: the next poll comes soon enough, and a retry hides a failure.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.fetch import Answer, Fetcher, FetchError, Limits
from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines import NotAnEngine, read
from v4operator.observe.ports import Clock, Scrape
from v4operator.observe.window import restarted

SCRAPE_SECONDS = 2.0
"""Scrapes were seen to take 5 to 80 ms, up to 470 ms with the CPU saturated (vLLM 0.32.0 and SGLang
0.5.23 on a CPU)."""

_EXPOSITION_BYTES = 16 * 2**20
"""A hundred times an ordinary exposition; four ranks make about 200 kB."""

_SERVER_INFO_BYTES = 2**20
"""SGLang's /server_info is 37 kB."""

_ACCEPT = "text/plain;version=0.0.4"
"""SGLang 0.5.23 answers a wish for OpenMetrics with renamed samples."""

_PARSED_INLINE_BYTES = 2**20
"""A text of this size takes some 6 ms to read; a larger one would hold up the scrapes beside it."""

_MAX_CLOCK_SKEW_SECONDS = 60.0
"""A sample stamped further away than that comes from a clock that is wrong, or from a cache."""

_VERSION_RETRY_SECONDS = 300.0
"""How long a failed look-up of the version is left alone: it costs a request and is not urgent."""

_MAX_REMEMBERED = 20_000
"""Replicas whose version is remembered; the least recently scraped is forgotten first."""

_VERSION_PATHS = {
    Engine.VLLM: ("/version",),
    Engine.SGLANG: ("/server_info", "/get_server_info"),
    Engine.NIM: ("/v1/version",),
    Engine.LLAMACPP: ("/props",),
}
"""Where each engine tells its version; SGLang's second name is the deprecated one. What NIM tells
there is its own release: it is not asked where its metrics are those of vLLM or SGLang."""


class ScrapeError(Exception):
    """Nothing could be read; the message is the reason."""


class _VersionBody(BaseModel):
    """The one key that matters: vLLM's and SGLang's, NIM's, llama.cpp's."""

    version: str = Field(validation_alias=AliasChoices("version", "release", "build_info"))


@dataclass(slots=True)
class _Known:
    """What is remembered of one address between scrapes."""

    reading: EngineReading | None = None
    version: str | None = None
    ask_again_at: float = float("-inf")


class HttpMetricsSource:
    """Scrapes engines by address; implements `observe.ports.MetricsSource`."""

    def __init__(
        self, clock: Clock, policy: AddressPolicy, *, seconds: float = SCRAPE_SECONDS
    ) -> None:
        """`seconds` of real time bound one scrape from name resolution to the last byte."""
        self._clock = clock
        self._limits = Limits(seconds=seconds, body_bytes=_EXPOSITION_BYTES)
        self._fetcher = Fetcher(policy)
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def aclose(self) -> None:
        """Close the sockets."""
        await self._fetcher.aclose()

    async def scrape(self, address: str, path: str) -> Scrape:
        """Read one replica; every failure is a value."""
        started = self._clock.now()
        try:
            text = await _exposition(self._fetcher, _joined(address, path), self._limits)
            middle = (started + self._clock.now()) / 2
            reading = await self._reading(address, text)
            return Scrape(at=self._time(reading, middle), reading=reading, failure=None)
        except (ScrapeError, FetchError) as error:
            return Scrape(at=self._clock.now(), reading=None, failure=str(error))

    async def _reading(self, address: str, text: bytes) -> EngineReading:
        known = self._remembered(address)
        reading = await _parsed(text, known.version)
        if known.reading is not None and restarted(known.reading, reading):
            known.version, known.ask_again_at = None, float("-inf")
        known.reading = reading
        if known.version is None and self._clock.now() >= known.ask_again_at:
            known.ask_again_at = self._clock.now() + _VERSION_RETRY_SECONDS
            known.version = await _version(self._fetcher, address, reading.engine)
            known.reading = reading = await _parsed(text, known.version)
        return reading

    def _remembered(self, address: str) -> _Known:
        known = self._known.setdefault(address, _Known())
        self._known.move_to_end(address)
        if len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return known

    def _time(self, reading: EngineReading, middle: float) -> float:
        """The exposition's own time if it has one within bounds, else the middle of the request."""
        if reading.timestamp is None:
            return middle
        skew = reading.timestamp - middle
        if abs(skew) > _MAX_CLOCK_SKEW_SECONDS:
            side = "ahead of" if skew > 0 else "behind"
            raise ScrapeError(f"sample timestamp {abs(skew):.0f} s {side} our clock")
        return reading.timestamp


async def fetch_text(url: str, *, timeout_seconds: float = 5.0) -> bytes:
    """The exposition at a URL that a person typed, loopback included.

    Raises:
        ScrapeError: it could not be read; the message says why.
    """
    limits = Limits(seconds=timeout_seconds, body_bytes=_EXPOSITION_BYTES)
    try:
        async with Fetcher(AddressPolicy(allow_loopback=True)) as fetcher:
            return await _exposition(fetcher, url, limits)
    except FetchError as error:
        raise ScrapeError(str(error)) from error


async def fetch_version(base_url: str, engine: Engine) -> str | None:
    """The version that the engine at `base_url` tells; `None` where it does not."""
    async with Fetcher(AddressPolicy(allow_loopback=True)) as fetcher:
        return await _version(fetcher, base_url, engine)


async def _exposition(fetcher: Fetcher, url: str, limits: Limits) -> bytes:
    """The text at `url`; its content type is not asked, because engines do not agree on one."""
    answer = await fetcher.fetch(url, limits=limits, accept=_ACCEPT)
    if answer.status != HTTPStatus.OK:
        raise ScrapeError(_refusal(answer))
    return answer.body


def _refusal(answer: Answer) -> str:
    if answer.status == HTTPStatus.NOT_FOUND:
        return (
            "HTTP 404 at the metrics path: SGLang and vllm-mlx serve it only with "
            "--enable-metrics, NIM at /v1/metrics, mlx-lm and mlx-omni-server not at all"
        )
    phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else ""
    return f"HTTP {answer.status} {phrase}".rstrip()


async def _parsed(text: bytes, version: str | None) -> EngineReading:
    """Read the text, a long one in a thread so that the scrapes beside it keep their time."""
    if len(text) <= _PARSED_INLINE_BYTES:
        found = read(text, version=version)
    else:
        found = await asyncio.to_thread(read, text, version=version)
    if isinstance(found, NotAnEngine):
        raise ScrapeError(f"unusable answer: {found.reason}")
    return found


async def _version(fetcher: Fetcher, address: str, engine: Engine) -> str | None:
    """What the engine says of itself. Quiet: the metrics are good without it."""
    limits = Limits(seconds=SCRAPE_SECONDS, body_bytes=_SERVER_INFO_BYTES)
    for path in _VERSION_PATHS.get(engine, ()):
        try:
            answer = await fetcher.fetch(_joined(address, path), limits=limits)
        except FetchError:
            return None
        if answer.status == HTTPStatus.OK:
            return _version_in(answer.body)
    return None


def _version_in(body: bytes) -> str | None:
    try:
        return _VersionBody.model_validate_json(body).version
    except ValidationError:
        return None


def _joined(address: str, path: str) -> str:
    return f"{address.rstrip('/')}/{path.lstrip('/')}"
