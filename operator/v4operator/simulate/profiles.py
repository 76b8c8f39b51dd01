"""Step-time truth of emulated replicas, from published measurements.

Not what the operator believes: its own priors live in the catalogue. These are kept apart on
purpose, so that a run can give the operator a wrong prior and see what it learns.
"""

from dataclasses import dataclass, replace

from v4operator.model.step import StepTime

# Fits of the SGLang cookbook table (v0.5.15, random 8192 in / 1024 out): a, b and d of six recipes
# with 2 to 10 % mean error. Context coefficients are differences of LMSYS decode speeds at 4K and
# 900K context (Pro on B200, Flash on H200), used for every device of the family.
_FLASH_KV_SECONDS = 0.45e-9
_PRO_KV_SECONDS = 0.59e-9

# Attention over the prompt so far makes a prefill token at context x cost (1 + x / X0) times the
# first one: vllm#51454 and vLLM recipes#762, eight 1M prompts on 8 x B200. Rough.
_PREFILL_CONTEXT_TOKENS = 5e5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaProfile:
    """Everything that decides how fast one replica works and how much it holds.

    `chunk_tokens` is the prefill budget of one step, `overhead_seconds` the fixed cost of a request
    in front of the scheduler, `client_timeout_seconds` how long a client waits for a first token,
    `watermark_ratio` the share of the KV pool that admission leaves free.
    """

    name: str
    engine_devices: int
    step: StepTime
    max_running: int
    kv_capacity_tokens: int
    prefill_context_tokens: float = _PREFILL_CONTEXT_TOKENS
    chunk_tokens: int = 8192  # SGLang's and vLLM's default chunk on devices of this size
    overhead_seconds: float = 0.020  # tokeniser and HTTP, simulation study
    client_timeout_seconds: float = 120.0  # protocol of the simulation study
    watermark_ratio: float = 0.01  # vLLM's watermark; SGLang reserves more, by expected output

    def slowed(self, factor: float) -> "ReplicaProfile":
        """The same replica with step times multiplied by `factor`: a hidden truth to be learned."""
        law = self.step
        return replace(
            self,
            step=StepTime(
                base_seconds=law.base_seconds * factor,
                per_sequence_seconds=law.per_sequence_seconds * factor,
                per_kv_token_seconds=law.per_kv_token_seconds * factor,
                per_prefill_token_seconds=law.per_prefill_token_seconds * factor,
            ),
        )


def _profile(
    name: str,
    devices: int,
    law: tuple[float, float, float, float],
    kv_capacity_tokens: int,
) -> ReplicaProfile:
    base_ms, sequence_ms, kv_seconds, prefill_us = law
    return ReplicaProfile(
        name=name,
        engine_devices=devices,
        step=StepTime(
            base_seconds=base_ms * 1e-3,
            per_sequence_seconds=sequence_ms * 1e-3,
            per_kv_token_seconds=kv_seconds,
            per_prefill_token_seconds=prefill_us * 1e-6,
        ),
        max_running=256,  # running requests of the cookbook's high-throughput recipe
        kv_capacity_tokens=kv_capacity_tokens,
    )


# KV capacities: Pro on 8 x H200 holds about 15 requests of 9.2k (comment in the cookbook), Pro on
# 8 x B200 at least 160 running ones, Flash a cautious 4 M (a vLLM log shows 20 M on 8 x B200).
PROFILES = {
    profile.name: profile
    for profile in (
        _profile("flash-fp8-4xh200", 4, (2.8, 0.41, _FLASH_KV_SECONDS, 19.3), 4_000_000),
        _profile("flash-fp4-4xh200", 4, (2.9, 0.28, _FLASH_KV_SECONDS, 26.5), 4_000_000),
        _profile("flash-fp4-8xh100", 8, (2.8, 0.30, _FLASH_KV_SECONDS, 22.0), 4_000_000),
        _profile("flash-fp4-4xb200", 4, (2.7, 0.144, _FLASH_KV_SECONDS, 15.2), 4_000_000),
        _profile("pro-fp4-8xb200", 8, (4.1, 0.075, _PRO_KV_SECONDS, 22.9), 1_500_000),
        _profile("pro-fp4-8xh200", 8, (4.0, 1.22, _PRO_KV_SECONDS, 73.6), 140_000),
    )
}
