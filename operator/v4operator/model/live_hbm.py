"""What one device of a running replica holds, and where each of the figures comes from."""

from dataclasses import dataclass

from v4operator.model.figures import Figure
from v4operator.model.hbm import Finding, KvPool

# Weights reproduce published sizes within 0.2 %, pools come in whole blocks: below this a device
# that fills its budget exactly, as vLLM does, is not beyond it.
_SLACK_RATIO = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveHbm:
    """Bytes per device, of the worst device of one replica.

    `kv_pool` is what the engine's own report implies, `overhead` what is left for everything else
    by that report. `overhead_counts` says whether the budget spans it (vLLM's fraction does,
    SGLang's is for weights and KV only). `pool` is the replica's pool in tokens, `max_concurrency`
    what fits of the planned context.
    """

    weights: Figure
    kv_pool: Figure
    overhead: Figure
    overhead_counts: bool
    budget_bytes: int
    visible_bytes: int
    pool: KvPool
    kv_capacity_tokens: int
    max_concurrency: int
    findings: tuple[Finding, ...] = ()

    @property
    def used_bytes(self) -> int:
        """What counts against the budget."""
        overhead = self.overhead.value if self.overhead_counts else 0.0
        return round(self.weights.value + self.kv_pool.value + overhead)

    @property
    def exceeds(self) -> bool:
        """Whether the device holds more than the budget, beyond rounding."""
        return self.used_bytes > self.budget_bytes * (1 + _SLACK_RATIO)
