"""The fit table of the capacity study, cell by cell: vLLM 0.33, previews, no draft.

Columns: family, devices, device, layout, load factor, budget, weights, KV at high, central and low
overhead (GiB per device), KV pool over slope (millions of tokens), then for 36K, 128K, 256K and 1M
of context the verdict and the largest concurrency.

Figures hold within half of the last printed digit, verdicts and concurrency exactly. Rows without a
factor on Hopper are those of a kernel that does not grow the weights; with 1.233 Marlin's; with
1.043 the default of vLLM 0.33.
"""

from dataclasses import dataclass, replace

import pytest

from v4operator.catalogue import load
from v4operator.estimate.hbm import check
from v4operator.model.deployment import MemoryPlan
from v4operator.model.hbm import Band, HbmReport, HbmVerdict
from v4operator.model.layout import Layout
from v4operator.model.units import GIB

TABLE = """
Flash 2 h100-80 TP2 1.043 72.8 76.4 -15.6 -9.6 -6.6 0.0 NO NO NO NO
Flash 4 h100-80 TP4 1.043 72.8 38.8 22.0 28.0 31.0 7.7 yes:172 yes:55 yes:28 yes:7
Flash 4 h100-80 DEP4 1.043 72.8 44.3 16.5 22.5 25.5 24.7 yes:552 yes:176 yes:88 yes:20
Flash 8 h100-80 TP8 1.043 72.8 20.1 40.8 46.8 49.8 12.8 yes:288 yes:92 yes:47 yes:12
Flash 2 rtx-pro-6000 TP2 - 87.4 73.3 2.1 8.1 11.1 2.2 low-oh:49 low-oh:16 low-oh:8 low-oh:2
Flash 4 rtx-pro-6000 TP4 - 87.4 37.2 38.1 44.1 47.1 12.1 yes:271 yes:87 yes:44 yes:11
Flash 1 h200-141 TP1 1.043 128.6 151.5 -34.9 -28.9 -25.9 0.0 NO NO NO NO
Flash 2 h200-141 TP2 1.043 128.6 76.4 40.2 46.2 49.2 12.7 yes:284 yes:91 yes:46 yes:11
Flash 4 h200-141 TP4 1.043 128.6 38.8 77.8 83.8 86.8 23.0 yes:515 yes:165 yes:85 yes:21
Flash 4 h200-141 DEP4 1.043 128.6 44.3 72.3 78.3 81.3 85.9 yes:1928 yes:616 yes:316 yes:80
Flash 1 b200 TP1 - 164.1 145.3 6.8 12.8 15.8 3.5 low-oh:78 low-oh:25 low-oh:12 cap:3
Flash 2 b200 TP2 - 164.1 73.3 78.8 84.8 87.8 23.3 yes:522 yes:167 yes:86 yes:22
Flash 4 b200 TP4 - 164.1 37.2 114.8 120.8 123.8 33.1 yes:744 yes:238 yes:122 yes:31
Flash 4 b200 DEP4 - 164.1 42.5 109.6 115.6 118.6 126.8 yes:2844 yes:912 yes:468 yes:120
Flash 8 b200 TP8 - 164.1 19.2 132.9 138.9 141.9 38.1 yes:854 yes:274 yes:141 yes:36
Flash 8 b200 DEP8 - 164.1 25.4 126.7 132.7 135.7 291.2 yes:6536 yes:2096 yes:1072 yes:272
Flash 1 b300 TP1 - 246.3 145.3 89.0 95.0 98.0 26.0 yes:584 yes:187 yes:96 yes:24
Flash 4 gb300 TP4 - 254.5 37.2 205.2 211.2 214.2 57.9 yes:1300 yes:417 yes:214 yes:54
Flash 8 mi355x TP8 - 264.9 19.2 233.7 239.7 242.7 65.7 yes:1475 yes:473 yes:243 yes:62
Pro 8 h100-80 TP8 - 72.8 101.9 -41.1 -35.1 -32.1 0.0 NO NO NO NO
Pro 16 h100-80 TP16 1.043 72.8 54.9 6.0 12.0 15.0 2.3 low-oh:51 low-oh:16 low-oh:8 low-oh:2
Pro 4 h200-141 TP4 - 128.6 200.6 -83.9 -77.9 -74.9 0.0 NO NO NO NO
Pro 8 h200-141 TP8 1.233 128.6 125.7 -9.1 -3.1 -0.1 0.0 NO NO NO NO
Pro 8 h200-141 TP8 1.043 128.6 106.3 10.3 16.3 19.3 3.1 yes:70 yes:22 low-oh:11 low-oh:2
Pro 16 h200-141 DEP16 1.043 128.6 77.8 38.8 44.8 47.8 137.4 yes:3072 yes:976 yes:496 yes:128
Pro 4 b200 TP4 - 164.1 200.6 -48.5 -42.5 -39.5 0.0 NO NO NO NO
Pro 8 b200 TP8 - 164.1 101.9 50.2 56.2 59.2 10.7 yes:241 yes:77 yes:39 yes:10
Pro 8 b200 DEP8 - 164.1 122.4 29.7 35.7 38.7 54.6 yes:1224 yes:392 yes:200 yes:48
Pro 16 b200 DEP16 - 164.1 74.6 77.5 83.5 86.5 255.8 yes:5728 yes:1840 yes:944 yes:240
Pro 8 b300 TP8 - 246.3 101.9 132.3 138.3 141.3 26.5 yes:594 yes:190 yes:98 yes:25
Pro 8 b300 DEP8 - 246.3 122.4 111.9 117.9 120.9 180.5 yes:4048 yes:1296 yes:664 yes:168
Pro 4 gb300 TP4 - 254.5 200.6 41.9 47.9 50.9 9.2 yes:205 yes:66 yes:33 yes:8
Pro 8 mi355x TP8 - 264.9 101.9 151.0 157.0 160.0 30.1 yes:674 yes:216 yes:111 yes:28
"""
CONTEXTS = {"36K": 36_864, "128K": 131_072, "256K": 262_144, "1M": 1_048_576}
# The design's mapping; cells are for one request.
VERDICTS = {
    "NO": HbmVerdict.WEIGHTS_EXCEED,
    "cap": HbmVerdict.ADMISSION_EXCEED,
    "cap?": HbmVerdict.ADMISSION_EXCEED,
    "low-oh": HbmVerdict.FITS_TIGHT,
    "yes": HbmVerdict.FITS,
}
HOPPER_KERNELS = {"-": "humming", "1.043": None, "1.233": "marlin"}
CATALOGUE = load()


@dataclass(frozen=True)
class Row:
    plan: MemoryPlan
    budget: float
    weights: float
    kv: tuple[float, float, float]
    million_tokens: float
    cells: tuple[str, ...]

    @property
    def name(self) -> str:
        kernel = self.plan.moe_kernel or "default"
        family = self.plan.checkpoint.rpartition("-")[2]
        label = self.plan.layout.label
        return f"{family}-{self.plan.devices}x{self.plan.accelerator}-{label}-{kernel}"


def _row(line: str) -> Row:
    family, devices, device, layout, factor, *rest = line.split()
    figures, cells = [float(text) for text in rest[:6]], tuple(rest[6:])
    degree = int(layout.lstrip("TDEP"))
    hopper = device in {"h100-80", "h200-141"}
    plan = MemoryPlan(
        checkpoint=f"deepseek-ai/DeepSeek-V4-{family}",
        engine="vllm",
        engine_version="0.33.0",
        engine_args=(),
        accelerator=device,
        devices=int(devices),
        layout=Layout(data=degree, expert=True) if "DEP" in layout else Layout(tensor=degree),
        max_context_tokens=None,
        concurrency=1,
        budget=None,
        moe_kernel=HOPPER_KERNELS[factor] if hopper else None,
    )
    kv = (figures[2], figures[3], figures[4])
    return Row(plan, figures[0], figures[1], kv, figures[5], cells)


ROWS = [_row(line) for line in TABLE.strip().splitlines()]
CELLS = [
    pytest.param(row, context, cell, id=f"{row.name}-{label}")
    for row in ROWS
    for (label, context), cell in zip(CONTEXTS.items(), row.cells, strict=True)
]


def _checked(row: Row, context: int, concurrency: int = 1) -> HbmReport:
    plan = replace(row.plan, max_context_tokens=context, concurrency=concurrency)
    return check(plan, CATALOGUE)


def _gib(size_bytes: float | None) -> float:
    assert size_bytes is not None
    return size_bytes / GIB


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_account_of_each_row_is_that_of_the_table(row: Row) -> None:
    report = _checked(row, CONTEXTS["1M"])
    kv, pool = report.kv_cache_bytes, report.pool
    assert isinstance(kv, Band)
    assert pool is not None
    # 0.051 is half of the last printed digit, and the rounding of the inputs.
    assert _gib(report.budget_bytes) == pytest.approx(row.budget, abs=0.065)
    assert _gib(report.weights_bytes) == pytest.approx(row.weights, abs=0.051)
    assert [_gib(end) for end in (kv.low, kv.central, kv.high)] == pytest.approx(row.kv, abs=0.065)
    assert pool.capacity_tokens / 1e6 == pytest.approx(row.million_tokens, abs=0.051)


@pytest.mark.parametrize(("row", "context", "cell"), CELLS)
def test_each_cell_has_the_verdict_and_the_concurrency_of_the_table(
    row: Row, context: int, cell: str
) -> None:
    report = _checked(row, context)
    verdict, _, concurrency = cell.partition(":")
    assert report.verdict is VERDICTS[verdict]
    assert report.max_concurrency == int(concurrency or 0)


@pytest.mark.parametrize(
    ("row", "context", "cell"), [c for c in CELLS if str(c.values[2]).startswith(("yes", "low"))]
)
def test_an_admitted_cell_takes_its_requests_and_not_one_more(
    row: Row, context: int, cell: str
) -> None:
    most = int(cell.partition(":")[2])
    assert _checked(row, context, most).verdict is VERDICTS[cell.partition(":")[0]]
    assert _checked(row, context, most + 1).verdict is HbmVerdict.CONCURRENCY_EXCEED
