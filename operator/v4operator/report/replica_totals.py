"""The counters of one replica, added up over the engine processes that answered for it."""

from collections.abc import Mapping
from enum import StrEnum

from v4operator.model.forecast import ReplicaForecast
from v4operator.model.observation import ReplicaObservation, Scrapes
from v4operator.model.reading import EngineReading
from v4operator.observe.window import continues


class ReplicaCount(StrEnum):
    """What is counted."""

    COMPARED = "compared decode tokens"
    EXPECTED = "expected decode tokens"
    GENERATED = "generated tokens"
    PROMPT = "prompt tokens"
    PREFIX_HIT = "prompt tokens from the prefix cache"
    PREEMPTIONS = "preemptions"
    FINISHED = "finished requests"
    DRAFTS = "draft rounds"
    ACCEPTED = "accepted draft tokens"
    GOOD_SCRAPES = "good scrapes"
    FAILED_SCRAPES = "failed scrapes"


class ReplicaTotals:
    """One replica's counters. A figure that its engine never gave has none."""

    def __init__(self) -> None:
        self.reading: EngineReading | None = None
        self._counts: dict[ReplicaCount, float] = {}
        self._highest: dict[ReplicaCount, float] = {}
        self._scrapes = Scrapes()

    def add(self, seen: ReplicaObservation, told: ReplicaForecast | None) -> None:
        """One cycle more."""
        if told is not None:
            self._add(ReplicaCount.COMPARED, max(0.0, told.observed_decode_tokens))
            self._add(ReplicaCount.EXPECTED, max(0.0, told.expected_decode_tokens))
        if seen.scrapes is not None:
            self._add_scrapes(seen.scrapes)
        if seen.reading is not None and seen.reading is not self.reading:
            self._add_reading(seen.reading)

    def counts(self) -> Mapping[ReplicaCount, float]:
        """All that is known; differences of two families are held at their highest.

        A scrape that falls between two counters may show the one and not yet the other.
        """
        for count, figure in self._counts.items():
            self._highest[count] = max(figure, self._highest.get(count, 0.0))
        return dict(self._highest)

    def _add_reading(self, after: EngineReading) -> None:
        before, self.reading = self.reading, after
        same = before is not None and continues(before, after)
        early = _figures(before) if before is not None and same else {}
        for count, figure in _figures(after).items():
            if figure is not None:
                start = early.get(count)
                self._add(count, 0.0 if start is None else figure - start)

    def _add_scrapes(self, now: Scrapes) -> None:
        """A replica at another address is counted from 0 again."""
        before = self._scrapes
        if now.good < before.good or now.failed < before.failed:
            before = Scrapes()
        self._scrapes = now
        self._add(ReplicaCount.GOOD_SCRAPES, now.good - before.good)
        self._add(ReplicaCount.FAILED_SCRAPES, now.failed - before.failed)

    def _add(self, count: ReplicaCount, more: float) -> None:
        self._counts[count] = self._counts.get(count, 0.0) + more


def _figures(reading: EngineReading) -> dict[ReplicaCount, float | None]:
    prompt, prefill = reading.prompt_tokens_total, reading.prefill_tokens_total
    return {
        ReplicaCount.GENERATED: _generated(reading),
        ReplicaCount.PROMPT: prompt,
        ReplicaCount.PREFIX_HIT: None if prompt is None or prefill is None else prompt - prefill,
        ReplicaCount.PREEMPTIONS: reading.preemptions_total,
        ReplicaCount.FINISHED: reading.finished_requests_total,
        ReplicaCount.DRAFTS: reading.drafts_total,
        ReplicaCount.ACCEPTED: reading.accepted_tokens_total,
    }


def _generated(reading: EngineReading) -> float | None:
    """All tokens of the answers: with the first of each, where the engine counts it apart."""
    decode, first = reading.decode_tokens_total, reading.first_tokens_total
    if decode is None or reading.decode_includes_first_token:
        return decode
    return decode + (first or 0.0)
