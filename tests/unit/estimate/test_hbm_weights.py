"""Weights per device against the sharding table and against what engines were seen to load."""

import pytest

from v4operator.catalogue import load
from v4operator.catalogue.resolve import find_checkpoint
from v4operator.estimate.hbm_weights import per_device_bytes
from v4operator.model.catalogue import LoadFactor, Weights
from v4operator.model.layout import Layout
from v4operator.model.units import GB, GIB

CATALOGUE = load()


def weights(name: str) -> Weights:
    checkpoint = find_checkpoint(CATALOGUE, name)
    assert checkpoint is not None
    assert checkpoint.weights is not None
    return checkpoint.weights


def loaded(
    name: str, layout: Layout, *, draft: bool = False, factor: LoadFactor | None = None
) -> float:
    size = per_device_bytes(weights(name), layout, speculative=draft, load_factor=factor)
    return size / GIB


def factor(architecture: str, kernel: str | None, family: str | None) -> LoadFactor:
    wanted = (architecture, kernel, family)
    rows = CATALOGUE.load_factors
    return next(row for row in rows if (row.architecture, row.kernel, row.family) == wanted)


TENSOR_TABLE = [
    # checkpoint, devices, without draft, with draft
    ("deepseek-v4-flash", 1, 145.3, 148.6),
    ("deepseek-v4-flash", 2, 73.3, 74.9),
    ("deepseek-v4-flash", 4, 37.2, 38.1),
    ("deepseek-v4-flash", 8, 19.2, 19.7),
    ("deepseek-v4-flash-0731", 1, None, 155.5),
    ("deepseek-v4-flash-0731", 2, None, 78.4),
    ("deepseek-v4-flash-0731", 4, None, 39.8),
    ("deepseek-v4-flash-0731", 8, None, 20.5),
    ("deepseek-v4-pro", 4, 200.6, 203.8),
    ("deepseek-v4-pro", 8, 101.9, 103.6),
    ("deepseek-v4-pro", 16, 52.6, 53.4),
    ("deepseek-v4-pro-0813", 4, None, 210.4),
    ("deepseek-v4-pro-0813", 8, None, 106.9),
    ("deepseek-v4-pro-0813", 16, None, 55.1),
]


@pytest.mark.parametrize(("name", "devices", "bare", "with_draft"), TENSOR_TABLE)
def test_tensor_ranks_hold_the_weights_of_the_table(
    name: str, devices: int, bare: float | None, with_draft: float
) -> None:
    layout = Layout(tensor=devices)
    assert loaded(name, layout, draft=True) == pytest.approx(with_draft, abs=0.06)
    if bare is not None:
        assert loaded(name, layout) == pytest.approx(bare, abs=0.06)


DATA_TABLE = [
    ("deepseek-v4-flash", 2, 76.8, False),
    ("deepseek-v4-flash", 4, 42.5, False),
    ("deepseek-v4-flash", 8, 25.4, False),
    ("deepseek-v4-flash", 16, 16.8, False),
    ("deepseek-v4-flash-0731", 2, 81.9, True),
    ("deepseek-v4-flash-0731", 4, 45.1, True),
    ("deepseek-v4-flash-0731", 8, 26.6, True),
    ("deepseek-v4-flash-0731", 16, 17.4, True),
    ("deepseek-v4-pro", 4, 218.1, False),
    ("deepseek-v4-pro", 8, 122.4, False),
    ("deepseek-v4-pro", 16, 74.6, False),
    ("deepseek-v4-pro", 32, 50.6, False),
    ("deepseek-v4-pro-0813", 4, 228.0, True),
    ("deepseek-v4-pro-0813", 8, 127.3, True),
    ("deepseek-v4-pro-0813", 16, 77.0, True),
]


@pytest.mark.parametrize(("name", "ranks", "expected", "draft"), DATA_TABLE)
def test_data_ranks_hold_the_dense_part_whole(
    *, name: str, ranks: int, expected: float, draft: bool
) -> None:
    layout = Layout(data=ranks, expert=True)
    assert loaded(name, layout, draft=draft) == pytest.approx(expected, abs=0.06)


def test_pipeline_stages_hold_a_share_each() -> None:
    whole = loaded("deepseek-v4-pro", Layout(tensor=8))
    assert loaded("deepseek-v4-pro", Layout(tensor=8, pipeline=2)) == pytest.approx(whole / 2)


@pytest.mark.parametrize(
    ("name", "published", "unit"),
    [
        ("deepseek-v4-flash", 148.66, GIB),  # vLLM recipe
        ("deepseek-v4-pro", 865, GB),  # recipes and recipes#779
        ("deepseek-v4-flash-0731", 167, GB),
        ("deepseek-v4-pro-0813", 893, GB),
        ("deepseek-v4-pro-nvfp4", 913.09, GB),
        ("deepseek-v4-flash-fp8", 292.5, GB),  # derived; the file has 294.04 (sgl#28620)
    ],
)
def test_the_parts_sum_to_the_published_size(name: str, published: float, unit: float) -> None:
    total = loaded(name, Layout(), draft=True) * GIB
    assert total == pytest.approx(published * unit, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "load_factor", "measured"),
    [
        ("deepseek-v4-flash", ("hopper", None, None), 20.06),  # TP8 on H100, vllm#41027
        ("deepseek-v4-pro", ("hopper", "marlin", "pro"), 125.65),  # TP8 on H200, InferenceX#2128
        ("deepseek-v4-flash-fp8", ("ada", None, None), 35.52),  # TP8 on L20, sgl#28620
    ],
)
def test_engines_load_what_the_factor_says(
    name: str, load_factor: tuple[str, str | None, str | None], measured: float
) -> None:
    found = loaded(name, Layout(tensor=8), factor=factor(*load_factor))
    assert found == pytest.approx(measured, rel=0.002)
