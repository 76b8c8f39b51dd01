"""Catalogue files: what is packaged is sound, a user's own is added, and mistakes are explained."""

import re
from pathlib import Path

import pytest

from v4operator.catalogue import load
from v4operator.catalogue.resolve import accelerator, checkpoint, find_accelerator
from v4operator.model.figures import Tag
from v4operator.model.problem import InputError

CATALOGUE = load()
NVIDIA = (
    "a100-40 a100-80 h100-80 h20-96 h20-141 gh200-96 h200-141 b200 b300 gb200 gb300 rtx-pro-6000 "
    "l20 l40s gb10"
)
OTHERS = "mi300x mi325x mi355x ascend-910b ascend-910c m2-ultra-192 m3-ultra-512"


def written(folder: Path, text: str) -> Path:
    file = folder / "own.yaml"
    file.write_text(text)
    return file


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        load(written(folder, text))
    return str(caught.value)


def test_every_device_of_the_study_is_there() -> None:
    known = {device.name for device in CATALOGUE.accelerators}
    assert set(NVIDIA.split()) | set(OTHERS.split()) <= known


def test_names_and_aliases_are_unique() -> None:
    for entries in (CATALOGUE.checkpoints, CATALOGUE.accelerators, CATALOGUE.engines):
        names = [word.lower() for e in entries for word in (e.name, *e.aliases)]
        assert len(names) == len(set(names))


def test_profiles_and_prices_speak_of_entries_that_are_there() -> None:
    names = {c.name for c in CATALOGUE.checkpoints}
    devices = {a.name for a in CATALOGUE.accelerators}
    engines = {e.name for e in CATALOGUE.engines}
    for profile in CATALOGUE.profiles:
        assert profile.checkpoint in names
        assert profile.accelerator in devices
        assert profile.engine in engines
    priced = {a.name for a in CATALOGUE.accelerators if a.price_usd_per_hour}
    assert priced == {"a100-80", "h100-80", "h200-141", "b200", "b300", "mi300x", "mi325x"}


def test_the_figures_of_a_device_are_in_bytes_with_their_source() -> None:
    h200 = accelerator(CATALOGUE, "h200-141", where="test")
    assert h200.visible_bytes is not None
    assert h200.visible_bytes.value == pytest.approx(139.8 * 2**30)
    assert h200.visible_bytes.tag is Tag.MEASURED
    assert h200.driver_bytes is not None
    assert h200.driver_bytes.value == 143_771 * 2**20
    assert h200.price_usd_per_hour is not None
    assert h200.price_usd_per_hour.value == 3.5


def test_a_profile_is_in_seconds() -> None:
    main = CATALOGUE.profiles[0]
    assert main.checkpoint == "sgl-project/DeepSeek-V4-Flash-FP8"
    assert main.step.base_seconds == pytest.approx(0.0028)
    assert main.step.per_sequence_seconds == pytest.approx(0.00041)
    assert main.step.per_kv_token_seconds == pytest.approx(0.45e-9)
    assert main.step.per_prefill_token_seconds == pytest.approx(19.3e-6)
    assert main.source.value == 0.07


# TPOT in ms that the SGLang cookbook (v0.5.15) publishes at 1 to 4096 concurrent requests of 8192
# in and 1024 out, against a + b N + 8 d N with the running count N by Little's law.
@pytest.mark.parametrize(
    ("running", "tpot_ms"),
    [(0.9, 3.28), (13.1, 8.99), (56.7, 41.3), (126.7, 83.5), (258.7, 147.5)],
)
def test_the_main_profile_reproduces_the_published_series(running: float, tpot_ms: float) -> None:
    step = CATALOGUE.profiles[0].step
    found = step.seconds(sequences=running, kv_tokens=0, prefill_tokens=8 * running)
    assert found * 1e3 == pytest.approx(tpot_ms, rel=0.2)


# LMSYS H20 blog, DP16-EP16 with DSpark: tokens/s per device by batch per rank, at three contexts.
H20_SERIES = {
    4_096: (76.8, 129.6, 236.8, 397.4, 584.4, 759.7),
    131_072: (72.4, 120.3, 219.7, 365.1, 519.0),
    1_048_576: (67.4, 106.5),
}


@pytest.mark.parametrize(
    ("context", "batch", "rate"),
    [(c, 2**i, rate) for c, rates in H20_SERIES.items() for i, rate in enumerate(rates)],
)
def test_the_h20_profile_reproduces_its_points(context: int, batch: int, rate: float) -> None:
    profile = next(p for p in CATALOGUE.profiles if p.accelerator == "h20-141")
    sequences = batch * profile.devices
    found = profile.step.decode_tokens_per_second(
        sequences=sequences,
        kv_tokens=sequences * context,
        prefill_tokens_per_second=0,
    )
    assert found / profile.devices == pytest.approx(rate, rel=0.10)


def test_a_checkpoint_with_a_base_takes_over_what_it_does_not_say() -> None:
    flash = checkpoint(CATALOGUE, "deepseek-v4-flash", where="test")
    official = checkpoint(CATALOGUE, "deepseek-v4-flash-0731", where="test")
    assert official.kv == flash.kv
    assert official.max_attention_tensor == flash.max_attention_tensor == 8
    assert official.draft == "dspark"
    assert official.engine_minimum == (("vllm", "0.25"),)
    assert flash.engine_minimum == ()


FINE_TUNE = """
checkpoints:
  - {name: acme/flash-law, base: deepseek-ai/DeepSeek-V4-Flash, weightBytes: 161000000000}
accelerators:
  - name: h100-94
    aliases: [NVIDIA-H100-NVL]
    vendor: nvidia
    architecture: hopper
    nominalGb: 94
    formats: [mxfp4, fp8]
    visibleGib: {value: 92.9, tag: measured, source: our own nvidia-smi, date: 2026-11-01}
prices:
  - {accelerator: h200-141, value: 2.8, tag: published, source: our contract}
"""


def test_a_users_own_file_adds_and_overrides(tmp_path: Path) -> None:
    own = load(written(tmp_path, FINE_TUNE))
    tuned = checkpoint(own, "acme/flash-law", where="test")
    assert tuned.weights is not None
    assert tuned.weights.experts_bytes.value == pytest.approx(161e9 - 8.84e9 - 3.59e9)
    assert find_accelerator(own, "NVIDIA-H100-NVL") is not None
    h200 = accelerator(own, "h200-141", where="test")
    assert h200.price_usd_per_hour is not None
    assert h200.price_usd_per_hour.value == 2.8
    assert find_accelerator(CATALOGUE, "h100-94") is None


def test_a_fine_tune_of_an_unknown_split_keeps_its_size(tmp_path: Path) -> None:
    text = "checkpoints: [{name: a, base: deepseek-ai/DeepSeek-V4.1-Flash, weightBytes: 5}]"
    tuned = checkpoint(load(written(tmp_path, text)), "a", where="test")
    assert tuned.weights is None
    assert tuned.total_bytes is not None
    assert tuned.total_bytes.value == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a list", r"own.yaml: found list; allowed: a mapping of checkpoints, accelerators"),
        ("{broken", r"own.yaml: found while parsing .*; allowed: YAML"),
        ("checkpoint: []", r"an unknown field checkpoint; .*"),
        (
            "checkpoints: [{name: a, base: deepseek-ai/DeepSeek-V4-Flsh}]",
            r"base: found 'deepseek-ai/DeepSeek-V4-Flsh'; .*mean 'deepseek-ai/DeepSeek-V4-Flash'",
        ),
        ("checkpoints: [{name: a}]", r"checkpoints.a.family: found nothing; allowed: a value, or"),
        ("checkpoints: [{}]", r"checkpoints.0.name: found nothing; allowed: a value"),
        (
            "prices: [{accelerator: b200, value: 1, tag: mesured, source: x}]",
            r"prices.0.tag: found 'mesured'; .*did you mean 'measured'\?",
        ),
        (
            "prices: [{accelerator: b200, value: -1, tag: measured, source: x}]",
            r"prices.0.value: found -1",
        ),
        ("a: " + "x" * (1 << 20), r"found more than 1048576 bytes; allowed: up to 1 MiB"),
        ("[" * 5000, r"allowed: YAML"),
    ],
    ids=lambda value: value[:24],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert re.search(told, refusal(tmp_path, text))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed: a readable UTF-8 file"):
        load(tmp_path / "nowhere.yaml")


def test_a_folder_counts_file_by_file_and_an_empty_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file \*\.yaml"):
        load(tmp_path)
    (tmp_path / "..data").mkdir()
    (tmp_path / "own.yaml").write_text("{}")
    assert load(tmp_path) == load()
