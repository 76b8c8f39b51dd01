"""Turns the poll intervals of one replica into half-minute blocks of evidence.

Gauges are read at instants and alias (a whole wave of requests can finish between two reads);
SGLang refreshes them once in 40 decode steps. So expected tokens are integrated at every poll, but
nothing is judged or learned from less than a block.
"""

from dataclasses import dataclass

from v4operator.estimate.calibration import StepSample
from v4operator.model.learned import Block
from v4operator.model.observation import Interval, ReplicaObservation
from v4operator.model.step import StepTime

# Half a minute: about 1000 decode steps and 25 refreshes of SGLang's gauges at 33 ms a step.
BLOCK_SECONDS = 30.0

# CUDA graphs, kernels and the prefix cache warm up: the first three minutes after ready teach
# nothing and judge nothing (dynamo#12430: cold-start samples spoil the calibration).
COLD_START_SECONDS = 180.0

# Below two running requests on average a replica is idle for part of the time, and the counters
# then tell of the load and not of the replica.
_LEAST_SEQUENCES = 2.0

# A token a second and less is a stall, named without a fit; nor can the law expect so little of two
# requests unless prefill takes all the time. In tokens a second.
_LEAST_RATE = 1.0

# A block with less than two thirds of its time covered by usable intervals is no evidence.
_LEAST_SECONDS = BLOCK_SECONDS * 2 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One usable poll interval: means over it, rates in tokens a second."""

    seconds: float
    sequences: float
    kv_tokens: float
    decode_rate: float
    prefill_rate: float
    accept_length: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Decode tokens expected and observed in the usable intervals since the last forecast."""

    observed_tokens: float = 0.0
    expected_tokens: float = 0.0


def reading_of(interval: Interval, context_tokens: float) -> Reading | None:
    """What an interval says about the step time; `None` where a figure it needs is missing.

    Computed prompt tokens are taken from all prompt tokens where the engine does not tell cached
    ones apart. Where it does not tell the resident tokens, `context_tokens` a sequence is assumed:
    context costs little on V4 (10 % from 4K to 900K).
    """
    prefill = interval.prefill_tokens_per_second
    if prefill is None:
        prefill = interval.prompt_tokens_per_second
    if (
        interval.decode_tokens_per_second is None
        or interval.running_mean is None
        or prefill is None
        or interval.seconds <= 0.0
    ):
        return None
    kv_tokens = interval.kv_tokens_mean
    return Reading(
        seconds=interval.seconds,
        sequences=interval.running_mean,
        kv_tokens=interval.running_mean * context_tokens if kv_tokens is None else kv_tokens,
        decode_rate=interval.decode_tokens_per_second,
        prefill_rate=prefill,
        accept_length=interval.accept_length,
    )


def expected_rate(law: StepTime, reading: Reading) -> float:
    """Decode tokens a second that the law expects under the load of that interval."""
    return law.decode_tokens_per_second(
        sequences=reading.sequences,
        kv_tokens=reading.kv_tokens,
        prefill_tokens_per_second=reading.prefill_rate,
    )


def add(block: Block, reading: Reading, expected_tokens: float) -> Block:
    """The block with one more interval in it."""
    tokens = reading.decode_rate * reading.seconds
    accept = reading.accept_length
    return Block(
        seconds=block.seconds + reading.seconds,
        tokens=block.tokens + tokens,
        expected_tokens=block.expected_tokens + expected_tokens,
        sequence_seconds=block.sequence_seconds + reading.sequences * reading.seconds,
        token_sequences=block.token_sequences + reading.sequences * tokens,
        token_kv_tokens=block.token_kv_tokens + reading.kv_tokens * tokens,
        prefill_sequences=block.prefill_sequences
        + reading.prefill_rate * reading.seconds * reading.sequences,
        accept_length_seconds=block.accept_length_seconds + (accept or 0.0) * reading.seconds,
        accept_seconds=block.accept_seconds + (reading.seconds if accept is not None else 0.0),
    )


def is_warm(replica: ReplicaObservation, at: float) -> bool:
    """Whether the replica had been ready long enough at that time to be judged."""
    ready_at = replica.replica.ready_at
    return ready_at is not None and at - ready_at >= COLD_START_SECONDS


def is_evidence(block: Block) -> bool:
    """Whether a finished block has enough time, load and tokens to be judged and learned from."""
    return (
        block.seconds >= _LEAST_SECONDS
        and block.sequence_seconds >= _LEAST_SEQUENCES * block.seconds
        and block.tokens >= _LEAST_RATE * block.seconds
        and block.expected_tokens >= _LEAST_RATE * block.seconds
    )


def is_busy(block: Block, law: StepTime) -> bool:
    """Whether it decoded at least what the law expects of `_LEAST_SEQUENCES` requests.

    Counts tell it, which have no error. Blocks chosen by the gauge are those in which it happened
    to read high: at low load a line through them starts too high and rises too little.
    """
    seconds, sequences = block.seconds, block.sequence_seconds / block.seconds
    least = law.decode_tokens_per_second(
        sequences=_LEAST_SEQUENCES,
        kv_tokens=_LEAST_SEQUENCES * block.token_kv_tokens / block.token_sequences,
        prefill_tokens_per_second=block.prefill_sequences / (sequences * seconds),
    )
    return block.tokens >= least * seconds


def step_of(block: Block) -> StepSample:
    """The block as one mean step.

    Over a time T with S steps, T = a S + b G + c sum(KV) + d P for G decode tokens and P prefill
    tokens. A step of N sequences gives N tokens, so every sum over steps is a sum over tokens
    divided by N; multiplied by N and divided by G all terms are sums that a poll can take.
    """
    return StepSample(
        sequences=block.token_sequences / block.tokens,
        kv_tokens=block.token_kv_tokens / block.tokens,
        prefill_tokens=block.prefill_sequences / block.tokens,
        seconds=block.sequence_seconds / block.tokens,
    )


def accept_length_of(block: Block) -> float | None:
    """Mean accept length over the block, `None` without speculative decoding."""
    if block.accept_seconds <= 0.0:
        return None
    return block.accept_length_seconds / block.accept_seconds
