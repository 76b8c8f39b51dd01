"""What one healthy replica carries while it keeps the objectives: the smallest of four bounds.

Pure arithmetic on the step-time law; the reasons for the margins stand beside them.
"""

from dataclasses import dataclass
from math import ceil, log, sqrt
from statistics import NormalDist

from v4operator.estimate.calibration import StepSample, confidence
from v4operator.model.deployment import Objectives
from v4operator.model.forecast import Capacity, CapacityBound, Mix
from v4operator.model.hbm import KvPool
from v4operator.model.learned import StepFit
from v4operator.model.step import StepTime

# A request feels the batch averaged over its life, not at an instant: about half of the Poisson
# fluctuation sqrt(B) is left of it. For 54 sequences and 99 % this leaves 46, the 0.8 to 0.95 of
# the limit that did best as an admission limit (policy study, gateway mode).
_FLUCTUATION_FELT = 0.5

# Retraction throws work away, and lengths scatter: the pool is planned to be nine tenths full.
_POOL_SHARE = 0.9

# Where a profile names no limit: the largest running batch of the published V4 recipes.
_MAX_RUNNING = 256

# Prompt tokens that one step computes beside the decodes (both engines' default order of size).
_PREFILL_CHUNK = 8192

# Below this share of time for prefill more replicas hardly shorten the wait: the prompt's own time
# decides, and no number of replicas keeps such an objective.
_LEAST_PREFILL_SHARE = 0.3

# Confidences from which the source of a capacity is said to be partly or wholly this fleet.
_CALIBRATING = 0.1
_CALIBRATED = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeCost:
    """Seconds of a replica for one decoded token at a mix, and the share of it that is prefill.

    A step with B sequences takes `base_seconds + B * token_seconds`, prefill for the requests that
    follow included.
    """

    base_seconds: float
    token_seconds: float
    prefill_seconds: float

    def sequences_at_latency(self, latency_seconds: float) -> float:
        """The batch whose step takes that long; 0 where even an empty step takes longer."""
        return max(0.0, (latency_seconds - self.base_seconds) / self.token_seconds)

    def sequences_at_rate(self, tokens_per_second: float) -> float:
        """The batch that decodes that much; infinite above what any batch reaches."""
        idle = 1.0 - self.token_seconds * tokens_per_second
        return self.base_seconds * tokens_per_second / idle if idle > 0.0 else float("inf")

    def latency(self, sequences: float) -> float:
        """Seconds between two tokens of one request."""
        return self.base_seconds + self.token_seconds * sequences


def decode_cost(law: StepTime, mix: Mix) -> DecodeCost:
    """The law at a mix: a + B (b + c L + d I / O) for mean context L, prompt I and answer O."""
    prefill = law.per_prefill_token_seconds * mix.prefill_tokens / mix.decode_tokens
    decode = law.per_sequence_seconds + law.per_kv_token_seconds * mix.context_tokens
    return DecodeCost(
        base_seconds=law.base_seconds, token_seconds=decode + prefill, prefill_seconds=prefill
    )


def quantile(attainment: float) -> float:
    """Standard deviations above the mean that a normal variable stays below so often, at least 0.

    An attainment of 1 has no finite answer; 0.9999 is the most that is planned for.
    """
    return NormalDist().inv_cdf(min(max(attainment, 0.5), 0.9999))


def capacity(
    fit: StepFit,
    mix: Mix,
    objectives: Objectives,
    *,
    pool: KvPool | None,
    max_running: int | None,
) -> Capacity:
    """The batch, tokens and requests a second at which the objectives are still kept.

    The batch is a mean: it is below 1 where long prompts leave that little time for answers.
    """
    law = fit.law
    cost = decode_cost(law, mix)
    limits = [
        (_latency_limit(cost, objectives), CapacityBound.INTER_TOKEN_LATENCY),
        (_ttft_limit(law, cost, mix, objectives), CapacityBound.TTFT),
        (float(max_running or _MAX_RUNNING), CapacityBound.MAX_RUNNING),
    ]
    if pool is not None:
        resident = max(1.0, _POOL_SHARE * pool.sequences(mix.context_tokens))
        limits.append((resident, CapacityBound.KV_POOL))
    sequences, bound = min(limits, key=lambda pair: pair[0])
    latency = cost.latency(sequences)
    sure = confidence(fit, _step(mix, sequences))
    return Capacity(
        sequences=sequences,
        decode_tokens_per_second=sequences / latency,
        requests_per_second=sequences / latency / mix.decode_tokens,
        inter_token_latency_seconds=latency,
        bound=bound,
        confidence=sure,
        source=_source(sure),
    )


def prompt_seconds(law: StepTime, mix: Mix, latency_seconds: float) -> float:
    """Time to compute the typical prompt in chunks, each of them in one step with the decodes."""
    chunks = ceil(max(mix.prefill_tokens, 1.0) / _PREFILL_CHUNK)
    return law.per_prefill_token_seconds * mix.prefill_tokens + chunks * latency_seconds


def ttft_is_attainable(law: StepTime, mix: Mix, objectives: Objectives) -> bool:
    """Whether the typical prompt meets the TTFT objective on a replica that does nothing else."""
    return prompt_seconds(law, mix, law.base_seconds) <= objectives.ttft_seconds


def _latency_limit(cost: DecodeCost, objectives: Objectives) -> float:
    """The mean batch from which fluctuation reaches the objective's batch rarely enough.

    Solves B + z * felt * sqrt(B) = B at the objective.
    """
    most = cost.sequences_at_latency(objectives.inter_token_latency_seconds)
    half = quantile(objectives.attainment) * _FLUCTUATION_FELT / 2.0
    return max(1.0, (sqrt(half * half + most) - half) ** 2)


def _ttft_limit(law: StepTime, cost: DecodeCost, mix: Mix, objectives: Objectives) -> float:
    """The batch whose prefill leaves short enough queues.

    With the share r of time on prefill, prompts of time S wait and run for S / (1 - r) on average,
    and the tail is exponential: its quantile is ln(1 / (1 - attainment)) times that.
    """
    if cost.prefill_seconds <= 0.0:
        return float("inf")
    most = cost.sequences_at_latency(objectives.inter_token_latency_seconds)
    room = objectives.ttft_seconds - cost.latency(most)
    tail = log(1.0 / (1.0 - min(objectives.attainment, 0.9999)))
    own = law.per_prefill_token_seconds * mix.prefill_tokens
    share = 1.0 - own * tail / room if room > 0.0 else 0.0
    return cost.sequences_at_rate(max(share, _LEAST_PREFILL_SHARE) / cost.prefill_seconds)


def _step(mix: Mix, sequences: float) -> StepSample:
    return StepSample(
        sequences=sequences,
        kv_tokens=sequences * mix.context_tokens,
        prefill_tokens=sequences * mix.prefill_tokens / mix.decode_tokens,
        seconds=0.0,
    )


def _source(sure: float) -> str:
    if sure >= _CALIBRATED:
        return "fitted on this fleet"
    if sure >= _CALIBRATING:
        return "catalogue, being corrected by this fleet"
    return "catalogue"
