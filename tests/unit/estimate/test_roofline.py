"""The published lower bounds of a decoding step, and their use: spotting the impossible."""

import pytest

from v4operator.catalogue import load
from v4operator.catalogue.resolve import accelerator, checkpoint
from v4operator.estimate.roofline import (
    DecodeStep,
    active_experts,
    kv_bytes_read,
    least_step_seconds,
    most_decode_tokens_per_second,
)
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.layout import Layout

CATALOGUE = load()
# Sequences, context and verified tokens of the columns.
COLUMNS = ((1, 4096, 1), (16, 9216, 1), (64, 9216, 1), (256, 9216, 1), (1, 4096, 4), (16, 9216, 4))
TABLE = {
    ("flash", "h200-141", 4): (0.99, 3.85, 8.5, 11.4, 1.63, 8.3),
    ("flash", "b200", 4): (0.61, 2.4, 5.3, 7.1, 1.01, 5.2),
    ("flash", "h100-80", 8): (0.95, 3.05, 6.5, 9.2, 1.41, 6.2),
    ("pro", "b200", 8): (1.31, 4.85, 12.0, 18.8, 2.07, 11.7),
    ("pro", "h200-141", 8): (2.10, 7.8, 19.2, 30.2, 3.32, None),
}
CELLS = [
    pytest.param(*key, column, value, id=f"{key[0]} {key[2]} x {key[1]} {column}")
    for key, row in TABLE.items()
    for column, value in zip(COLUMNS, row, strict=True)
    if value is not None
]


@pytest.mark.parametrize(("family", "device", "devices", "column", "expected_ms"), CELLS)
def test_the_bound_is_the_published_one_within_2_per_cent(
    family: str, device: str, devices: int, column: tuple[int, int, int], expected_ms: float
) -> None:
    sequences, context, verified = column
    found = least_step_seconds(
        checkpoint(CATALOGUE, f"deepseek-v4-{family}", where="test"),
        accelerator(CATALOGUE, device, where="test"),
        Layout(tensor=devices),
        DecodeStep(sequences=sequences, context_tokens=context, verified_tokens=verified),
    )
    assert found is not None
    assert 1e3 * found == pytest.approx(expected_ms, rel=0.02)


@pytest.mark.parametrize(
    ("routed", "expected"),
    [(256, (6, 80.8, 199.9, 255.4)), (384, (6, 85.5, 243.8, 377.2))],
)
def test_the_experts_that_a_batch_touches(routed: int, expected: tuple[float, ...]) -> None:
    found = [active_experts(routed, 6, tokens) for tokens in (1, 16, 64, 256)]
    assert found == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(
    ("family", "expected_mb"), [("flash", (12.7, 38.4, 112, 832)), ("pro", (27.1, 64.2, 171, 1209))]
)
def test_the_kv_bytes_that_a_token_reads(family: str, expected_mb: tuple[float, ...]) -> None:
    entry = checkpoint(CATALOGUE, f"deepseek-v4-{family}", where="test")
    assert entry.kv is not None
    assert entry.decode is not None
    contexts = (4096, 36_864, 131_072, 1_048_576)
    found = [kv_bytes_read(entry.kv, entry.decode.indexer_top_k, c) / 1e6 for c in contexts]
    assert found == pytest.approx(expected_mb, rel=0.005)


def test_data_parallel_ranks_read_the_whole_dense_part_and_their_own_sequences() -> None:
    entry = checkpoint(CATALOGUE, "deepseek-v4-flash", where="test")
    device = accelerator(CATALOGUE, "b200", where="test")
    few, many = (DecodeStep(sequences=n, context_tokens=1_000_000) for n in (1, 4096))
    tensor, ranks = Layout(tensor=8), Layout(tensor=1, data=8, expert=True)

    def bound(layout: Layout, step: DecodeStep) -> float:
        found = least_step_seconds(entry, device, layout, step)
        assert found is not None
        return found

    assert bound(ranks, few) > bound(tensor, few)
    assert bound(ranks, many) < bound(tensor, many)


def test_a_large_batch_is_bound_by_arithmetic() -> None:
    entry = checkpoint(CATALOGUE, "deepseek-v4-flash", where="test")
    device = accelerator(CATALOGUE, "h20-141", where="test")
    step = DecodeStep(sequences=4096, context_tokens=128)
    found = least_step_seconds(entry, device, Layout(tensor=4), step)
    assert found == pytest.approx(2 * 13.3e9 * 4096 / (296e12 * 4))


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("deepseek-ai/DeepSeek-V4.1-Flash", "b200"),
        ("tecaprovn/deepseek-v4-flash-gguf", "m3-ultra-512"),
        ("deepseek-v4-flash", "rtx-4090"),
    ],
)
def test_without_the_figures_there_is_no_bound(name: str, device: str) -> None:
    found = most_decode_tokens_per_second(
        checkpoint(CATALOGUE, name, where="test"),
        accelerator(CATALOGUE, device, where="test"),
        Layout(),
        DecodeStep(sequences=1, context_tokens=4096),
    )
    assert found is None


def test_a_device_without_a_peak_is_bound_by_its_memory_alone() -> None:
    found = least_step_seconds(
        checkpoint(CATALOGUE, "deepseek-v4-flash", where="test"),
        accelerator(CATALOGUE, "gb10", where="test"),
        Layout(tensor=2),
        DecodeStep(sequences=1, context_tokens=4096),
    )
    assert found is not None
    assert found > 0.015


@pytest.mark.parametrize(
    "profile", CATALOGUE.profiles, ids=lambda p: f"{p.devices}x{p.accelerator}"
)
@pytest.mark.parametrize("sequences", [1, 16, 64, 256])
def test_no_packaged_profile_claims_the_impossible(
    profile: PerformanceProfile, sequences: int
) -> None:
    layout = Layout(tensor=profile.devices)
    if profile.layout:
        layout = Layout(tensor=1, data=profile.devices, expert=True)
    most = most_decode_tokens_per_second(
        checkpoint(CATALOGUE, profile.checkpoint, where="test"),
        accelerator(CATALOGUE, profile.accelerator, where="test"),
        layout,
        DecodeStep(sequences=sequences, context_tokens=8704, verified_tokens=8),
    )
    claimed = profile.step.decode_tokens_per_second(
        sequences=sequences, kv_tokens=sequences * 8704, prefill_tokens_per_second=0
    )
    assert most is not None
    assert claimed < most
