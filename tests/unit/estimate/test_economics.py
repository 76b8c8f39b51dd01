"""Price of a million tokens and break-even, against the published table (8:1 traffic, full use)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4operator.catalogue import load
from v4operator.estimate.economics import (
    Traffic,
    api_usd_per_million_tokens,
    api_usd_per_request,
    break_even,
    usd_per_million_tokens,
)
from v4operator.model.published import ApiPrice

PRICES = load().published.api_prices
COLD = Traffic(prompt_tokens=8192, answer_tokens=1024)
WARM = Traffic(prompt_tokens=8192, answer_tokens=1024, cache_hit_ratio=0.7)


def price(product: str, since: str, window: str = "all", terms: str = "list") -> ApiPrice:
    wanted = (product, since, window, terms)
    return next(p for p in PRICES if (p.product, p.since[:10], p.window, p.terms) == wanted)


# Devices, dollars per device and hour, tokens a second and device (SGLang cookbook, c=256 unless
# said), dollars per million tokens; then break-even use by API price in per cent.
FLASH_ROWS = {
    "4 x B200": (4, 5.0, 8401, 0.165, (106, 236, 61, 31, 83)),
    "4 x H200": (4, 3.5, 4207, 0.231, (149, 329, 86, 43, 116)),
    "8 x H100": (8, 2.5, 2429, 0.286, (184, 407, 106, 53, 143)),
}
PRO_ROWS = {
    "8 x B200": (8, 5.0, 2708, 0.513, (27, 106, 64, 32)),
    "8 x B200, c=1024": (8, 5.0, 3956, 0.351, (18, 73, 44, 22)),
    "8 x H200": (8, 3.5, 570, 1.706, (88, 353, 211, 106)),
}
FLASH_COLUMNS = (
    (price("flash", "2026-04-26"), COLD),
    (price("flash", "2026-04-26"), WARM),
    (price("flash", "2026-08-16", "off-peak"), COLD),
    (price("flash", "2026-08-16", "peak"), COLD),
    (price("flash", "2026-09-10", "off-peak"), COLD),
)
PRO_COLUMNS = (
    (price("pro", "2026-04-26"), COLD),
    (price("pro", "2026-04-26", terms="promotion"), COLD),
    (price("pro", "2026-08-16", "off-peak"), COLD),
    (price("pro", "2026-08-16", "peak"), COLD),
)
CELLS = [
    pytest.param(row[:4], column, use, id=f"{name}, {column[0].label}")
    for rows, columns in ((FLASH_ROWS, FLASH_COLUMNS), (PRO_ROWS, PRO_COLUMNS))
    for name, row in rows.items()
    for column, use in zip(columns, row[4], strict=True)
]


@pytest.mark.parametrize(("row", "column", "use"), CELLS)
def test_the_published_break_even_table_comes_out(
    row: tuple[int, float, float, float], column: tuple[ApiPrice, Traffic], use: int
) -> None:
    devices, usd, rate, per_million = row
    api, traffic = column
    found = break_even(api, traffic, usd_per_hour=devices * usd, tokens_per_second=devices * rate)
    assert found.own_usd == pytest.approx(per_million, abs=0.0006)
    assert 100 * found.utilization_ratio == pytest.approx(use, abs=0.6)
    assert found.attainable == (use <= 100)


@pytest.mark.parametrize(
    ("product", "terms", "devices", "usd", "rate", "volume", "capacity"),
    [
        ("flash", "list", 4, 5.0, 8401, 93, 87),
        ("flash", "list", 4, 3.5, 4207, 65, 44),
        ("flash", "list", 8, 2.5, 2429, 93, 50),
        ("pro", "list", 8, 5.0, 2708, 15, 56),
        ("pro", "promotion", 8, 5.0, 2708, 60, 56),
        ("pro", "list", 8, 3.5, 570, 10, 12),
        ("pro", "promotion", 8, 3.5, 570, 42, 12),
    ],
)
def test_the_published_break_even_volumes_come_out(
    product: str, terms: str, devices: int, usd: float, rate: float, volume: float, capacity: float
) -> None:
    found = break_even(
        price(product, "2026-04-26", terms=terms),
        COLD,
        usd_per_hour=devices * usd,
        tokens_per_second=devices * rate,
    )
    assert found.volume_tokens / 1e9 == pytest.approx(volume, abs=0.6)
    assert found.capacity_tokens / 1e9 == pytest.approx(capacity, abs=0.6)


@pytest.mark.parametrize(
    ("product", "since", "discount"),
    [
        ("pro", "2026-04-24", 12),
        ("flash", "2026-04-24", 5),
        ("flash", "2026-04-26", 50),
        ("pro", "2026-04-26", 120),
    ],
)
def test_the_cache_discount_has_a_date(product: str, since: str, discount: float) -> None:
    assert price(product, since).cache_discount == pytest.approx(discount)


def test_a_request_costs_its_hits_its_misses_and_its_answer() -> None:
    traffic = Traffic(prompt_tokens=1000, answer_tokens=500, cache_hit_ratio=0.4)
    asked = api_usd_per_request(price("flash", "2026-04-24"), traffic)
    assert asked == pytest.approx((400 * 0.028 + 600 * 0.14 + 500 * 0.28) / 1e6)


def test_a_rate_of_nothing_has_no_price() -> None:
    with pytest.raises(ValueError, match=r"tokens_per_second: found 0\.0; allowed: above 0"):
        usd_per_million_tokens(20.0, 0.0)


@given(
    hits=st.floats(0.0, 1.0),
    more=st.floats(0.0, 1.0),
    prompt=st.floats(1.0, 1e6),
    answer=st.floats(1.0, 1e5),
)
def test_more_cache_hits_never_make_the_api_dearer(
    hits: float, more: float, prompt: float, answer: float
) -> None:
    low, high = sorted((hits, more))
    api = price("pro", "2026-08-16", "peak")
    cold, warm = (
        api_usd_per_million_tokens(
            api, Traffic(prompt_tokens=prompt, answer_tokens=answer, cache_hit_ratio=ratio)
        )
        for ratio in (low, high)
    )
    assert warm <= cold * (1 + 1e-12)
