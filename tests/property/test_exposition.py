"""`prometheus_client` is the oracle: for the wanted names the same samples, on any text."""

from collections.abc import Iterable, Mapping
from math import isnan, nan
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from v4operator.observe.engines import WANTED, read
from v4operator.observe.exposition import parse

_RECORDED = sorted((Path(__file__).parents[1] / "data/expositions").glob("*.txt"))
_Flat = tuple[str, frozenset[tuple[str, str]], float | str]

_NAMES = ("vllm:a", "vllm:ab", "vllm:a_total", "sglang_b", "c", "d:e")
_ASKED = {name: name for name in _NAMES[:4]}
_LABEL_NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,6}", fullmatch=True)
_LABEL_VALUES = st.text(
    st.one_of(
        st.sampled_from(list('{}",\\= #n\t')), st.characters(exclude_categories=["Cs", "Cc"])
    ),
    max_size=12,
)
_VALUES = st.one_of(
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["NaN", "+Inf", "-Inf", "1e3", "1.04065e+06", "1.0463768576e+010", ".5", "-0"]),
)


@st.composite
def _sample_lines(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(_NAMES))
    gap = draw(st.sampled_from(["", " ", "\t"]))
    around = draw(st.sampled_from(["", " "]))
    labels: dict[str, str] = draw(st.dictionaries(_LABEL_NAMES, _LABEL_VALUES, max_size=4))
    written = f",{around}".join(
        f'{label}{around}={around}"{_escaped(value)}"' for label, value in labels.items()
    )
    braces = draw(st.booleans())
    comma = draw(st.sampled_from(["", ","])) if labels else ""
    block = f"{gap}{{{written}{comma}}}" if labels or braces else ""
    stamp = draw(st.one_of(st.just(""), st.integers(0, 2**42).map(lambda at: f" {at}")))
    return f"{around}{name}{block} {draw(_VALUES)}{stamp}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_LINES = st.one_of(
    _sample_lines(),
    st.sampled_from(["", "# EOF", "# HELP vllm:a what {it} \\n is", "# TYPE vllm:a gauge", "#"]),
)


def _expected(text: str, wanted: Mapping[str, str]) -> list[_Flat]:
    """What prometheus_client reads, of two samples of one series the first."""
    first: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in wanted:
                series = wanted[sample.name], frozenset(sample.labels.items())
                first.setdefault(series, sample.value)
    return _comparable((name, labels, value) for (name, labels), value in first.items())


def _found(text: str, wanted: Mapping[str, str]) -> list[_Flat]:
    exposition = parse(text.encode(), wanted)
    assert exposition.malformed == {}
    return _comparable(
        (name, frozenset(labels.items()), value)
        for name, family in exposition.samples.items()
        for labels, value in family
    )


def _comparable(samples: Iterable[tuple[str, frozenset[tuple[str, str]], float]]) -> list[_Flat]:
    flat: list[_Flat] = [(n, labels, "NaN" if isnan(v) else float(v)) for n, labels, v in samples]
    return sorted(flat, key=lambda one: (one[0], sorted(one[1])))


@given(lines=st.lists(_LINES, max_size=12), ending=st.sampled_from(["\n", "\r\n"]))
@example(lines=['vllm:a{b="}"} 1', 'vllm:a{b="\\\\"} 2', 'vllm:a{b="\\""} 3'], ending="\n")
def test_generated_texts_give_the_samples_that_prometheus_client_reads(
    lines: list[str], ending: str
) -> None:
    text = "".join(line + ending for line in lines)
    assert _found(text, _ASKED) == _expected(text, _ASKED)


@pytest.mark.parametrize("path", _RECORDED, ids=lambda path: path.stem)
def test_recorded_texts_give_the_samples_that_prometheus_client_reads(path: Path) -> None:
    text = path.read_text()
    found = _found(text, WANTED)
    assert found == _expected(text, WANTED)
    assert len(found) >= 6  # the fewest wanted samples of any recording: SGLang before traffic


@given(text=st.binary(max_size=400))
@example(text=b'vllm:a{b="\xff"} 1\n')
@example(text=b"vllm:a{" + b'x="' * 50 + b"\n")
def test_no_bytes_raise(text: bytes) -> None:
    exposition = parse(text, _ASKED)
    assert sum(exposition.malformed.values()) <= text.count(b"\n")
    read(text)


@given(
    path=st.sampled_from(_RECORDED),
    share=st.floats(0.0, 1.0, exclude_max=True),
)
def test_a_text_cut_off_anywhere_gives_true_figures_or_none(path: Path, share: float) -> None:
    text = path.read_bytes()
    cut = text[: int(len(text) * share)]
    assume(not cut.endswith(b"\n"))  # between two lines nothing shows that there were more
    whole, part = read(text), read(cut)
    for figure in (
        "running_requests",
        "waiting_requests",
        "kv_capacity_tokens",
        "decode_tokens_total",
        "prompt_tokens_total",
        "first_tokens_total",
        "time_to_first_token",
    ):
        assert getattr(part, figure, None) in {None, getattr(whole, figure)}


@given(
    wrong=st.sampled_from([nan, float("inf"), -1.0]),
    figure=st.sampled_from(
        [
            ("vllm:num_requests_running", "running_requests"),
            ("vllm:num_requests_waiting", "waiting_requests"),
            ("vllm:kv_cache_usage_perc", "kv_usage_ratio"),
            ("vllm:generation_tokens_total", "decode_tokens_total"),
            ("vllm:prompt_tokens_total", "prompt_tokens_total"),
        ]
    ),
    rank=st.integers(0, 3),
)
def test_one_impossible_value_leaves_the_replicas_figure_unknown(
    wrong: float, figure: tuple[str, str], rank: int
) -> None:
    sample, name = figure
    values = {at: wrong if at == rank else 0.5 for at in range(4)}
    lines = [f'{sample}{{engine="{at}"}} {value}\n' for at, value in values.items()]
    reading = read("".join(lines).encode())
    assert getattr(reading, name) is None
    assert any(missing.name == name for missing in getattr(reading, "missing", ()))
