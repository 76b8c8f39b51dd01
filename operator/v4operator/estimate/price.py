"""What work costs in replicas: the time that one replica spends on tokens at the objective."""

from dataclasses import dataclass

from v4operator.model.forecast import Capacity, Mix
from v4operator.model.step import StepTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Replica time that work costs, in seconds, and the share of time a replica has for it."""

    decode_token_seconds: float
    prefill_token_seconds: float
    request_decode_tokens: float
    request_prefill_tokens: float
    work_share: float

    @property
    def request_seconds(self) -> float:
        """Replica seconds, at the objective, of one typical request."""
        return self.replicas(self.request_decode_tokens, self.request_prefill_tokens)

    def replicas(self, decode_tokens: float, prefill_tokens: float) -> float:
        """Replicas that so many tokens a second keep busy at the objective."""
        work = (
            self.decode_token_seconds * decode_tokens + self.prefill_token_seconds * prefill_tokens
        )
        return work / self.work_share


def price_of(law: StepTime, mix: Mix, capacity: Capacity) -> Price:
    """Prices at the present context; the base of a step at the objective is nobody's work."""
    share = 1.0 - law.base_seconds / capacity.inter_token_latency_seconds
    return Price(
        decode_token_seconds=law.per_sequence_seconds
        + law.per_kv_token_seconds * mix.context_tokens,
        prefill_token_seconds=law.per_prefill_token_seconds,
        request_decode_tokens=mix.decode_tokens,
        request_prefill_tokens=mix.prefill_tokens,
        work_share=share,
    )
