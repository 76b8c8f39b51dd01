"""The guide's figures beside ours: complete, computed where they can be, and right."""

import pytest

from v4operator.catalogue import load
from v4operator.catalogue.guide import load_guide
from v4operator.estimate.guide import compare
from v4operator.model.figures import Tag
from v4operator.model.guide import GuideEntry, GuideRow, Question

CATALOGUE = load()
ENTRIES = load_guide()
ROWS = {row.entry.item: row for row in compare(ENTRIES, CATALOGUE)}


def ours(item: str) -> GuideRow:
    return ROWS[item]


def test_every_table_of_the_guide_is_there() -> None:
    tables = list(dict.fromkeys(entry.table for entry in ENTRIES))
    expected = "reasons budgets frameworks,worked example,throughput TTFT caching"
    assert tables == [word for part in expected.split(",") for word in _split(part)]


def _split(part: str) -> list[str]:
    return [part] if part == "worked example" else part.split()


def test_all_27_contradictions_are_answered() -> None:
    assert {number for entry in ENTRIES for number in entry.errata} == set(range(1, 28))


def test_every_number_of_the_guide_is_tagged_as_such() -> None:
    figures = [entry.figure for entry in ENTRIES if entry.figure]
    assert len(figures) > 40
    assert {(f.tag, f.date) for f in figures} == {(Tag.GUIDE, "2026-04-27")}


def test_every_row_has_an_answer_its_source_and_a_reason() -> None:
    for row in ROWS.values():
        assert row.ours.text
        assert row.ours.source
        assert row.entry.why


@pytest.mark.parametrize(
    ("item", "value", "tolerance"),
    [
        ("Flash, weights", 159.6, 0.01),
        ("Pro, weights", 864.7, 0.001),
        ("Flash, parameters", 284.3, 0.001),
        ("Pro, active parameters", 48.9, 0.001),
        ("Flash, headroom for 1M context", 4.0527, 0.0001),
        ("Pro, headroom for 1M context", 46.42, 0.001),
        ("Flash, KV cache at 1M against V3.2", 8.0, 0.01),
        ("Pro, KV cache at 1M against V3.2", 11.5, 0.01),
        ("Flash, GGUF Q8", 302, 0.01),
        ("KV cache for 8 x 36K tokens", 2.52, 0.01),
        ("KV cache at 1M, batch 1", 8.11, 0.01),
        # 83.7, 158.8 and 46.1 GiB per device; 86.3 at 1M.
        ("Total HBM needed, 2 x H100", 2 * 83.7 * 1.0737, 0.002),
        ("Total HBM needed, 1 x H200", 158.8 * 1.0737, 0.002),
        ("The same on 4 x H100", 4 * 46.1 * 1.0737, 0.002),
        ("Total at 1M, 2 x H100", 2 * 86.3 * 1.0737, 0.002),
        ("Pro on 8 x B200, peak", 199, 0),
        ("Flash on 4 x H200, under load", 240, 0),
        ("B200 against H200, Flash", 2.0, 0.01),
        ("B200 against H200, Pro", 5.0, 0.01),
        ("Break-even against the API, Flash", 93, 0.01),
        ("Break-even against the API, Pro", 15, 0.02),
        ("Flash, Non-Think", 237, 0),
        ("Discount on cache hits, Flash", 50, 0.001),
        ("Discount on cache hits, Pro", 30, 0.001),
        ("API price of Flash, answer", 1.2, 0.001),
        ("SGLang on 8 x H100", 8 * 2429, 0),
        ("Flash output rate, hosted", 94, 0.02),
        ("Effective price of one's own tokens", 3.48, 0.01),
    ],
)
def test_our_figure_is(item: str, value: float, tolerance: float) -> None:
    assert ours(item).ours.value == pytest.approx(value, rel=tolerance)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("Flash on 2 x H100 80GB", "weights-exceed: weights of 76.4 GiB"),
        ("Flash on 1 x H200 141GB", "weights-exceed: weights of 151.5 GiB"),
        ("Flash on 1 x B200 192GB", "fits-tight"),
        ("Pro on 8 x H100 80GB", "weights-exceed"),
        ("Pro on 8 x B200", "fits: weights of 101.9 GiB"),
        ("NVIDIA NIM on A100", "Does not run: a100-80 has no kernels"),
        ("Flash on a Mac with 192 GB (MLX 8-bit)", "302 GB does not go into 192 GB"),
        ("MLX", "302 GB goes into 512 GB"),
        ("Total HBM needed, 2 x H100", "of 156 GB to fill: weights-exceed"),
        ("Pro on Ascend 910C clusters", "16 x ascend-910c"),
        ("vLLM", "since vllm 0.20"),
        ("Flash on a Mac, speed", "22 to 30 tok/s"),
        ("Discount on cache hits, Pro", "12 x (2026-04-24); 120 x (2026-04-26)"),
    ],
)
def test_our_answer_says(item: str, told: str) -> None:
    assert told in ours(item).ours.text


def asked(**about: object) -> GuideEntry:
    return GuideEntry(
        table="t",
        item="i",
        claim="c",
        figure=None,
        unit=None,
        question=Question(**about),  # type: ignore[arg-type]
        why="w",
    )


GGUF = "tecaprovn/deepseek-v4-flash-gguf"


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"kind": "weights", "checkpoint": "DeepSeek-V4-Flash-W8A8"}, "unknown"),
        ({"kind": "parameters", "checkpoint": GGUF}, "unknown"),
        ({"kind": "active-parameters", "checkpoint": GGUF}, "unknown"),
        ({"kind": "eight-bit", "checkpoint": GGUF}, "unknown"),
        ({"kind": "overhead", "engine": "mlx"}, "unknown"),
        ({"kind": "recipe", "family": "flash", "accelerator": "l20"}, "no recipe"),
        (
            {"kind": "required", "checkpoint": GGUF, "accelerator": "b200"},
            "Whether a replica fits its devices is not known: no figure",
        ),
        ({"kind": "measurement", "checkpoint": GGUF}, "no published figure"),
    ],
)
def test_what_the_catalogue_does_not_have_is_unknown(about: dict[str, str], told: str) -> None:
    (row,) = compare((asked(**about),), CATALOGUE)
    assert row.ours.text.startswith(told)
    assert row.ours.value is None


@pytest.mark.parametrize(
    "about",
    [
        {"kind": "kv", "checkpoint": GGUF},
        {"kind": "ttft", "checkpoint": GGUF, "accelerator": "b200"},
        {"kind": "price-spread", "checkpoint": "deepseek-ai/DeepSeek-V4-Flash",
         "accelerator": "gb300", "other": "b200", "devices": 4},
    ],
)  # fmt: skip
def test_a_question_about_nothing_is_a_mistake_in_the_data(about: dict[str, object]) -> None:
    with pytest.raises(KeyError):
        compare((asked(**about),), CATALOGUE)
