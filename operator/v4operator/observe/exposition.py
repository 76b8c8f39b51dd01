"""Selective parser of the Prometheus text formats: it reads the samples that are asked for.

A scrape holds 450 to 1700 samples, of which some 70 per rank matter; everything else is passed over
without being looked at. Sample names decide alone: HELP and TYPE lines are not trusted (vLLM's Rust
front end and SGLang's OpenMetrics answer name families differently there), and lines that were not
asked for may be malformed without consequence.

Read are the classic format and OpenMetrics: any label order, escapes, quoted names, timestamps,
exemplars (passed over), CRLF. Nothing raises: a line that cannot be read is counted and skipped.

What it is not: a validator, or a reader of metadata.

* Of a series that stands twice the first counts, as in a Prometheus server, which drops the second
  as a duplicate sample for the same timestamp.
* A last line without its line feed may be a cut number, so it is not read; `cut_line` holds it.
* Time is linear in the size of the text, memory bounded by the limits below.
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import isfinite
from operator import itemgetter

Labels = Mapping[str, str]
Series = tuple[Labels, float]  # a plain tuple: a class of its own costs a tenth of the whole parse

# A rank gives 70 wanted lines, 12 kB (recorded, vLLM 0.32 and SGLang 0.5.23): room for 340 ranks.
# In memory labels take up to 18 times their characters.
_MAX_WANTED_CHARACTERS = 4 * 2**20
# A rank gives about 500 lines: room for 1000 ranks, and a flood of empty lines ends within 0.1 s.
_MAX_LINES = 500_000
# Lines are split a chunk at a time: 5 million short lines at once would take 300 MB. A line that
# does not fit a chunk is not read: the longest real one (cache_config_info, 38 labels) has 1.5 kB.
_CHUNK_BYTES = 262_144

_QUOTED = r'"((?:[^"\\]++|\\.)*+)"'
_LABEL_NAME = r"[a-zA-Z_][a-zA-Z0-9_]*+"
_NAME = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*+)(\s*+)|(?=\{)", re.ASCII)
_LABEL = re.compile(
    rf"\s*+(?:{_QUOTED}|({_LABEL_NAME}))\s*+(?:=\s*+{_QUOTED}\s*+)?+(?:,\s*+|(?=}}))", re.ASCII
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "\\": "\\", '"': '"'}
_MILLISECONDS_PER_SECOND = 1000.0

# Written name, label names in ascending order, their values, and what stands behind the brace.
_Sample = tuple[str, tuple[str, ...], tuple[str, ...], str]
# Label names in ascending order, and how their values are picked out of a line cut at its quotes.
_Shape = tuple[tuple[str, ...], Callable[[Sequence[str]], tuple[str, ...]]]
_Cut = tuple[str, str, str]  # a line before, at and behind its first brace


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """The wanted samples of one text, by name, in the order in which they stand.

    `timestamp` is the newest time that a wanted sample carries, in Unix seconds. `malformed` counts
    the lines that could not be read by wanted name ("" where even the name is not plain), so that a
    sum over a name can be told from part of one. `duplicate_series` counts among wanted lines too.
    `surplus_lines` were left unread because of a limit; `cut_line` is the last line where it lacks
    its line feed.
    """

    samples: Mapping[str, Sequence[Series]]
    timestamp: float | None
    malformed: Mapping[str, int]
    duplicate_series: int
    surplus_lines: int
    cut_line: str | None

    def series(self, name: str) -> Sequence[Series]:
        """All series of one sample name; empty where there is none."""
        return self.samples.get(name, ())


def parse(text: bytes, wanted: Mapping[str, str]) -> Exposition:
    """Read the samples whose written name is a key of `wanted`; its value is the name to give them.

    A key "" is no name; with it a table that is used often need not be copied for each text.
    Bytes that are not UTF-8 become U+FFFD. Never raises.
    """
    end = text.rfind(b"\n") + 1
    collected = _Collected(wanted)
    lines_left = _MAX_LINES
    surplus = 0
    for chunk in _chunks(text, end):
        if lines_left <= 0:
            surplus += chunk.count(b"\n")
        elif len(chunk) > _CHUNK_BYTES:
            collected.spoil("")
        else:
            lines_left -= collected.read(chunk.decode("utf-8", "replace"))
    return Exposition(
        samples=collected.samples,
        timestamp=collected.timestamp(seconds=text[-16:].rstrip().endswith(b"# EOF")),
        malformed=collected.malformed,
        duplicate_series=collected.duplicates,
        surplus_lines=collected.surplus + surplus,
        cut_line=_cut_line(text[end : end + _CHUNK_BYTES]),
    )


def is_sample(line: str) -> bool:
    """Whether a line reads as a sample of any name."""
    sample = _careful(line.strip())
    return sample is not None and _number(sample[3]) is not None


def _chunks(text: bytes, end: int) -> Iterator[bytes]:
    """Whole lines of `text[:end]`, about `_CHUNK_BYTES` at a time."""
    start = 0
    while start < end:
        stop = text.rfind(b"\n", start, start + _CHUNK_BYTES) + 1
        if not stop:
            stop = text.find(b"\n", start) + 1
        yield text[start:stop]
        start = stop


def _cut_line(tail: bytes) -> str | None:
    line = tail.decode("utf-8", "replace").strip()
    return None if line in {"", "# EOF"} else line


class _Collected:
    """What has been kept so far of one text."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        self.samples: dict[str, list[Series]] = {}
        self.malformed: dict[str, int] = {}
        self.duplicates = self.surplus = 0
        self._wanted = wanted
        # No head at all: a line that starts with a brace, its name quoted behind it (or empty).
        self._heads: Container[str] = wanted if "" in wanted else {**wanted, "": ""}
        self._room = _MAX_WANTED_CHARACTERS
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._seen: set[str | tuple[str, tuple[str, ...], tuple[str, ...]]] = set()
        self._newest_stamp: float | None = None

    def timestamp(self, *, seconds: bool) -> float | None:
        """The newest stamp in Unix seconds. OpenMetrics writes seconds, the classic format ms."""
        if self._newest_stamp is None or seconds:
            return self._newest_stamp
        return self._newest_stamp / _MILLISECONDS_PER_SECOND

    def spoil(self, name: str) -> None:
        """Count a line that cannot be read."""
        self.malformed[name] = self.malformed.get(name, 0) + 1

    def read(self, chunk: str) -> int:
        """Keep the wanted samples among whole lines; returns how many lines there were."""
        lines = chunk.split("\n")
        if "{" not in chunk:
            self._keep_bare(lines)
            return len(lines) - 1
        found = self._cuts(chunk, lines)
        if self._room > 0:
            self._room -= sum(len(head) + len(rest) for head, _, rest in found)
            self._keep(found)
        else:
            self.surplus += len(found)
        return len(lines) - 1

    def _keep_bare(self, lines: Sequence[str]) -> None:
        """The wanted lines of a text without labels, as llama.cpp writes it."""
        wanted = self._wanted
        for line in lines:
            if not line or line[0] == "#":
                continue
            written, _, tail = line.partition(" ")
            name = wanted.get(written)
            if not name and written.isprintable() and written:
                continue  # another name; where a tab or leading blanks part it, look again
            if self._room <= 0:
                self.surplus += 1
                continue
            self._room -= len(line)
            if name:
                self._add(name, (), (), tail)
            elif _first_word(line) in wanted and line.strip():
                self._keep_carefully(line)

    def _cuts(self, chunk: str, lines: Sequence[str]) -> list[_Cut]:
        """The wanted lines of any text, each cut at its first brace."""
        heads = self._heads
        cuts = map(str.partition, lines, repeat("{"))
        if "\t" in chunk:
            found = [cut for cut in cuts if _first_word(cut[0]) in heads]
        else:
            found = [
                cut
                for cut in cuts
                if (head := cut[0]) in heads
                or (" " in head and head[0] != "#" and _first_word(head) in heads)
            ]
        return [cut for cut in found if cut[1] or cut[0].strip()]  # blank lines have no head too

    def _keep(self, cuts: Sequence[_Cut]) -> None:
        """The hot path: a line is cut at its quotes.

        What stands between the values is the same for every series of a family, so it is checked
        once a text, and the label names come from there. All else is read from left to right.
        """
        shapes, wanted = self._shapes, self._wanted
        for cut in cuts:
            head, _, rest = cut
            parts = rest.split('"')
            shape = shapes.get(tuple(parts[:-1:2])) or self._learn(parts)
            name, tail = wanted.get(head), parts[-1]
            if shape and name and tail[:1] == "}" and len(parts) % 2 and "\\" not in rest:
                self._add(name, shape[0], shape[1](parts), tail[1:])
            else:
                self._keep_carefully("".join(cut))

    def _learn(self, parts: Sequence[str]) -> _Shape | None:
        """Label names out of what stands between the quotes; `None` where that is not plain."""
        gaps = tuple(parts[:-1:2])
        names = [gap[at > 0 : -1] for at, gap in enumerate(gaps)]
        plain = tuple(f",{name}="[at == 0 :] for at, name in enumerate(names))
        places = {name: 2 * at + 1 for at, name in enumerate(names) if _is_label_name(name)}
        if plain != gaps or len(places) != len(gaps):
            return None
        names.sort()
        shape = self._shapes[gaps] = tuple(names), _picker([places[name] for name in names])
        return shape

    def _keep_carefully(self, line: str) -> None:
        sample = _careful(line.strip())
        if sample is None:
            self.spoil(self._wanted.get(_first_word(line.partition("{")[0]), ""))
            return
        written, names, values, tail = sample
        if written in self._wanted:
            self._add(self._wanted[written], names, values, tail)

    def _add(self, name: str, names: tuple[str, ...], values: tuple[str, ...], tail: str) -> None:
        number = _number(tail)
        if number is None:
            self.spoil(name)
            return
        series = (name, names, values) if names else name
        if series in self._seen:
            self.duplicates += 1
            return
        self._seen.add(series)
        value, stamp = number
        labels = dict(zip(names, values)) if names else {}  # noqa: B905 - of one length; much faster
        self.samples.setdefault(name, []).append((labels, value))
        if stamp is not None and (self._newest_stamp is None or stamp > self._newest_stamp):
            self._newest_stamp = stamp


def _first_word(head: str) -> str:
    words = head.split(None, 1)
    return words[0] if words else ""


def _is_label_name(name: str) -> bool:
    return name.isidentifier() and name.isascii()


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    if not places:
        return lambda _: ()
    if len(places) == 1:
        return lambda parts: (parts[places[0]],)
    return itemgetter(*places)


def _careful(line: str) -> _Sample | None:
    """Read any line, from left to right; `None` where it is not a sample."""
    match = _NAME.match(line)
    if match is None:
        return None
    name, at = match[1] or "", match.end()
    if not line.startswith("{", at):
        return (name, (), (), line[at:]) if name and match[2] else None
    labels: dict[str, str] = {}
    at += 1
    while (label := _LABEL.match(line, at)) is not None:
        at = label.end()
        if label[3] is not None:
            key = label[2] or _unescaped(label[1])
            if key in labels:
                return None
            labels[key] = _unescaped(label[3])
        elif name or labels or label[1] is None:
            return None
        else:
            name = _unescaped(label[1])
    rest = line[at:].lstrip()
    if not name or not rest.startswith("}"):
        return None
    names = tuple(sorted(labels))
    return name, names, tuple(labels[key] for key in names), rest[1:]


def _unescaped(value: str) -> str:
    r"""Undo \\, \" and \n; another escape stays as it is written."""
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), value)


def _number(tail: str) -> tuple[float, float | None] | None:
    """Value and, where there is one, finite timestamp as written; `None` where it is neither."""
    if "_" not in tail and tail.isascii():  # Python reads 1_000 and other scripts' digits too
        try:
            return float(tail), None
        except ValueError:
            pass
    return _number_and_more(tail.partition("#")[0])


def _number_and_more(tail: str) -> tuple[float, float | None] | None:
    """A value with a timestamp, or with an exemplar that has been taken off."""
    if "_" in tail or not tail.isascii():
        return None
    try:
        value, *stamps = map(float, tail.split())
    except ValueError:
        return None
    if len(stamps) > 1:
        return None
    return value, next(filter(isfinite, stamps), None)
