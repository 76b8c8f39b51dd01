"""What requests look like at present, from the fleet's counters of the last quarter of an hour."""

from collections.abc import Iterable, Sequence

from v4operator.model.forecast import Mix
from v4operator.model.learned import FleetSample

# The shape of the published V4 benchmarks (SGLang cookbook v0.5.15, random 8192 in / 1024 out)
# counts like ten requests: it decides alone before anything came and is gone after a minute of
# traffic.
_PRIOR_PROMPT = 8192.0
_PRIOR_DECODE = 1024.0
_PRIOR_REQUESTS = 10.0

# Samples are half a minute apart, so each rate stands for this many seconds of counting.
_SAMPLE_SECONDS = 30.0

# With fewer running requests than this, two gauges read at different instants have no quotient.
_LEAST_RUNNING = 0.5


def mix_of(history: Sequence[FleetSample]) -> Mix:
    """Tokens per request: sums of tokens over sums of requests, with the prior mixed in.

    Decode tokens per request are divided by the mean of starts and finishes, because in a growing
    fleet those who started have not yet had their tokens, and those who finished are too few.
    """
    counted = [s for s in history if s.first_tokens_per_second is not None]
    starts = _count(s.first_tokens_per_second for s in counted)
    finishes = _count(s.finished_requests_per_second for s in counted)
    turnover = (starts + finishes) / 2.0 if finishes > 0.0 else starts
    prompt = _mean(_count(s.prompt_tokens_per_second for s in counted), starts, _PRIOR_PROMPT)
    prefill = _mean(_count(s.prefill_tokens_per_second for s in counted), starts, _PRIOR_PROMPT)
    decode = _mean(_count(s.decode_tokens_per_second for s in counted), turnover, _PRIOR_DECODE)
    return Mix(
        prompt_tokens=prompt,
        prefill_tokens=prefill,
        decode_tokens=decode,
        context_tokens=_context(history, prompt + decode / 2.0),
    )


def _count(rates: Iterable[float | None]) -> float:
    return _SAMPLE_SECONDS * sum(rate for rate in rates if rate is not None)


def _mean(tokens: float, requests: float, prior: float) -> float:
    return (tokens + _PRIOR_REQUESTS * prior) / (requests + _PRIOR_REQUESTS)


def _context(history: Sequence[FleetSample], otherwise: float) -> float:
    """Mean context of a running request, from the resident tokens where the engine gives them."""
    told = [(s.kv_tokens, s.running) for s in history if s.kv_tokens is not None]
    running = sum(r for _, r in told)
    tokens = sum(kv for kv, _ in told)
    return tokens / running if running >= _LEAST_RUNNING and tokens > 0.0 else otherwise
