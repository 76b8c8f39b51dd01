"""Client of Prometheus's query API (Thanos, Mimir, VictoriaMetrics answer it too): bounded, wary.

Every failure is a `PrometheusError` with a reason of one sentence: slow, long, HTML, refused,
partial. A partial answer is a failure: what it lacks would read as absent. Nothing is retried, no
redirect is followed; the token goes to the entry's own address only and into no message.

Every warning tells of a part that is missing (a store of Thanos or Mimir that is silent, a remote
read that failed, a limit that cut the result), but for the notes of PromQL on the expression.
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from math import ceil
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.fetch import Answer, Fetcher, FetchError, Limits
from v4operator.adapters.prometheus_entries import PrometheusEntry
from v4operator.adapters.prometheus_tls import Certificates
from v4operator.observe.promql import PromSeries

_NOTES = ("PromQL warning:", "PromQL info:")
"""How Prometheus begins a remark on the expression, such as a rate over what looks like a gauge
(its package util/annotations, since 2.48). Nothing is missing from such an answer."""

_ANSWER_BYTES = 16 * 2**20
"""25 replicas of 200 wanted series with 30 samples each make some 5 MB."""

_HISTORY_BYTES = 64 * 2**20
"""A page of 10,000 points, 25 bytes each, of some 200 series."""

_MAX_PARTS = 1_000_000
"""The 25 replicas above make 600,000. An object of Python takes up to 150 bytes for a part of two
bytes in the text, so that the text's own size does not bound what it becomes."""

_PARTS = (b"[", b"{", b",", b":")
"""Each value and label of a JSON text brings at least one of these."""

_FIGURE_BYTES = 2**20
_FIGURE_PARTS = 10_000
"""One figure takes 200 bytes and ten parts; what is too many is still to be counted and told."""

_AT_ONCE = 4
"""Queries under way at one server: Prometheus itself runs 20 for everybody."""

_POINTS_PER_QUERY = 10_000
"""Prometheus refuses a range of more than 11,000 points a series."""

_SHOWN = 200
"""Characters of a server's own error that are quoted."""


class PrometheusError(Exception):
    """No usable answer; the message is the reason."""


class _Result(BaseModel):
    metric: dict[str, str]
    value: tuple[float, float] | None = None
    values: tuple[tuple[float, float], ...] = ()

    def series(self) -> PromSeries:
        points = self.values if self.value is None else (self.value,)
        return PromSeries(labels=self.metric, samples=points)


class _Data(BaseModel):
    """A list of series, or of a scalar its time and value."""

    result: Annotated[list[_Result] | tuple[float, float], Field(union_mode="left_to_right")]

    def series(self) -> tuple[PromSeries, ...]:
        if isinstance(self.result, tuple):
            return (PromSeries(labels={}, samples=(self.result,)),)
        return tuple(result.series() for result in self.result)


class _Body(BaseModel):
    """What every answer has; `warnings` and VictoriaMetrics' `isPartial` tell what it lacks."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    status: str
    data: _Data | None = None
    error: str = ""
    warnings: list[str] = Field(default_factory=list)
    is_partial: bool = Field(default=False, alias="isPartial")

    @property
    def lacks(self) -> str | None:
        """What tells that a part is missing; `None` where the answer is whole."""
        told = (text for text in self.warnings if not text.startswith(_NOTES))
        return next(told, "some stores did not answer" if self.is_partial else None)


class PrometheusClient:
    """Asks one server; use as an async context manager, or call `aclose`."""

    def __init__(self, entry: PrometheusEntry) -> None:
        """Raises OSError where its certificates cannot be read."""
        self._entry = entry
        self._certificates = Certificates(entry)
        # The operator's own setting may be anywhere, beside the operator too.
        self._fetcher = Fetcher(AddressPolicy(allow_loopback=True), self._certificates.context)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._reading = asyncio.Lock()  # one answer at a time: what they become does not add up

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the sockets."""
        await self._fetcher.aclose()

    async def query(self, expression: str, *, at: float) -> tuple[PromSeries, ...]:
        """The value at `at` (Unix seconds); of a range selector its raw samples with their times.

        Raises:
            PrometheusError: there is no whole answer.
        """
        form = {"query": expression, "time": f"{at:.3f}"}
        return await self._ask("query", form, _ANSWER_BYTES, _MAX_PARTS)

    async def query_figure(
        self, expression: str, *, at: float, look_back_seconds: float
    ) -> tuple[PromSeries, ...]:
        """As `query`, of an expression that should give one figure and may give anything.

        Where the server has it so, samples older than `look_back_seconds` count as gone.

        Raises:
            PrometheusError: there is no whole answer, or it is long.
        """
        form = {
            "query": expression,
            "time": f"{at:.3f}",
            "lookback_delta": f"{look_back_seconds:g}s",
        }
        return await self._ask("query", form, _FIGURE_BYTES, _FIGURE_PARTS)

    async def query_range(
        self, expression: str, *, start: float, end: float, step_seconds: float
    ) -> AsyncIterator[tuple[PromSeries, ...]]:
        """The values from `start` to `end` inclusive, in pages of time, oldest first.

        Raises:
            PrometheusError: a page has no whole answer.
        """
        points = int((end - start) / step_seconds) + 1
        for page in range(ceil(points / _POINTS_PER_QUERY)):
            first = page * _POINTS_PER_QUERY
            last = min(first + _POINTS_PER_QUERY, points) - 1
            yield await self._ask(
                "query_range",
                {
                    "query": expression,
                    "start": f"{start + first * step_seconds:.3f}",
                    "end": f"{start + last * step_seconds:.3f}",
                    "step": f"{step_seconds:g}",
                },
                _HISTORY_BYTES,
                _HISTORY_BYTES,
            )

    async def _ask(
        self, path: str, form: dict[str, str], most_bytes: int, most_parts: int
    ) -> tuple[PromSeries, ...]:
        token = self._token()
        try:
            async with self._slots:
                answer = await self._answer(path, form, token, most_bytes)
                async with self._reading:
                    return await asyncio.to_thread(_series, answer, most_parts)
        except (FetchError, PrometheusError) as error:
            reason = str(error).replace(token, "[token]") if token else str(error)
            raise PrometheusError(f"Prometheus {self._entry.name!r}: {reason}") from None

    async def _answer(self, path: str, form: dict[str, str], token: str, most_bytes: int) -> Answer:
        self._certificates.reload()
        seconds = self._entry.timeout_seconds
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return await self._fetcher.fetch(
            f"{self._entry.url.rstrip('/')}/api/v1/{path}",
            limits=Limits(seconds=seconds, body_bytes=most_bytes),
            method="POST",
            accept="application/json",
            form=form | {"timeout": f"{seconds:g}s"},
            headers={**self._entry.headers, **bearer},
        )

    def _token(self) -> str:
        """Read each time, so that a rotated one counts at once."""
        file = self._entry.token_file
        if file is None:
            return ""
        try:
            return file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            reason = "its token file cannot be read"
            raise PrometheusError(f"Prometheus {self._entry.name!r}: {reason}") from None


def _series(answer: Answer, most_parts: int) -> tuple[PromSeries, ...]:
    if sum(answer.body.count(mark) for mark in _PARTS) > most_parts:
        raise PrometheusError(f"the answer has more than {most_parts:,} parts")
    body = _body(answer)
    if answer.status != HTTPStatus.OK or body.status != "success":
        raise PrometheusError(f"HTTP {answer.status}: {_plain(body.error)}")
    if body.lacks is not None:
        raise PrometheusError(f"the answer is partial: {_plain(body.lacks)}")
    if body.data is None:
        raise PrometheusError("the answer holds no series")
    return body.data.series()


def _body(answer: Answer) -> _Body:
    try:
        return _Body.model_validate_json(answer.body)
    except ValidationError as error:
        if any(details["loc"][:1] == ("data",) for details in error.errors(include_input=False)):
            raise PrometheusError("the answer holds no series") from None
        phrase = "" if answer.status == HTTPStatus.OK else f"HTTP {answer.status}, "
        raise PrometheusError(f"{phrase}not an answer of Prometheus's query API") from None


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:_SHOWN])
