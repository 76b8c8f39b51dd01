"""What the Dynamo planner believes of a worker: a line of latency over batch, and a rate predictor.

Fitted by least squares on the last 64 samples in 16 buckets of batch size, at least five of them;
before that the profile's own law. Without a cold-start guard, as in the planner (dynamo#12430).
"""

from collections.abc import Sequence
from itertools import pairwise

from v4operator.model.step import StepTime
from v4operator.simulate.policies.policy import Seen

_SAMPLES = 64
_BUCKETS = 16
_LEAST = 5
_LENGTHS_SECONDS = 180.0
_BUCKET_SEQUENCES = 16.0  # a batch of 256, the recipes' largest, over 16 buckets
_LEAST_DIFFERENCES = 3  # a coefficient from two differences is chance


def predicted(rates: Sequence[float]) -> float:
    """The next rate by ARIMA(1,1,0): the last one and a learned share of its last change."""
    if len(rates) < _LEAST_DIFFERENCES + 1:
        return rates[-1]
    changes = [after - before for before, after in pairwise(rates)]
    pairs = list(pairwise(changes))
    squares = sum(before * before for before, _ in pairs)
    share = sum(before * after for before, after in pairs) / squares if squares > 0.0 else 0.0
    return max(0.0, rates[-1] + max(-1.0, min(1.0, share)) * changes[-1])


class PerformanceModel:
    """ITL = alpha + beta * batch; TTFT = computed tokens ahead * prefill time + one step."""

    def __init__(self, law: StepTime) -> None:
        self._law = law
        self._samples: list[tuple[float, float]] = []
        self._prefill = 8192.0  # the profile's own shape, until traffic tells
        self._output = 1024.0

    def learn(self, seen: Seen) -> None:
        """Take in the last interval of every worker."""
        telemetry, now = seen.telemetry, seen.now
        recent = telemetry.since(now - 2.5 * 5.0)[-2:]
        if len(recent) == 2:  # noqa: PLR2004 - an interval has two ends
            before, after = recent
            for name, replica in after.replicas.items():
                earlier = before.replicas.get(name)
                if earlier is None:
                    continue
                tokens = replica.decode_tokens_total - earlier.decode_tokens_total
                running = (replica.running + earlier.running) / 2.0
                if tokens > 0 and running >= 1.0:
                    self._samples.append((running, running * (after.at - before.at) / tokens))
            self._samples = self._samples[-_SAMPLES:]
        started = telemetry.rate(lambda r: r.first_tokens_total, _LENGTHS_SECONDS, now)
        if started:
            computed = telemetry.rate(lambda r: r.prefill_tokens_total, _LENGTHS_SECONDS, now)
            decoded = telemetry.rate(lambda r: r.decode_tokens_total, _LENGTHS_SECONDS, now)
            self._prefill = (computed or 0.0) / started
            self._output = max(1.0, (decoded or 0.0) / started)

    def itl(self, batch: float) -> float:
        """Seconds between two tokens at that batch."""
        alpha, beta = self._line()
        return alpha + beta * batch

    def ttft(self, batch: float, waiting: float) -> float:
        """Seconds until a new request's first token, behind `waiting` others."""
        tokens = (waiting + 1.0) * self._prefill
        return tokens * self._law.per_prefill_token_seconds + self.itl(batch)

    def requests_per_second(self, itl_seconds: float, max_running: int) -> float:
        """The largest rate that one worker serves within that ITL."""
        alpha, beta = self._line()
        batch = (itl_seconds - alpha) / beta
        batch = min(max(1.0, batch), float(max_running))
        return batch / (alpha + beta * batch) / self._output

    def _line(self) -> tuple[float, float]:
        """Alpha and beta, from bucket means of the samples or from the profile."""
        law = self._law
        prior = (
            law.base_seconds,
            law.per_sequence_seconds + law.per_prefill_token_seconds * self._prefill / self._output,
        )
        points = self._bucket_means()
        if len(self._samples) < _LEAST or len(points) < 2:  # noqa: PLR2004 - a line takes two
            return prior
        count = len(points)
        mean_x = sum(x for x, _ in points) / count
        mean_y = sum(y for _, y in points) / count
        beta = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum(
            (x - mean_x) ** 2 for x, _ in points
        )
        alpha = mean_y - beta * mean_x
        return (alpha, beta) if beta > 0.0 and alpha > 0.0 else prior

    def _bucket_means(self) -> list[tuple[float, float]]:
        buckets: dict[int, list[tuple[float, float]]] = {}
        for batch, seconds in self._samples:
            index = min(_BUCKETS - 1, int(batch / _BUCKET_SEQUENCES))
            buckets.setdefault(index, []).append((batch, seconds))
        return [
            (sum(b for b, _ in held) / len(held), sum(s for _, s in held) / len(held))
            for held in buckets.values()
        ]
