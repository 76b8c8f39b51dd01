from collections.abc import Mapping
from math import inf, isnan

import pytest

from v4operator.observe import exposition as module
from v4operator.observe.exposition import is_sample, parse

_ASKED = {name: name for name in ("up", "vllm:a", "vllm:b")}


def _one(text: str) -> tuple[Mapping[str, str], float]:
    [series] = parse(text.encode(), _ASKED).series("up")
    return series


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        pytest.param("up 1", {}, 1.0, id="no labels"),
        pytest.param("up{} 1", {}, 1.0, id="empty braces"),
        pytest.param('up{a="1"} 2', {"a": "1"}, 2.0, id="one label"),
        pytest.param('up{b="2",a="1"} 2', {"a": "1", "b": "2"}, 2.0, id="any order"),
        pytest.param('up{a="1",} 2', {"a": "1"}, 2.0, id="trailing comma"),
        pytest.param('up { a = "1" , b="2" } 2', {"a": "1", "b": "2"}, 2.0, id="spaces"),
        pytest.param('up\t{a="1"}\t2', {"a": "1"}, 2.0, id="tabs"),
        pytest.param('  up{a="1"} 2', {"a": "1"}, 2.0, id="indented"),
        pytest.param('up{a="x,y={z} #"} 2', {"a": "x,y={z} #"}, 2.0, id="punctuation in a value"),
        pytest.param(r'up{a="q\"b\\s\nn\t"} 2', {"a": 'q"b\\s\nn\\t'}, 2.0, id="escapes"),
        pytest.param('up{a="é€"} 2', {"a": "é€"}, 2.0, id="not ASCII"),
        pytest.param('{"up",a="1"} 2', {"a": "1"}, 2.0, id="quoted name"),
        pytest.param('{"up"} 2', {}, 2.0, id="quoted name alone"),
        pytest.param('up{"k8s.pod"="p"} 2', {"k8s.pod": "p"}, 2.0, id="quoted label name"),
        pytest.param("up +Inf", {}, inf, id="infinity"),
        pytest.param("up 1.04065e+06", {}, 1_040_650.0, id="exponent"),
        pytest.param("up 1.0463768576e+010", {}, 10_463_768_576.0, id="long exponent"),
        pytest.param('up{le="1"} 5 # {id="x}"} 0.5', {"le": "1"}, 5.0, id="exemplar"),
        pytest.param('up{le="1"} 5 # {} 0.5 1.5', {"le": "1"}, 5.0, id="exemplar without labels"),
        pytest.param("up 5 # {} 0.5", {}, 5.0, id="exemplar behind a bare sample"),
        pytest.param("up 5\r", {}, 5.0, id="carriage return"),
    ],
)
def test_a_sample_is_read(line: str, labels: Mapping[str, str], value: float) -> None:
    assert _one(f"# TYPE up gauge\n{line}\n") == (labels, value)


def test_nan_is_a_value() -> None:
    assert isnan(_one("up NaN\n")[1])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("up", id="no value"),
        pytest.param("up ", id="blank value"),
        pytest.param("up one", id="a word"),
        pytest.param("up 1_000", id="Python's digit separator"),
        pytest.param("up \u0661", id="digits of another script"),
        pytest.param("up 1 2 3", id="too many numbers"),
        pytest.param("up 1 soon", id="timestamp that is a word"),
        pytest.param('up{a="1" 2', id="brace left open"),
        pytest.param('up{a="1} 2', id="quote left open"),
        pytest.param('up{a="}1', id="quote and number left open"),
        pytest.param("up{a=1} 2", id="value without quotes"),
        pytest.param('up{a="1",a="2"} 3', id="label twice"),
        pytest.param('up{a="1",b="2",a="3",} 3', id="label twice, written with care"),
        pytest.param('up{1a="1"} 2', id="label name that starts with a digit"),
        pytest.param('up{a"1"=} 2', id="equals sign misplaced"),
        pytest.param('up{"up"} 2', id="name twice"),
        pytest.param('up junk{a="1"} 2', id="two words"),
        pytest.param("up{a} 2", id="label without value"),
    ],
)
def test_a_malformed_line_is_counted_and_the_others_are_read(line: str) -> None:
    found = parse(f"vllm:a 1\n{line}\nvllm:b 2\n".encode(), _ASKED)
    assert not found.series("up")
    assert found.malformed == {"up": 1}
    assert [found.series(name)[0][1] for name in ("vllm:a", "vllm:b")] == [1.0, 2.0]


def test_names_that_were_not_asked_for_are_not_looked_at() -> None:
    text = b'other{broken 1\nup2 1\nvllm:ab{a="1"} 1\nu 1\n# up 1\n{"other"} 1\n   \n'
    assert parse(text, _ASKED).samples == {}
    assert parse(text, _ASKED).malformed == {}


def test_a_sample_is_filed_under_the_name_it_was_asked_for() -> None:
    found = parse(b"sglang_up 1\n", {"sglang_up": "sglang:up"})
    assert found.series("sglang:up") == [({}, 1.0)]


def test_of_a_series_that_stands_twice_the_first_counts() -> None:
    found = parse(b'up{a="1",b="2"} 1\nup{b="2",a="1"} 9\nup{a="1"} 3\n', _ASKED)
    assert [value for _, value in found.series("up")] == [1.0, 3.0]
    assert found.duplicate_series == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("up 1\n", None, id="none"),
        pytest.param("up 1 1795432205893\n", 1795432205.893, id="classic: milliseconds"),
        pytest.param("up 1 1795432205.893\n# EOF\n", 1795432205.893, id="OpenMetrics: seconds"),
        pytest.param('up 1 2000\nvllm:a{x="1"} 1 3000\nvllm:b 1 1000\n', 3.0, id="the newest"),
        pytest.param("up 1 NaN\n", None, id="not a time"),
    ],
)
def test_the_texts_own_time_is_found(text: str, seconds: float | None) -> None:
    found = parse(text.encode(), _ASKED)
    assert found.timestamp == seconds
    assert found.series("up")[0][1] == 1.0


@pytest.mark.parametrize(
    ("tail", "cut"),
    [
        pytest.param("up 144", "up 144", id="a number that may go on"),
        pytest.param("up{a", "up{a", id="in a label"),
        pytest.param("# EOF", None, id="the end mark"),
        pytest.param("  ", None, id="blank"),
    ],
)
def test_a_last_line_without_line_feed_is_not_read(tail: str, cut: str | None) -> None:
    found = parse(f"vllm:a 1\n{tail}".encode(), _ASKED)
    assert found.series("up") == ()
    assert found.series("vllm:a") == [({}, 1.0)]
    assert found.cut_line == cut


@pytest.mark.parametrize(
    ("line", "good"),
    [("x:y 1", True), ('x{a="b"} 1 5', True), ("x", False), ("x one", False), ("# HELP x", False)],
)
def test_a_line_is_told_from_a_part_of_one(line: str, *, good: bool) -> None:
    assert is_sample(line) is good


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    [(labels, _)] = parse(b'up{a="\xff"} 1\n', _ASKED).series("up")
    assert labels == {"a": "\ufffd"}


def test_samples_above_the_limit_are_counted_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_WANTED_CHARACTERS", 20)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 16)
    found = parse(b'\n\n\nup{a="1"} 1\nup{a="2"} 1\nup{a="3"} 1\nup{a="4"} 1\n', _ASKED)
    assert len(found.series("up")) == 2
    assert found.surplus_lines == 2


def test_lines_above_the_limit_are_counted_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_LINES", 3)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 8)
    found = parse(b"vllm:a 1\n\n\n\n\n\n\n\nup 1\n", _ASKED)
    assert found.series("up") == ()
    assert found.surplus_lines > 0


def test_a_text_of_many_chunks_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK_BYTES", 32)
    found = parse(b"".join(b'up{a="%d"} %d\n' % (at, at) for at in range(100)), _ASKED)
    assert [value for _, value in found.series("up")] == list(range(100))


def test_a_line_longer_than_a_chunk_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK_BYTES", 32)
    found = parse(b'vllm:a 1\nup{a="' + b"x" * 100 + b'"} 1\nvllm:b 2\n', _ASKED)
    assert found.series("up") == ()
    assert found.malformed == {"": 1}
    assert found.series("vllm:b") == [({}, 2.0)]


_BARE = {"a": "a", "b": "b", "": ""}


@pytest.mark.parametrize(
    ("text", "values", "malformed"),
    [
        pytest.param(
            b"# TYPE a counter\na 1\n\nb 2.5\nc 3\n", {"a": [1], "b": [2.5]}, {}, id="plain"
        ),
        pytest.param(b"  a 1\n   \nb\t2\n\t\n", {"a": [1], "b": [2]}, {}, id="blanks and tabs"),
        pytest.param(b"a 1 1795432205893\n", {"a": [1]}, {}, id="timestamp"),
        pytest.param(b"a  1e+011 # {} 1\n".replace(b"{} ", b""), {"a": [1e11]}, {}, id="exemplar"),
        pytest.param(b"a one\na\n", {}, {"a": 2}, id="no numbers"),
        pytest.param(b"a 1\r\na 2\r\n", {"a": [1]}, {}, id="CRLF, and the first counts"),
        pytest.param(b" x 1\n#a 1\nab 1\n", {}, {}, id="others"),
    ],
)
def test_a_text_without_a_brace_reads_as_one_with_labels_does(
    text: bytes, values: dict[str, list[float]], malformed: dict[str, int]
) -> None:
    bare, braced = parse(text, _BARE), parse(text + b'other{x="y"} 1\n', _BARE)
    for found in (bare, braced):
        assert {n: [v for _, v in series] for n, series in found.samples.items()} == values
        assert found.malformed == malformed
    assert bare.timestamp == braced.timestamp


def test_a_flood_without_labels_is_bounded_too() -> None:
    line = b"a " + b"1" * 100 + b"\n"
    found = parse(line * 50_000, _BARE)
    assert found.surplus_lines > 0
    assert len(found.series("a")) == 1
