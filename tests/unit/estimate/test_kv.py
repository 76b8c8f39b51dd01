"""KV cache of one request against the published layout and the tables of the capacity study."""

import pytest

from v4operator.catalogue import load
from v4operator.catalogue.resolve import find_checkpoint
from v4operator.estimate import kv
from v4operator.estimate.hbm_pools import BlockPlanner
from v4operator.model.catalogue import KvLayout
from v4operator.model.units import GIB

CATALOGUE = load()
K36, K128, K256, M1 = 36_864, 131_072, 262_144, 1_048_576
# Bytes of a block of vLLM 0.33 by family and indexer.
BLOCKS = {
    ("Flash", "fp8"): 1_002_240,
    ("Flash", "fp4"): 917_568,
    ("Pro", "fp8"): 1_435_968,
    ("Pro", "fp4"): 1_315_008,
}


def layout(family: str, indexer: str = "fp8") -> KvLayout:
    checkpoint = find_checkpoint(CATALOGUE, f"deepseek-ai/DeepSeek-V4-{family}")
    assert checkpoint is not None
    assert checkpoint.kv is not None
    found = checkpoint.kv
    return KvLayout(
        layers=found.layers,
        swa_only_layers=found.swa_only_layers,
        csa_layers=found.csa_layers,
        hca_layers=found.hca_layers,
        entry_bytes=found.entry_bytes,
        indexer_bytes={"fp8": found.indexer_bytes, "fp4": 68}[indexer],
        window_tokens=found.window_tokens,
        state_bytes_per_sequence=found.state_bytes_per_sequence,
    )


@pytest.mark.parametrize(
    ("context", "flash", "flash_fp4", "pro", "pro_fp4"),
    [
        (4_096, 31_191_040, 29_814_784, 45_845_248, 43_879_168),
        (K36, 157_356_032, 144_969_728, 226_444_032, 208_749_312),
        (K128, 520_080_384, 476_040_192, 745_665_536, 682_750_976),
        (K256, 1_024_740_352, 936_659_968, 1_468_060_672, 1_342_231_552),
        (M1, 4_052_700_160, 3_700_378_624, 5_802_431_488, 5_299_115_008),
    ],
)
def test_a_sequence_takes_the_bytes_of_the_published_layout(
    context: int, flash: int, flash_fp4: int, pro: int, pro_fp4: int
) -> None:
    assert kv.sequence_bytes(layout("Flash"), context) == flash
    assert kv.sequence_bytes(layout("Flash", "fp4"), context) == flash_fp4
    assert kv.sequence_bytes(layout("Pro"), context) == pro
    assert kv.sequence_bytes(layout("Pro", "fp4"), context) == pro_fp4


@pytest.mark.parametrize(
    ("family", "indexer", "slope"),
    [
        ("Flash", "fp8", 3850.25),
        ("Flash", "fp4", 3514.25),
        ("Pro", "fp8", 5511.4),
        ("Pro", "fp4", 5031.4),
    ],
)
def test_each_further_token_adds_the_slope(family: str, indexer: str, slope: float) -> None:
    found = layout(family, indexer)
    assert kv.slope_bytes(found) == pytest.approx(slope, abs=0.05)
    grown = kv.sequence_bytes(found, M1) - kv.sequence_bytes(found, M1 - 1280)
    assert grown == pytest.approx(1280 * slope, rel=1e-4)


# V3.2 stores 61 x (656 + 132) bytes per token; DeepSeek publishes 10 % and 7 % of it at 1M.
@pytest.mark.parametrize(
    ("family", "indexer", "per_cent"),
    [("Pro", "fp8", 11.5), ("Pro", "fp4", 10.5), ("Flash", "fp8", 8.0), ("Flash", "fp4", 7.3)],
)
def test_kv_at_1m_is_the_published_share_of_the_previous_model(
    family: str, indexer: str, per_cent: float
) -> None:
    share = kv.sequence_bytes(layout(family, indexer), M1) / (48_068 * M1)
    assert share * 100 == pytest.approx(per_cent, abs=0.051)


@pytest.mark.parametrize(
    ("context", "steady", "admission"),
    [
        (4_096, 46, 1_684),
        (K36, 174, 6_826),
        (K128, 542, 7_194),
        (K256, 1_054, 7_706),
        (M1, 4_126, 10_778),
    ],
)
def test_one_request_takes_the_blocks_of_the_planner(
    context: int, steady: int, admission: int
) -> None:
    assert kv.blocks(context, kv.STEADY_IN_FLIGHT_TOKENS) == steady
    assert kv.blocks(context, 2 * 8192) == admission


@pytest.mark.parametrize(
    ("family", "batched", "gib"),
    [
        ("Flash", None, (0.162, 0.506, 3.851)),
        ("Flash", 8_192, (6.37, 6.72, 10.06)),
        ("Flash", 16_384, (12.58, 12.93, 16.27)),
        ("Pro", None, (0.233, 0.725, 5.518)),
        ("Pro", 8_192, (9.13, 9.62, 14.41)),
        ("Pro", 16_384, (18.03, 18.52, 23.32)),
    ],
)
def test_the_admission_reserve_is_that_of_the_table(
    family: str, batched: int | None, gib: tuple[float, float, float]
) -> None:
    planner = BlockPlanner(block_bytes=BLOCKS[family, "fp8"], in_flight_tokens=2 * (batched or 1))
    sizes = planner.reserve_bytes if batched else planner.request_bytes
    found = [sizes(context) / GIB for context in (K36, K128, M1)]
    assert found == pytest.approx(gib, abs=0.006)


@pytest.mark.parametrize(
    ("family", "context", "one", "one_fp4", "many"),
    [
        ("Flash", K36, 0.162, 0.149, (0.2, 1.3, 5.2, 20.8, 83.2)),
        ("Flash", K128, 0.506, 0.463, (0.5, 4.0, 16.2, 64.8, 259)),
        ("Flash", K256, 0.984, 0.901, (1.0, 7.9, 31.5, 126, 504)),
        ("Flash", M1, 3.851, 3.526, (3.9, 30.8, 123, 493, 1972)),
        ("Pro", K36, 0.233, 0.213, (0.2, 1.9, 7.4, 29.8, 119)),
        ("Pro", K128, 0.725, 0.664, (0.7, 5.8, 23.2, 92.8, 371)),
        ("Pro", K256, 1.410, 1.291, (1.4, 11.3, 45.1, 180, 722)),
        ("Pro", M1, 5.518, 5.053, (5.5, 44.1, 177, 706, 2825)),
    ],
)
def test_many_requests_take_their_blocks_each(
    family: str, context: int, one: float, one_fp4: float, many: tuple[float, ...]
) -> None:
    blocks = kv.blocks(context, kv.STEADY_IN_FLIGHT_TOKENS)
    sizes = {indexer: blocks * BLOCKS[family, indexer] / GIB for indexer in ("fp8", "fp4")}
    assert sizes["fp8"] == pytest.approx(one, abs=0.0006)
    assert sizes["fp4"] == pytest.approx(one_fp4, abs=0.0006)
    for requests, total in zip((1, 8, 32, 128, 512), many, strict=True):
        # Half of the last printed digit: one decimal below 100, none above.
        assert requests * sizes["fp8"] == pytest.approx(total, abs=0.06 if total < 100 else 0.6)


def test_a_request_inside_the_window_takes_no_more_blocks_than_its_length_needs() -> None:
    assert kv.blocks(1, kv.STEADY_IN_FLIGHT_TOKENS) == 1 + 2 * 2 + 2 + 2
    assert kv.pages(257) == 2
