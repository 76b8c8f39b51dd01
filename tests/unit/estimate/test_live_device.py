"""What DCGM says is on a device, in the live verdict: four H200 with V4 Flash."""

from dataclasses import replace

import pytest

from v4operator.catalogue import load
from v4operator.estimate.live_hbm import fullest, live
from v4operator.model.deployment import MemoryPlan
from v4operator.model.figures import Tag
from v4operator.model.layout import Layout
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.reading import DeviceMemory, EngineReading
from v4operator.model.units import GIB
from v4operator.observe.engines import read

_CATALOGUE = load()
_PLAN = MemoryPlan(
    checkpoint="deepseek-ai/DeepSeek-V4-Flash",
    engine="vllm",
    engine_version=None,
    engine_args=(),
    accelerator="h200-141",
    devices=4,
    layout=Layout(tensor=4),
    max_context_tokens=1_048_576,
    concurrency=1,
    budget=None,
)
_DEVICE = next(each for each in _CATALOGUE.accelerators if each.name == _PLAN.accelerator)
assert _DEVICE.visible_bytes is not None
assert _DEVICE.driver_bytes is not None
_VISIBLE, _DRIVER = _DEVICE.visible_bytes.value, _DEVICE.driver_bytes.value
_ENGINE = b"""\
vllm:cache_config_info{engine="0",gpu_memory_utilization="0.92",kv_cache_size_tokens="8731842",\
num_gpu_blocks="89752"} 1
"""
# Weights and KV pool that the engine's report amounts to: 0.92 of what is visible less 6 GiB.
_TAKEN = 0.92 * _VISIBLE - 6 * GIB


def _reading(*, used: float | None = None, free: float | None = None) -> EngineReading:
    found = read(_ENGINE, version="0.33.0")
    assert isinstance(found, EngineReading)
    memory = DeviceMemory(
        weights_bytes=None,
        graphs_bytes=None,
        free_after_start_bytes=None,
        device_used_bytes=used,
        device_free_bytes=free,
    )
    return replace(found, memory=memory)


def _live(reading: EngineReading) -> LiveHbm:
    found = live(reading, _PLAN, _CATALOGUE)
    assert isinstance(found, LiveHbm)
    return found


def test_what_is_not_free_on_the_device_is_in_use_whatever_used_counts() -> None:
    found = _live(_reading(used=_DRIVER, free=_VISIBLE - _TAKEN - 4 * GIB))
    assert found.overhead.tag is Tag.MEASURED
    assert found.overhead.source == "visible less DCGM_FI_DEV_FB_FREE, weights and KV"
    assert found.overhead.value == pytest.approx(4 * GIB, rel=0.01)
    assert found.findings == ()
    assert not found.exceeds


def test_used_alone_counts_less_what_cuda_never_sees() -> None:
    found = _live(_reading(used=_TAKEN + 4 * GIB + _DRIVER - _VISIBLE))
    assert found.overhead.value == pytest.approx(4 * GIB, rel=0.01)
    assert found.overhead.tag is Tag.DERIVED
    assert "DCGM_FI_DEV_FB_USED less the driver's own" in found.overhead.source


def test_a_device_fuller_than_the_engines_fraction_is_beyond_the_budget() -> None:
    found = _live(_reading(free=0.05 * _VISIBLE))
    assert found.used_bytes == pytest.approx(0.95 * _VISIBLE, rel=1e-6)
    assert found.exceeds


def test_an_engine_that_reports_more_than_its_device_holds_is_a_finding_with_both_figures() -> None:
    found = _live(_reading(free=_VISIBLE - 60 * GIB))
    (finding,) = found.findings
    assert finding.reason == "DeviceMemoryDiffers"
    assert "holds 60.0 GiB (visible less DCGM_FI_DEV_FB_FREE)" in finding.message
    assert f"make {_TAKEN / GIB:.1f} GiB" in finding.message
    assert found.overhead.value == 0.0


def test_without_dcgm_nothing_changes() -> None:
    plain = read(_ENGINE, version="0.33.0")
    assert isinstance(plain, EngineReading)
    assert _live(_reading()) == _live(plain)


@pytest.mark.parametrize("by", ["free", "used"])
def test_of_alike_reports_the_fullest_device_is_judged(by: str) -> None:
    def on(gib: float) -> EngineReading:
        taken = _TAKEN + gib * GIB
        if by == "free":
            return _reading(free=_VISIBLE - taken)
        return _reading(used=taken + _DRIVER - _VISIBLE)

    readings = [on(3.0), on(9.0), _reading(), on(5.0)]
    found = fullest(readings, _PLAN, _CATALOGUE)
    assert isinstance(found, LiveHbm)
    assert found.overhead.value == pytest.approx(9 * GIB, rel=0.01)
