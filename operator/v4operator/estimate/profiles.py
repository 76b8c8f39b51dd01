"""What one replica of a published profile does at a load: tokens a second and latencies. Pure.

The law and the capacity at an objective are `throughput`'s; here the question is what happens at a
given number of requests, or at a given rate of them. TTFT under load is the weakest of the figures:
no published V4 series tells queueing from prefill, so it is right at one request and an estimate
elsewhere.
"""

from dataclasses import dataclass, replace
from math import log

from v4operator.estimate.throughput import decode_cost, prompt_seconds
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.forecast import Mix
from v4operator.model.step import StepTime

# Tokeniser, HTTP and detokeniser in front of the scheduler: what TTFT at one request has above
# prefill in the SGLang cookbook's rows (v0.5.15).
OVERHEAD_SECONDS = 0.020

# A prefill token at position x costs 1 + x / X0 times the first: eight prompts of 1M tokens on
# 8 x B200 took 39 (TP8) and 11 us (DP8) a token against about 20 (vllm#51454). Rough.
_ATTENTION_TOKENS = 5e5
_FITTED_POSITION = 4096.0  # the middle of the 8192-token prompts that the profiles were fitted on

_HALVINGS = 60  # of the running count: far below a thousandth of a request


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One replica at a steady load: requests running, and what each and all of them get.

    `prefill_ratio` is the share of time that prefill takes. `ttft_seconds` is the mean,
    queueing for prefill included, `ttft_tail_seconds` what the asked share of requests stays below.
    """

    sequences: float
    requests_per_second: float
    decode_tokens_per_second: float
    total_tokens_per_second: float
    inter_token_latency_seconds: float
    prefill_ratio: float
    ttft_seconds: float
    ttft_tail_seconds: float


def mix_of_shape(
    prompt_tokens: float, answer_tokens: float, *, cache_hit_ratio: float = 0.0
) -> Mix:
    """Traffic of one shape: every request alike, its mean context half an answer in.

    Prefill counts the tokens that the prefix cache does not hold, each weighted with what attention
    over its position costs against that of the profiles' own prompts.

    Raises:
        ValueError: a prompt or an answer below one token, or a ratio outside 0 to 1.
    """
    if prompt_tokens < 1 or answer_tokens < 1:
        raise ValueError(f"found {prompt_tokens} and {answer_tokens} tokens; allowed: 1 or more")
    if not 0.0 <= cache_hit_ratio <= 1.0:
        raise ValueError(f"cache_hit_ratio: found {cache_hit_ratio}; allowed: 0 to 1")
    computed = prompt_tokens * (1.0 - cache_hit_ratio)
    mean_position = prompt_tokens - computed / 2.0
    return Mix(
        prompt_tokens=prompt_tokens,
        prefill_tokens=computed * _attention(mean_position) / _attention(_FITTED_POSITION),
        decode_tokens=answer_tokens,
        context_tokens=prompt_tokens + answer_tokens / 2.0,
    )


def _attention(position: float) -> float:
    return 1.0 + position / _ATTENTION_TOKENS


def sequence_limit(profile: PerformanceProfile, mix: Mix, pool_sequences: float | None) -> float:
    """Requests that run at once: the recipe's limit, and what the KV cache holds.

    `pool_sequences` is what the planned replica holds, where that is known; without it the capacity
    that was published with the profile counts, for whole prompts and answers, as SGLang reserves.
    """
    limits = [float(profile.max_running_requests)]
    if pool_sequences is not None:
        limits.append(pool_sequences)
    elif profile.kv_capacity_tokens is not None:
        request_tokens = mix.prompt_tokens + mix.decode_tokens
        limits.append(profile.kv_capacity_tokens.value / request_tokens)
    return min(limits)


def at_concurrency(
    law: StepTime, mix: Mix, concurrency: float, *, limit: float, attainment: float = 0.99
) -> Operation:
    """A closed loop of `concurrency` clients, each sending its next request at once.

    Those that decode and those in prefill make up all that were let in; the rest waits, and by
    Little's law waits `waiting / rate`.
    """
    inside = min(concurrency, limit)
    others = 1.0 - 1.0 / max(concurrency, 1.0)  # nobody waits for himself
    low, high = 0.0, inside
    for _ in range(_HALVINGS):
        running = (low + high) / 2.0
        if running + _in_prefill(law, mix, running, others) > inside:
            high = running
        else:
            low = running
    found = _operation(law, mix, low, attainment, others)
    queued = max(0.0, concurrency - limit) / found.requests_per_second
    return replace(
        found,
        ttft_seconds=found.ttft_seconds + queued,
        ttft_tail_seconds=found.ttft_tail_seconds + queued,
    )


def at_rate(
    law: StepTime, mix: Mix, requests_per_second: float, *, limit: float, attainment: float = 0.99
) -> Operation | None:
    """An open loop of `requests_per_second`; `None` where one replica cannot keep up with it."""
    cost = decode_cost(law, mix)
    sequences = cost.sequences_at_rate(requests_per_second * mix.decode_tokens)
    if sequences > limit:
        return None
    return _operation(law, mix, sequences, attainment)


def _operation(
    law: StepTime, mix: Mix, sequences: float, attainment: float, others: float = 1.0
) -> Operation:
    latency = decode_cost(law, mix).latency(sequences)
    rate = sequences / latency
    requests = rate / mix.decode_tokens
    own = law.per_prefill_token_seconds * mix.prefill_tokens
    share = requests * own
    mean, tail = _prefill_waits(law, mix, share * others, latency, attainment)
    return Operation(
        sequences=sequences,
        requests_per_second=requests,
        decode_tokens_per_second=rate,
        total_tokens_per_second=requests * (mix.prompt_tokens + mix.decode_tokens),
        inter_token_latency_seconds=latency,
        prefill_ratio=share,
        ttft_seconds=OVERHEAD_SECONDS + mean,
        ttft_tail_seconds=OVERHEAD_SECONDS + tail,
    )


def _prefill_waits(
    law: StepTime, mix: Mix, share: float, latency: float, attainment: float
) -> tuple[float, float]:
    """Mean and tail of the time from arrival to the end of prefill.

    With the share r of time on prefill, prompts of time S wait and run for S / (1 - r), with an
    exponential tail (as `throughput.capacity` plans); each chunk rides on one decoding step.
    """
    own = law.per_prefill_token_seconds * mix.prefill_tokens
    steps = prompt_seconds(law, mix, latency) - own
    mean = own / max(1.0 - share, 1e-9)
    return mean + steps, max(mean, mean * log(1.0 / (1.0 - attainment))) + steps


def _in_prefill(law: StepTime, mix: Mix, running: float, others: float) -> float:
    """Requests between arrival and first token while `running` decode."""
    latency = decode_cost(law, mix).latency(running)
    requests = running / latency / mix.decode_tokens
    own = law.per_prefill_token_seconds * mix.prefill_tokens
    mean, _ = _prefill_waits(law, mix, requests * own * others, latency, 0.0)
    return requests * (OVERHEAD_SECONDS + mean)
