"""The OpenAI completion endpoints of an emulated engine, streamed at the emulated pace.

Tokens are placeholders, their number and times are the step model's. What is asked for is counted
without a tokeniser: four characters a token, the usual rule of thumb for English.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from v4operator.runtime.clock import AcceleratedClock
from v4operator.simulate.fleet import Fleet
from v4operator.simulate.member import Member
from v4operator.simulate.replica import Replica
from v4operator.simulate.request import Ending, Request

_CHARACTERS_PER_TOKEN = 4
_WORD = " token"  # what every emulated token says
# OpenAI's default for completions; for chat engines go on to the context limit, which is no use
# where nothing ever stops by itself.
_DEFAULT_OUTPUT_TOKENS = {"text_completion": 16, "chat.completion": 256}
# Real seconds between two looks: no shorter than the event loop resolves, no longer than a fault
# may go unseen.
_SHORTEST_WAIT_SECONDS = 0.001
_LONGEST_WAIT_SECONDS = 0.1
_REFUSALS = {
    Ending.REJECTED: (400, "the prompt and max_tokens together exceed the KV cache"),
    Ending.TIMED_OUT: (504, "no first token within the client time-out"),
    Ending.CUT: (500, "the engine has ended"),
    Ending.ABORTED: (499, "the client has gone"),
}


class BadCall(ValueError):  # noqa: N818 - an expected outcome; the message is the answer
    """A request body that the API does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a completion endpoint, as far as it matters here."""

    kind: str  # "text_completion" or "chat.completion", as answers call it
    model: str
    prompt_tokens: int
    output_tokens: int
    streamed: bool
    with_usage: bool


def read_call(body: Any, *, kind: str, model: str) -> Call:
    """Check a request body.

    Raises:
        BadCall: it is not what the API allows; the message says what.
    """
    if not isinstance(body, Mapping):
        raise BadCall("the body must be a JSON object")
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    output = _DEFAULT_OUTPUT_TOKENS[kind] if asked is None else asked
    if isinstance(output, bool) or not isinstance(output, int) or output < 1:
        raise BadCall(f"max_tokens: found {output!r}, allowed: a whole number from 1")
    source_name = "messages" if kind == "chat.completion" else "prompt"
    source = body.get(source_name)
    if not source:
        raise BadCall(f"{source_name} must not be empty")
    options = body.get("stream_options") or {}
    return Call(
        kind=kind,
        model=str(body.get("model") or model),
        prompt_tokens=_count_tokens(source),
        output_tokens=output,
        streamed=body.get("stream") is True,
        with_usage=isinstance(options, Mapping) and options.get("include_usage") is True,
    )


def _count_tokens(source: Any) -> int:
    """Tokens of a text, of token ids, or of anything made of these."""
    if isinstance(source, str):
        return max(1, -(-len(source) // _CHARACTERS_PER_TOKEN))
    if isinstance(source, int):
        return 1
    if isinstance(source, Mapping):
        return _count_tokens(source.get("content") or source.get("text") or "")
    if isinstance(source, list):
        return max(1, sum(_count_tokens(part) for part in source))
    return 1


class Answer:
    """Answers one call from one replica's step model."""

    def __init__(self, call: Call, fleet: Fleet, member: Member, clock: AcceleratedClock) -> None:
        self._call = call
        self._fleet = fleet
        self._member = member
        self._clock = clock
        self._request = Request(
            arrival=clock.now(),
            prompt_tokens=call.prompt_tokens,
            output_tokens=call.output_tokens,
        )

    async def give(self, http: web.Request) -> web.StreamResponse:
        """Run the request to its end and answer; a client that leaves takes it along."""
        engine = self._member.engine
        if engine is None or not self._fleet.submit(self._request, self._member):
            return error_response(503, "the engine is not ready")
        try:
            if self._call.streamed:
                return await self._stream(http, engine)
            await self._wait_for(engine, self._call.output_tokens)
        finally:
            engine.abort(self._clock.now(), self._request)
        if self._request.ending is not Ending.FINISHED:
            return self._refusal()
        return web.json_response(self._document(_WORD * self._call.output_tokens, "length"))

    async def _stream(self, http: web.Request, engine: Replica) -> web.StreamResponse:
        sent = await self._wait_for(engine, 1)
        if sent == 0:
            return self._refusal()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(http)
        await response.write(_event(self._chunk(_WORD * sent)))
        while self._request.ending is None:
            ready = await self._wait_for(engine, sent + 1)
            if ready > sent:
                await response.write(_event(self._chunk(_WORD * (ready - sent))))
            sent = ready
        if self._request.ending is not Ending.FINISHED:
            response.force_close()  # a cut stream has no end: the client sees it break
            if http.transport is not None:
                http.transport.abort()
            return response
        await response.write(_event(self._chunk("", "length")))
        if self._call.with_usage:
            await response.write(_event(self._chunk(None)))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def _wait_for(self, engine: Replica, tokens: int) -> int:
        """Wait until that many tokens are out or the request has ended: how many are out."""
        while True:
            now = self._clock.now()
            self._fleet.advance(now)
            generated = engine.generated(self._request)
            if generated >= tokens or self._request.ending is not None:
                return generated
            due = min(engine.next_token_at, engine.next_event_at) - now
            speed = self._clock.speed
            wait = min(max(due / speed, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
            await self._clock.sleep(wait * speed)

    def _refusal(self) -> web.Response:
        return error_response(*_REFUSALS[self._request.ending or Ending.CUT])

    def _document(self, text: str, reason: str) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "finish_reason": reason, "logprobs": None}
        if self._call.kind == "chat.completion":
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        return {
            **self._head(self._call.kind),
            "choices": [choice],
            "usage": self._usage(),
        }

    def _chunk(self, text: str | None, reason: str | None = None) -> dict[str, Any]:
        """One event of a stream; without a text it is the last one, with usage and no choice."""
        chat = self._call.kind == "chat.completion"
        head = self._head("chat.completion.chunk" if chat else self._call.kind)
        if text is None:
            return {**head, "choices": [], "usage": self._usage()}
        choice: dict[str, Any] = {"index": 0, "finish_reason": reason, "logprobs": None}
        if chat:
            choice["delta"] = {"role": "assistant", "content": text} if text else {}
        else:
            choice["text"] = text
        return {**head, "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        created = int(self._request.arrival)
        return {
            "id": f"emulated-{self._member.name}-{self._request.arrival:.6f}",
            "object": kind,
            "created": created,
            "model": self._call.model,
        }

    def _usage(self) -> dict[str, int]:
        prompt, output = self._call.prompt_tokens, self._call.output_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
        }


def error_response(status: int, message: str) -> web.Response:
    """An error as OpenAI clients expect it."""
    error = {"message": message, "type": "invalid_request_error", "code": status}
    return web.json_response({"error": error}, status=status)


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"
