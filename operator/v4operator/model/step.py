"""The step-time law of one replica, shared by the estimate and the simulator's simplest truth.

Source of the form: facts on 24 published V4 points; one line fits 1 to 4096 concurrent requests
with 7 % mean error on 4 x H200 (SGLang cookbook, v0.5.15).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """t = base + per_sequence * N + per_kv_token * KV + per_prefill_token * P, in seconds.

    N sequences decoding, KV the sum of their context lengths, P prompt tokens computed in
    the step. A step emits one effective token per sequence; speculative decoding is folded into
    the first two.
    """

    base_seconds: float
    per_sequence_seconds: float
    per_kv_token_seconds: float
    per_prefill_token_seconds: float

    def seconds(self, *, sequences: float, kv_tokens: float, prefill_tokens: float) -> float:
        """Duration of one step."""
        return (
            self.base_seconds
            + self.per_sequence_seconds * sequences
            + self.per_kv_token_seconds * kv_tokens
            + self.per_prefill_token_seconds * prefill_tokens
        )

    def decode_tokens_per_second(
        self, *, sequences: float, kv_tokens: float, prefill_tokens_per_second: float
    ) -> float:
        """Decode speed of a busy replica that also computes that many prompt tokens a second.

        Of each second the share `per_prefill_token * rate` goes to prefill; the rest is steps of
        `base + per_sequence * N + per_kv_token * KV`, each giving N tokens. 0 where nothing decodes
        or prefill takes all the time.
        """
        if sequences <= 0:
            return 0.0
        decode_share = max(0.0, 1.0 - self.per_prefill_token_seconds * prefill_tokens_per_second)
        step = self.seconds(sequences=sequences, kv_tokens=kv_tokens, prefill_tokens=0.0)
        return sequences * decode_share / step
