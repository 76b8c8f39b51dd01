"""What the clients of a fleet really saw, to judge by. The operator never reads this."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from v4operator.simulate.request import Ending, Request

_BUCKET_SECONDS = 10  # resolution in time of everything asked for "since"
_BIN_RATIO = 1.02  # resolution of percentiles: 2 %
_SHORT_ANSWER_TOKENS = 16  # below it only TTFT counts (protocol of the simulation study)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What every request is promised, and the share of requests that must get it."""

    ttft_seconds: float
    inter_token_latency_seconds: float
    attainment: float

    def met_by(self, request: Request) -> bool:
        """Whether this ended request got what was promised. One that was not answered did not."""
        if request.ending is not Ending.FINISHED or request.ttft_seconds is None:
            return False
        if request.ttft_seconds > self.ttft_seconds:
            return False
        tpot = request.tpot_seconds
        short = request.output_tokens < _SHORT_ANSWER_TOKENS
        return tpot is None or short or tpot <= self.inter_token_latency_seconds


@dataclass(slots=True)
class _Bucket:
    requests: int = 0
    missed: int = 0
    ttft: Counter[int] = field(default_factory=Counter)
    tpot: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Requests that arrived in a span of time and have ended. `None` where there was none.

    Times in seconds; inter-token latency is the mean of each request.
    """

    requests: int
    missed: int
    attainment: float | None
    ttft_p50: float | None
    ttft_p95: float | None
    itl_p50: float | None
    itl_p95: float | None


class Truth:
    """Outcomes of one fleet, kept in buckets by time of arrival."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.cut_streams = 0
        self._buckets: dict[int, _Bucket] = {}

    def record(self, ended: Iterable[Request]) -> None:
        """Take in requests that have ended. One whose client hung up itself is nobody's miss."""
        for request in ended:
            if request.ending is Ending.ABORTED:
                continue
            self.cut_streams += request.ending is Ending.CUT
            bucket = self._buckets.setdefault(int(request.arrival // _BUCKET_SECONDS), _Bucket())
            bucket.requests += 1
            bucket.missed += not self.objective.met_by(request)
            ttft = request.ttft_seconds
            if ttft is not None:
                bucket.ttft[_bin(ttft)] += 1
            tpot = request.tpot_seconds
            if tpot is not None:
                bucket.tpot[_bin(tpot)] += 1

    def judge(self, since: float = -math.inf, until: float = math.inf) -> Judgement:
        """Sum up the requests that arrived from `since` to before `until` (10 s resolution)."""
        chosen = [
            bucket
            for index, bucket in self._buckets.items()
            if since <= index * _BUCKET_SECONDS < until
        ]
        requests = sum(bucket.requests for bucket in chosen)
        missed = sum(bucket.missed for bucket in chosen)
        ttft = sum((bucket.ttft for bucket in chosen), Counter[int]())
        tpot = sum((bucket.tpot for bucket in chosen), Counter[int]())
        return Judgement(
            requests=requests,
            missed=missed,
            attainment=1 - missed / requests if requests else None,
            ttft_p50=_quantile(ttft, 0.50),
            ttft_p95=_quantile(ttft, 0.95),
            itl_p50=_quantile(tpot, 0.50),
            itl_p95=_quantile(tpot, 0.95),
        )

    def broken_at(self, since: float = -math.inf, *, window_seconds: float = 60) -> float | None:
        """End of the first window of arrivals from `since` on that fell short of the attainment.

        Windows move by 10 s. `None`: none did, as far as requests have ended.
        """
        span = round(window_seconds / _BUCKET_SECONDS)
        first = self._first_index(since)
        for index in sorted(i for i in self._buckets if i >= first):
            begin = max(first, index - span + 1)
            window = [self._buckets[i] for i in range(begin, index + 1) if i in self._buckets]
            requests = sum(bucket.requests for bucket in window)
            missed = sum(bucket.missed for bucket in window)
            if missed > (1 - self.objective.attainment) * requests + 1e-9:
                return float((index + 1) * _BUCKET_SECONDS)
        return None

    @staticmethod
    def _first_index(since: float) -> int:
        return -(2**62) if since == -math.inf else math.ceil(since / _BUCKET_SECONDS)


def _bin(seconds: float) -> int:
    return math.ceil(math.log(max(seconds, 1e-6)) / math.log(_BIN_RATIO))


def _quantile(bins: Counter[int], share: float) -> float | None:
    """Upper edge of the bin in which that share of the values is reached."""
    rank, seen = share * bins.total(), 0
    for index in sorted(bins):
        seen += bins[index]
        if seen >= rank:
            return float(_BIN_RATIO**index)
    return None
