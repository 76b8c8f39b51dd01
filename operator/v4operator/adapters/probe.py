"""Measures one short streamed completion: what can be known of a server without metrics.

Time to first token and speed of a single stream on the server as it is: neither capacity nor load.
It costs the server a completion, so it is done only when a person asks for it.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Any

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from v4operator.adapters.addresses import AddressPolicy

PROBE_SECONDS = 120.0
"""A cold MLX server reads hundreds of GB of weights into memory at its first request."""

_TOKENS = 64
"""Enough for a speed within a few per cent, and over in seconds at 10 tokens a second."""

_PROMPT = "Count from one to forty in words."
_LINE_BYTES = 2**20
"""A longer line is no event of a completion (they hold one token each)."""

_END = "[DONE]"


class ProbeError(Exception):
    """Nothing could be measured; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One stream. Tokens as the server counts them, else `None`; times from sending the request.

    `decode_tokens_per_second` leaves the first token out: (tokens - 1) / (last - first).
    """

    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    time_to_first_token_seconds: float
    decode_tokens_per_second: float | None


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model] = Field(min_length=1)


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Delta(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None

    @property
    def has_text(self) -> bool:
        """Whether it carries a token: of the answer, or of the thinking before it."""
        return bool(self.content or self.reasoning_content or self.reasoning)


class _Choice(BaseModel):
    delta: _Delta = _Delta()


class _Event(BaseModel):
    choices: list[_Choice] = Field(default_factory=list)
    usage: _Usage | None = None


async def probe(
    base_url: str,
    *,
    timeout_seconds: float = PROBE_SECONDS,
    clock: Callable[[], float] = perf_counter,
) -> Probe:
    """Ask the first model at `base_url` (OpenAI's API under /v1) for one short completion.

    Raises:
        ProbeError: there was none; the message says why.
    """
    policy = AddressPolicy(allow_loopback=True)
    connector = aiohttp.TCPConnector(force_close=True, socket_factory=policy.open_socket)
    limit = aiohttp.ClientTimeout(total=timeout_seconds)
    base = base_url.rstrip("/")
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:
            model = await _first_model(session, f"{base}/v1/models")
            return await _measure(session, f"{base}/v1/chat/completions", model, clock)
    except TimeoutError:
        raise ProbeError(f"no whole completion within {timeout_seconds:g} s") from None
    except aiohttp.ClientConnectorError as error:
        raise ProbeError(str(error.os_error)) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ProbeError(str(error) or type(error).__name__) from error


async def _first_model(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url, allow_redirects=False) as answer:
        _require_ok(answer)
        body = await answer.content.read(_LINE_BYTES)
    try:
        return _Models.model_validate_json(body).data[0].id
    except ValidationError:
        raise ProbeError(f"{url} names no model") from None


async def _measure(
    session: aiohttp.ClientSession, url: str, model: str, clock: Callable[[], float]
) -> Probe:
    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": _PROMPT}],
        "max_tokens": _TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    started = clock()
    times: list[float] = []
    usage = _Usage()
    async with session.post(url, json=asked, allow_redirects=False) as answer:
        _require_ok(answer)
        async for event in _events(answer.content):
            if any(choice.delta.has_text for choice in event.choices):
                times.append(clock())
            usage = event.usage or usage
    if not times:
        raise ProbeError(f"{url} streamed no token")
    return Probe(
        model=model,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        time_to_first_token_seconds=times[0] - started,
        decode_tokens_per_second=_speed(times, usage.completion_tokens),
    )


def _require_ok(answer: aiohttp.ClientResponse) -> None:
    if answer.status != HTTPStatus.OK:
        raise ProbeError(f"HTTP {answer.status} at {answer.url.path}")


async def _events(stream: aiohttp.StreamReader) -> AsyncIterator[_Event]:
    """The server-sent events; a line that is no event of a completion is passed over."""
    async for line in _lines(stream):
        text = line.strip()
        if not text.startswith("data:") or text.endswith(_END):
            continue
        try:
            yield _Event.model_validate_json(text.removeprefix("data:"))
        except ValidationError:
            continue


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[str]:
    rest = b""
    async for piece in stream.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LINE_BYTES:
            raise ProbeError("a line of the stream has no end")
        for line in lines:
            yield line.decode("utf-8", "replace")


def _speed(times: list[float], tokens: int | None) -> float | None:
    """Tokens a second behind the first; each event holds one where the server counts none."""
    took = times[-1] - times[0]
    made = (tokens or len(times)) - 1
    return made / took if took > 0 and made > 0 else None
