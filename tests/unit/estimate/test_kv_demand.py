"""Demand for KV against the pools: five minutes above them, seen without a gap, are a finding."""

import pytest

from v4operator.estimate.kv_demand import KvDemand, excess_finding, excess_since, kv_demand
from v4operator.model.hbm import KvPool
from v4operator.model.reading import EngineReading
from v4operator.observe.engines import read

_POOL = KvPool(capacity_tokens=100_000.0, fixed_tokens_per_request=500.0)


def _reading(*uses: float, waiting: float | None = 0, prealloc: float = 0) -> EngineReading:
    lines = [f'sglang:token_usage{{dp_rank="{rank}"}} {use}' for rank, use in enumerate(uses)]
    lines += [] if waiting is None else [f"sglang:num_queue_reqs {waiting}"]
    lines += [f"sglang:num_decode_prealloc_queue_reqs {prealloc}"]
    found = read("\n".join([*lines, ""]).encode())
    assert isinstance(found, EngineReading)
    return found


def test_resident_and_queued_tokens_are_summed_over_the_replicas_that_tell() -> None:
    readings = [
        _reading(0.9, waiting=10),
        _reading(0.4, 0.6, waiting=2, prealloc=3),
        _reading(0.9, waiting=None),
    ]
    found = kv_demand(readings, _POOL, context_tokens=1500.0)
    assert found is not None
    assert found.resident_tokens == pytest.approx(90_000 + 50_000)
    assert found.queued_tokens == pytest.approx((10 + 2 + 3) * 2000)
    assert found.capacity_tokens == 200_000
    assert found.ratio == pytest.approx(0.85)


def test_nobody_who_tells_is_unknown() -> None:
    assert kv_demand([], _POOL, 1500.0) is None
    assert kv_demand([_reading(0.9, waiting=None)], _POOL, 1500.0) is None
    empty = KvPool(capacity_tokens=0.0, fixed_tokens_per_request=0.0)
    assert kv_demand([_reading(0.9)], empty, 1500.0) is None


def test_an_engine_without_ranks_in_its_use_gives_its_own() -> None:
    text = b"num_requests_running 1\nnum_requests_waiting 2\ngpu_cache_usage_perc 0.5\n"
    reading = read(text)
    assert isinstance(reading, EngineReading)
    found = kv_demand([reading], _POOL, 1500.0)
    assert found is not None
    assert found.resident_tokens == 50_000


def _demand(ratio: float) -> KvDemand:
    return KvDemand(resident_tokens=ratio, queued_tokens=0.0, capacity_tokens=1.0)


def test_the_excess_begins_once_and_ends_with_the_demand_or_with_sight() -> None:
    assert excess_since(_demand(1.2), None, 10.0) == 10.0
    assert excess_since(_demand(1.2), 10.0, 20.0) == 10.0
    assert excess_since(_demand(1.0), 10.0, 20.0) is None
    assert excess_since(None, 10.0, 20.0) is None


def test_five_minutes_of_excess_are_a_finding() -> None:
    assert excess_finding(_demand(1.5), 0.0, 299.0) is None
    assert excess_finding(_demand(1.5), None, 300.0) is None
    assert excess_finding(None, 0.0, 300.0) is None
    found = excess_finding(_demand(1.5), 0.0, 300.0)
    assert found is not None
    assert found.reason == "KVDemandExceedsPool"
    assert "for 5 minutes" in found.message
    assert "1.50 times" in found.message
