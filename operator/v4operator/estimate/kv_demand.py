"""Resident and queued KV demand of a fleet against its pools, and for how long it has been above.

A finding only; how many replicas that takes is `demand`'s matter. The time since when is carried by
the caller: a cycle that cannot tell ends it, because five minutes must have been seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from v4operator.model.hbm import Finding, KvPool
from v4operator.model.reading import EngineReading

EXCESS_SECONDS = 300.0
"""A burst that ends within five minutes is a queue, not a pool that is too small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KvDemand:
    """Demand over capacity, both in tokens of the pool, summed over the replicas that tell it."""

    resident_tokens: float
    queued_tokens: float
    capacity_tokens: float

    @property
    def ratio(self) -> float:
        """Above 1 there is more demand than the pools hold."""
        return (self.resident_tokens + self.queued_tokens) / self.capacity_tokens


def kv_demand(
    readings: Iterable[EngineReading], pool: KvPool, context_tokens: float
) -> KvDemand | None:
    """What the replicas hold and what waits for them; `None` where no replica tells both.

    resident = use x capacity, the mean over data-parallel ranks; queued = waiting requests (those
    between prefill and decode that hold no KV here too) x (mean context + constant per request).
    `pool` is one replica's, `context_tokens` the present mean context.
    """
    per_request = context_tokens + pool.fixed_tokens_per_request
    resident = queued = 0.0
    replicas = 0
    for reading in readings:
        use, waiting = _mean_use(reading), reading.waiting_requests
        if use is None or waiting is None:
            continue
        replicas += 1
        resident += use * pool.capacity_tokens
        queued += (waiting + (reading.handover_waiting_requests or 0.0)) * per_request
    if not replicas or pool.capacity_tokens <= 0:
        return None
    return KvDemand(
        resident_tokens=resident,
        queued_tokens=queued,
        capacity_tokens=replicas * pool.capacity_tokens,
    )


def excess_since(demand: KvDemand | None, since: float | None, now: float) -> float | None:
    """When the demand went above the pools (Unix seconds); `None` while it is not, or not known."""
    if demand is None or demand.ratio <= 1.0:
        return None
    return now if since is None else since


def excess_finding(demand: KvDemand | None, since: float | None, now: float) -> Finding | None:
    """`KVDemandExceedsPool`, once the demand has been above the pools for `EXCESS_SECONDS`."""
    if demand is None or since is None or now - since < EXCESS_SECONDS:
        return None
    return Finding(
        reason="KVDemandExceedsPool",
        message=f"for {(now - since) / 60:.0f} minutes requests have asked for "
        f"{demand.ratio:.2f} times the KV there is: {demand.resident_tokens:,.0f} tokens resident, "
        f"{demand.queued_tokens:,.0f} queued, {demand.capacity_tokens:,.0f} in the pools",
        hint="more replicas, a larger memory fraction, or an admission limit at the gateway",
    )


def _mean_use(reading: EngineReading) -> float | None:
    """The mean over ranks: the replica's own figure is its fullest rank's."""
    told = [rank.kv_usage_ratio for rank in reading.ranks if rank.kv_usage_ratio is not None]
    return sum(told) / len(told) if told else reading.kv_usage_ratio
