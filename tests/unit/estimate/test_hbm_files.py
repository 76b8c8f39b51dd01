"""An engine without a memory model: files larger than all memory do not fit, others are unknown."""

import pytest

from v4operator.catalogue import load
from v4operator.estimate.hbm import check
from v4operator.model.deployment import MemoryPlan
from v4operator.model.figures import Tag
from v4operator.model.hbm import HbmReport, HbmVerdict
from v4operator.model.layout import Layout

MLX = "mlx-community/deepseek-ai-DeepSeek-V4-Flash-8bit"


def report(checkpoint: str, engine: str, accelerator: str) -> HbmReport:
    plan = MemoryPlan(
        checkpoint=checkpoint,
        engine=engine,
        engine_version=None,
        engine_args=(),
        accelerator=accelerator,
        devices=1,
        layout=Layout(),
        max_context_tokens=None,
        concurrency=1,
        budget=None,
    )
    return check(plan, load())


def test_the_guides_mac_does_not_hold_the_guides_file() -> None:
    found = report(MLX, "mlx", "m2-ultra-192")
    assert found.verdict is HbmVerdict.WEIGHTS_EXCEED
    assert found.decided_by is Tag.GUIDE
    assert found.sentence == (
        "Does not fit: files of 302 GB exceed the 192 GB of all memory of 1 x m2-ultra-192."
    )


@pytest.mark.parametrize(
    ("checkpoint", "engine", "accelerator"),
    [
        (MLX, "mlx", "m3-ultra-512"),
        ("DeepSeek-V4-Flash-GGUF-Q2", "llama-cpp", "m2-ultra-192"),
        ("DeepSeek-V4-Flash-W8A8", "vllm-ascend", "ascend-910b"),
        (MLX, "mlx", "nothing"),
    ],
)
def test_what_may_fit_stays_unknown(checkpoint: str, engine: str, accelerator: str) -> None:
    assert report(checkpoint, engine, accelerator).verdict is HbmVerdict.UNKNOWN
