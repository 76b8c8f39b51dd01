"""Client of Prometheus's query API (Thanos, Mimir, VictoriaMetrics answer it too): bounded, wary.

Every failure is a `PrometheusError` with a reason of one sentence: slow, long, HTML, refused,
partial. A partial answer is a failure: what it lacks would read as absent. Nothing is retried, no
redirect is followed; the token goes to the entry's own address only and into no message.
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from math import ceil
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.fetch import Answer, Fetcher, FetchError, Limits
from v4operator.adapters.prometheus_entries import PrometheusEntry
from v4operator.observe.promql import PromSeries

_ANSWER_BYTES = 64 * 2**20
"""500 replicas of 70 wanted series with some 10 samples of 30 bytes make 15 MB."""

_MAX_SERIES = 200_000
"""500 replicas of 8 ranks with 50 wanted series each."""

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
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = Field(default_factory=list)

    def series(self) -> PromSeries:
        points = [self.value] if self.value is not None else self.values
        return PromSeries(
            labels=self.metric, samples=tuple((at, float(text)) for at, text in points)
        )


class _Data(BaseModel):
    result: list[_Result]


class _Body(BaseModel):
    """What every answer has; `warnings` and `partialResponse` tell of stores that were silent."""

    model_config = ConfigDict(extra="ignore")

    status: str
    data: Any = None
    error: str = ""
    warnings: list[str] = Field(default_factory=list)
    is_partial: bool = Field(default=False, alias="isPartial")


class PrometheusClient:
    """Asks one server; use as an async context manager, or call `aclose`."""

    def __init__(self, entry: PrometheusEntry) -> None:
        """Raises OSError where its certificates cannot be read."""
        self._entry = entry
        # The operator's own setting may be anywhere, beside the operator too.
        self._fetcher = Fetcher(AddressPolicy(allow_loopback=True), entry.tls())
        self._limits = Limits(seconds=entry.timeout_seconds, body_bytes=_ANSWER_BYTES)
        self._slots = asyncio.Semaphore(_AT_ONCE)

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
        return await self._ask("query", {"query": expression, "time": f"{at:.3f}"})

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
            )

    async def _ask(self, path: str, form: dict[str, str]) -> tuple[PromSeries, ...]:
        form |= {"timeout": f"{self._entry.timeout_seconds:g}s"}
        token = self._token()
        headers = dict(self._entry.headers)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._slots:
                answer = await self._fetcher.fetch(
                    f"{self._entry.url.rstrip('/')}/api/v1/{path}",
                    limits=self._limits,
                    method="POST",
                    accept="application/json",
                    form=form,
                    headers=headers,
                )
            return await asyncio.to_thread(_series, answer)
        except (FetchError, PrometheusError) as error:
            reason = str(error).replace(token, "[token]") if token else str(error)
            raise PrometheusError(f"Prometheus {self._entry.name!r}: {reason}") from None

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


def _series(answer: Answer) -> tuple[PromSeries, ...]:
    try:
        body = _Body.model_validate_json(answer.body)
    except ValidationError:
        phrase = "" if answer.status == HTTPStatus.OK else f"HTTP {answer.status}, "
        raise PrometheusError(f"{phrase}not an answer of Prometheus's query API") from None
    if answer.status != HTTPStatus.OK or body.status != "success":
        raise PrometheusError(f"HTTP {answer.status}: {_plain(body.error)}")
    if body.warnings or body.is_partial:
        told = _plain(body.warnings[0]) if body.warnings else "some stores did not answer"
        raise PrometheusError(f"the answer is partial: {told}")
    try:
        results = _Data.model_validate(body.data).result
        if len(results) > _MAX_SERIES:
            raise PrometheusError(f"the answer has more than {_MAX_SERIES} series")
        return tuple(result.series() for result in results)
    except ValueError:
        raise PrometheusError("the answer holds no series") from None


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:_SHOWN])
