"""A fleet's history as a Prometheus holds it, for `backtest`: asked a day at a time, bounded.

Ends the verb with a sentence where there is none. What is asked is `simulate.history_queries`'s.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from v4operator.adapters.prometheus import PrometheusClient, PrometheusError
from v4operator.adapters.prometheus_entries import PrometheusEntry
from v4operator.api.quantity import parse_duration
from v4operator.cli.ending import Refused
from v4operator.model.problem import nearest

if TYPE_CHECKING:
    from v4operator.simulate.history import History
    from v4operator.simulate.history_queries import Samples

_DAY_SECONDS = 86_400.0

# Prometheus's own words for long durations, which Go's lack.
_DAYS = {"d": 1.0, "w": 7.0}

# One day of minutes is 1,440 evaluations: a server answers them for 500 replicas in a second or
# two, and a week at once would meet its own limit on samples.
_QUERY_SECONDS = _DAY_SECONDS

# The most that the client waits for one answer.
_TIMEOUT_SECONDS = 9.0

# As many steps as a recorded history may have.
_MOST_STEPS = 65_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to ask, and with what credentials."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """So many steps of `step_seconds` from `start_seconds` (Unix) on; each is known at its end."""

    start_seconds: float
    step_seconds: float
    steps: int

    @property
    def end_seconds(self) -> float:
        """The end of the last step."""
        return self.start_seconds + self.steps * self.step_seconds


def span_before(now: float, since: str, step: str) -> Span:
    """The whole steps of the time `since` ago until now, on full multiples of the step."""
    step_seconds = duration("--step", step)
    steps = int(duration("--since", since) // step_seconds)
    if not 1 <= steps <= _MOST_STEPS:
        raise Refused(
            f"--since {since} has {steps:,} steps of {step}, allowed: 1 to {_MOST_STEPS:,}"
        )
    end = now // step_seconds * step_seconds
    return Span(start_seconds=end - steps * step_seconds, step_seconds=step_seconds, steps=steps)


def duration(flag: str, text: str) -> float:
    """Seconds above 0 from `7d`, `2w`, or a duration as manifests have it (`90s`, `1h30m`)."""
    long = re.fullmatch(r"(\d{1,4})([dw])", text.strip())
    try:
        seconds = float(long[1]) * _DAYS[long[2]] * _DAY_SECONDS if long else parse_duration(text)
    except ValueError as error:
        raise Refused(f"{flag}: found {text!r}, allowed: 7d, 2w, or {error}") from None
    if not seconds > 0.0:
        raise Refused(f"{flag}: found {text!r}, allowed: more than 0s")
    return seconds


def fetched(server: Server, namespace: str, name: str, since: str, step: str) -> "History":
    """The history of one V4Deployment until now; ends the verb where it cannot be had."""
    span = span_before(time.time(), since, step)
    try:
        entry = PrometheusEntry(
            name="backtest",
            url=server.url,
            token_file=server.token_file,
            ca_file=server.ca_file,
            timeout_seconds=_TIMEOUT_SECONDS,
        )
    except ValidationError:
        raise Refused(
            f"--prometheus: found {server.url!r}, allowed: http(s)://host[:port][/path]"
        ) from None
    try:
        return asyncio.run(_asked(entry, namespace, name, span))
    except (PrometheusError, OSError) as error:
        raise Refused(str(error)) from None


async def _asked(entry: PrometheusEntry, namespace: str, name: str, span: Span) -> "History":
    from v4operator.simulate.history_queries import history_of, queries  # noqa: PLC0415 - extra

    async with PrometheusClient(entry) as client:
        asked = queries(namespace, name, span.step_seconds)
        answers = {field: await _samples(client, query, span) for field, query in asked.items()}
        if not answers["requests"]:
            raise Refused(await _nothing_found(client, namespace, name, span))
        return history_of(
            answers,
            namespace=namespace,
            name=name,
            start_seconds=span.start_seconds,
            step_seconds=span.step_seconds,
            steps=span.steps,
            attainment=await _attainment(client, namespace, name, span),
        )


async def _samples(client: PrometheusClient, query: str, span: Span) -> "Samples":
    """One series over the whole span; nothing where the server has nothing."""
    found: list[tuple[float, float]] = []
    each = max(1, int(_QUERY_SECONDS // span.step_seconds))
    for first in range(1, span.steps + 1, each):
        last = min(first + each - 1, span.steps)
        pages = client.query_range(
            query,
            start=span.start_seconds + first * span.step_seconds,
            end=span.start_seconds + last * span.step_seconds,
            step_seconds=span.step_seconds,
        )
        async for page in pages:
            found += [sample for series in page for sample in series.samples]
    return found


async def _attainment(
    client: PrometheusClient, namespace: str, name: str, span: Span
) -> float | None:
    from v4operator.simulate.history_queries import attainment_query  # noqa: PLC0415 - extra

    seconds = span.steps * span.step_seconds
    query = attainment_query(namespace, name, seconds)
    found = await client.query(query, at=span.end_seconds)
    values = [value for series in found for _, value in series.samples if isfinite(value)]
    return values[0] if values else None


async def _nothing_found(client: PrometheusClient, namespace: str, name: str, span: Span) -> str:
    """Why there is no history: another name, or samples too far apart for the step."""
    from v4operator.simulate.history_queries import deployments_query  # noqa: PLC0415 - extra

    query = deployments_query(span.steps * span.step_seconds)
    found = await client.query(query, at=span.end_seconds)
    there = sorted(_named(series.labels) for series in found)
    wanted = f"{namespace}/{name}"
    if wanted in there:
        return (
            f"no requests of {wanted} in any step: either none ended, or the operator is scraped "
            f"less than twice in {span.step_seconds:g} s (give a longer --step)"
        )
    if not there:
        return "--prometheus: it holds no v4_* series of that time; does it scrape the operator?"
    hint = nearest(wanted, there)
    more = f"; did you mean {hint!r}?" if hint else ""
    return f"--deployment: found {wanted!r}, allowed: {', '.join(there)}{more}"


def _named(labels: Mapping[str, str]) -> str:
    return f"{labels.get('namespace', '')}/{labels.get('v4deployment', '')}"
