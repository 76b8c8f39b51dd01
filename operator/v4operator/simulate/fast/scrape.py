"""How a scrape sees a replica: late gauges, failed scrapes, engines that are not there yet."""

import math
from collections.abc import Sequence
from dataclasses import replace

from v4operator.simulate.fast.kernel.layout import FIGURES
from v4operator.simulate.fast.member import Member
from v4operator.simulate.fast.metrics import ReplicaMetrics
from v4operator.simulate.fast.setting import Setting

# SGLang answers /metrics for its warm-up request before it is ready: 1.5 to 2.5 s (0.5.23).
_WARM_UP_SECONDS = 2.5
_GAUGES = 4  # the first figures
_COUNTERS = slice(_GAUGES, FIGURES.index("emitted"))  # those that engines show
_NOTHING = (0.0,) * len(FIGURES)


class Scraper:
    """Remembers what each replica showed last, for gauges and scrapes that are stale."""

    def __init__(self, setting: Setting, duration: float) -> None:
        self._setting = setting
        self._duration = duration
        self._gauges: dict[str, tuple[float, Sequence[float]]] = {}
        self._last: dict[str, ReplicaMetrics] = {}

    def see(self, member: Member, row: Sequence[float] | None, now: float) -> ReplicaMetrics:
        """One replica at `now`; `row` are its `FIGURES` while it serves."""
        known = ReplicaMetrics(
            name=member.name,
            phase=member.phase,
            created_at=member.created_at,
            ready_at=member.ready_at,
            routable=member.routable,
            restarts=member.restarts,
        )
        faults = {b.kind for b in self._setting.blind if b.concerns(member.ordinal, now)}
        loading = row is None and now < member.ready_due - _WARM_UP_SECONDS
        if "missing" in faults or loading:
            return known
        if faults and member.name in self._last:
            return _repeated(self._last[member.name], known)
        told = self._told(known, row or _NOTHING, now)
        self._last[member.name] = told
        return told

    def _told(self, known: ReplicaMetrics, row: Sequence[float], now: float) -> ReplicaMetrics:
        running, waiting, held, resident = self._gauges_of(known.name, row, now)
        decode, first, prompt, prefill, finished, finished_decode, retractions = row[_COUNTERS]
        return replace(
            known,
            answered=True,
            running=running,
            waiting=waiting,
            kv_usage_ratio=held / self._setting.profile.kv_capacity_tokens,
            resident_tokens=resident,
            decode_tokens_total=decode,
            first_tokens_total=first,
            prompt_tokens_total=prompt,
            prefill_tokens_total=prefill,
            finished_total=finished,
            finished_decode_tokens_total=finished_decode,
            retractions_total=retractions,
            accept_length=self._setting.truth.accept_length(now, self._duration),
        )

    def _gauges_of(self, name: str, row: Sequence[float], now: float) -> Sequence[float]:
        """Gauges as old as the truth lets them be."""
        since, gauges = self._gauges.get(name, (-math.inf, ()))
        if now - since >= self._setting.truth.stale_gauge_seconds:
            gauges = row[:_GAUGES]
            self._gauges[name] = now, gauges
        return gauges


def _repeated(last: ReplicaMetrics, known: ReplicaMetrics) -> ReplicaMetrics:
    """The engine's figures of an earlier scrape beside what Kubernetes says now."""
    return replace(
        last,
        phase=known.phase,
        ready_at=known.ready_at,
        routable=known.routable,
        restarts=known.restarts,
    )
