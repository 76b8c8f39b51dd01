"""What others published, as it stands in the data files: complete, dated, and of known things."""

from collections import Counter
from pathlib import Path

import pytest

from v4operator.catalogue import load
from v4operator.catalogue.resolve import accelerator, checkpoint, find_accelerator, find_checkpoint
from v4operator.model.figures import Tag
from v4operator.model.published import Quantity, Terms

CATALOGUE = load()
PUBLISHED = CATALOGUE.published
ENGINES = {engine.name for engine in CATALOGUE.engines}
FAMILIES = {entry.family for entry in CATALOGUE.checkpoints}


def test_every_benchmark_speaks_of_entries_that_are_there() -> None:
    for row in PUBLISHED.throughput:
        assert find_checkpoint(CATALOGUE, row.checkpoint), row.checkpoint
        assert find_accelerator(CATALOGUE, row.accelerator), row.accelerator
        assert row.engine in ENGINES


def test_every_single_figure_speaks_of_entries_that_are_there() -> None:
    for row in PUBLISHED.measurements:
        assert row.checkpoint is None or find_checkpoint(CATALOGUE, row.checkpoint), row
        assert row.accelerator is None or find_accelerator(CATALOGUE, row.accelerator), row
        assert row.engine is None or row.engine in ENGINES, row


def test_prices_fits_recipes_and_starts_speak_of_entries_that_are_there() -> None:
    for price in PUBLISHED.device_prices:
        assert find_accelerator(CATALOGUE, price.accelerator), price
    for fit in PUBLISHED.latency_fits:
        assert find_checkpoint(CATALOGUE, fit.checkpoint), fit
        assert find_accelerator(CATALOGUE, fit.accelerator), fit
    for shape in PUBLISHED.launch_shapes:
        assert shape.family in FAMILIES, shape
        assert find_accelerator(CATALOGUE, shape.accelerator), shape
    for start in PUBLISHED.cold_starts:
        assert start.family is None or start.family in FAMILIES, start


def test_the_cookbook_has_its_twelve_rows_and_60_points() -> None:
    rows = [row for row in PUBLISHED.throughput if "cookbook" in row.provenance.source]
    assert len(rows) == 12
    assert sum(len(row.points) for row in rows) == 60
    assert {(row.prompt_tokens, row.answer_tokens) for row in rows} == {(8192, 1024)}


def test_a_point_is_in_seconds_and_tokens() -> None:
    row = next(r for r in PUBLISHED.throughput if r.accelerator == "b200" and r.devices == 8)
    point = row.at(1024)
    assert point is not None
    assert point.recipe == "high-throughput"
    assert point.total_tokens_per_second == 3956
    assert point.decode_tokens_per_second is None
    assert point.ttft_seconds == pytest.approx(112)
    assert point.time_per_token_seconds == pytest.approx(0.0455)
    assert row.at(7) is None


def test_acceptance_lengths_grow_with_the_draft_until_they_do_not() -> None:
    lengths = {
        (row.speculation, row.thinking, row.draft_tokens): row.figure.value
        for row in PUBLISHED.measurements
        if row.quantity is Quantity.ACCEPT_LENGTH and row.draft_tokens
    }
    assert len(lengths) == 16
    assert [lengths["mtp", True, k] for k in range(1, 5)] == [1.79, 2.27, 2.49, 2.54]
    assert [lengths["mtp", False, k] for k in range(1, 5)] == [1.92, 2.61, 2.97, 3.00]
    assert max(range(1, 9), key=lambda k: lengths["dspark", None, k]) == 6


def test_prices_have_their_range_and_their_terms() -> None:
    assert Counter(price.terms for price in PUBLISHED.device_prices) == {
        Terms.ON_DEMAND: 7,
        Terms.SPOT: 1,
        Terms.OWNER: 9,
    }
    for price in PUBLISHED.device_prices:
        if price.low is not None and price.high is not None:
            assert price.low <= price.usd_per_hour.value <= price.high


def test_an_owners_cost_is_no_price_to_rent_at() -> None:
    assert accelerator(CATALOGUE, "gb300", where="test").price_usd_per_hour is None
    b200 = accelerator(CATALOGUE, "b200", where="test").price_usd_per_hour
    assert b200 is not None
    assert b200.value == 5.0


def test_api_prices_are_dated_and_without_gaps() -> None:
    for product in ("flash", "pro"):
        rows = [row for row in PUBLISHED.api_prices if row.product == product]
        assert [row.since for row in rows] == sorted(row.since for row in rows)
        starts = {row.since for row in rows}
        assert {row.until for row in rows} - {None} <= starts
        assert all(row.provenance.tag is Tag.PUBLISHED for row in rows)


def test_a_price_is_named_by_its_date_and_what_is_special() -> None:
    labels = [row.label for row in PUBLISHED.api_prices if row.product == "pro"]
    assert labels == [
        "2026-04-24",
        "2026-04-26",
        "2026-04-26, promotion",
        "2026-08-16, off-peak",
        "2026-08-16, peak",
    ]


def test_cold_starts_are_in_seconds() -> None:
    ready = {s.family: s.seconds.value for s in PUBLISHED.cold_starts if s.phase == "ready"}
    assert (ready["flash"], ready["pro"]) == (480, 900)
    run = next(s for s in PUBLISHED.cold_starts if s.high_seconds == 439)
    assert run.seconds.value == 425


def test_answer_lengths_are_estimates_for_every_mode() -> None:
    assert [row.mode for row in PUBLISHED.answer_lengths] == ["non-think", "think", "think-max"]
    assert {row.tokens.tag for row in PUBLISHED.answer_lengths} == {Tag.ESTIMATE}


@pytest.mark.parametrize(
    ("name", "parameters", "active", "top_k"),
    [("deepseek-v4-flash", 284.3e9, 13.3e9, 512), ("deepseek-v4-pro", 1573e9, 48.9e9, 1024)],
)
def test_what_a_token_touches_is_known(
    name: str, parameters: float, active: float, top_k: int
) -> None:
    entry = checkpoint(CATALOGUE, name, where="test")
    assert entry.parameters is not None
    assert entry.parameters.value == pytest.approx(parameters)
    assert entry.decode is not None
    assert entry.decode.active_parameters.value == pytest.approx(active)
    assert entry.decode.indexer_top_k == top_k


def test_peaks_and_links_of_a_device_are_in_base_units() -> None:
    b200 = accelerator(CATALOGUE, "b200", where="test")
    assert b200.peak is not None
    assert (b200.peak.bf16, b200.peak.fp8, b200.peak.fp4) == (2.25e15, 4.5e15, 9e15)
    assert b200.link_bytes_per_second is not None
    assert b200.link_bytes_per_second.value == 900e9
    a100 = accelerator(CATALOGUE, "a100-80", where="test")
    assert a100.peak is not None
    assert a100.peak.fp8 is None


def test_dspark_names_are_the_official_checkpoints() -> None:
    for name in ("Flash-0731", "Pro-0813"):
        draft = checkpoint(CATALOGUE, f"deepseek-ai/DeepSeek-V4-{name}-DSpark", where="test")
        assert draft.name == f"deepseek-ai/DeepSeek-V4-{name}"
        assert draft.draft == "dspark"


OWN = """
apiPrices:
  - {product: flash, since: 2026-11-01, cacheHit: 0.01, cacheMiss: 0.1, answer: 0.5, tag: published,
     source: our contract}
throughput:
  - checkpoint: deepseek-ai/DeepSeek-V4-Flash
    engine: vllm
    accelerator: h200-141
    devices: 2
    tag: measured
    source: our own run
    points: [{concurrency: 8, tpotMs: 9, totalPerDevice: 900}]
prices:
  - {accelerator: b200, terms: owner, value: 1.5, tag: measured, source: our books}
"""


def test_a_users_own_rows_stand_first(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    own = load(file)
    assert own.published.api_prices[0].provenance.source == "our contract"
    assert own.published.throughput[0].provenance.tag is Tag.MEASURED
    assert len(own.published.throughput) == len(PUBLISHED.throughput) + 1
    assert own.published.device_prices[0].usd_per_hour.value == 1.5
    b200 = accelerator(own, "b200", where="test").price_usd_per_hour
    assert b200 is not None
    assert b200.value == 5.0
