"""The forecast plans with the pool that was measured, and times KV demand above the pools."""

from dataclasses import replace

from tests.plant import DEPLOYMENT, FLASH, HBM, profile, replica_with

from v4operator.estimate.forecast import forecast
from v4operator.model.figures import Figure, Tag
from v4operator.model.forecast import CapacityBound
from v4operator.model.hbm import KvPool
from v4operator.model.learned import Learned, key_of_fit
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.observation import Observation
from v4operator.model.reading import Engine, EngineReading
from v4operator.model.replica import Workload
from v4operator.model.units import GIB
from v4operator.observe.engines import read

NOW = 100_000.0
_SMALL = KvPool(capacity_tokens=30_000.0, fixed_tokens_per_request=0.0)


def _live(pool: KvPool) -> LiveHbm:
    figure = Figure(value=10.0 * GIB, tag=Tag.MEASURED, source="test")
    return LiveHbm(
        weights=figure,
        kv_pool=figure,
        overhead=figure,
        overhead_counts=True,
        budget_bytes=100 * GIB,
        visible_bytes=140 * GIB,
        pool=pool,
        kv_capacity_tokens=int(pool.capacity_tokens),
        max_concurrency=7,
    )


def _reading(waiting: int) -> EngineReading:
    text = f"vllm:kv_cache_usage_perc 0.95\nvllm:num_requests_waiting {waiting}\n"
    found = read(text.encode())
    assert isinstance(found, EngineReading)
    assert found.engine is Engine.VLLM
    return found


def _observation(now: float, waiting: int) -> Observation:
    seen = replace(replica_with("a", now), reading=_reading(waiting))
    workload = Workload(desired=1, version="1", replicas=(seen.replica,))
    return Observation(now=now, deployment=DEPLOYMENT, workload=workload, replicas=(seen,))


def test_the_measured_pool_bounds_the_capacity() -> None:
    learned = Learned.empty(key_of_fit(DEPLOYMENT))
    seen = _observation(NOW, waiting=0)
    planned, _ = forecast(seen, learned, HBM, profile(FLASH))
    lived, _ = forecast(seen, learned, HBM, profile(FLASH), _live(_SMALL))
    assert planned.capacity is not None
    assert lived.capacity is not None
    assert planned.capacity.bound is not CapacityBound.KV_POOL
    assert lived.capacity.bound is CapacityBound.KV_POOL
    assert lived.capacity.sequences < planned.capacity.sequences
    assert (lived.hbm.pool, lived.hbm.verdict) == (_SMALL, HBM.verdict)
    assert lived.live_hbm == _live(_SMALL)
    assert planned.live_hbm is None


def test_kv_demand_above_the_pool_is_a_finding_after_five_minutes_and_ends_with_it() -> None:
    learned = Learned.empty(key_of_fit(DEPLOYMENT))
    reasons = []
    for minute, waiting in ((0, 400), (4, 400), (5, 400), (6, 0), (7, 400)):
        seen = _observation(NOW + 60.0 * minute, waiting)
        found, learned = forecast(seen, learned, HBM, profile(FLASH), _live(_SMALL))
        reasons.append([finding.reason for finding in found.findings])
    assert reasons == [[], [], ["KVDemandExceedsPool"], [], []]
    assert learned.kv_excess_since == NOW + 420.0
