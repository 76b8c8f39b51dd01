"""The genuine metrics text of SGLang 0.5.23 and vLLM 0.33.0 for an emulated replica.

The texts under `expositions/` are the engines' own (names, labels, types, help; single rank) with
`$figure` where a value moves. Lines after `#: stage` are there from that stage on: an engine shows
constants while it warms up, and some families only once a request has come that far. Left out are
families that say nothing about load: see the test that compares with recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from prometheus_client.utils import floatToGoString

from v4operator.estimate.kv import blocks
from v4operator.model.reading import Engine
from v4operator.simulate.counters import EDGES, Edges, Snapshot
from v4operator.simulate.histogram import Histogram
from v4operator.simulate.member import FleetSpec

VERSIONS = {Engine.SGLANG: "0.5.23", Engine.VLLM: "0.33.0"}
_STAGES = ("loaded", "serving", "streaming", "answered")
_STAMP = "\0"  # stands for the timestamp until a text is rendered

_PAGE_TOKENS = 256  # V4's KV page in both engines
_BATCHES_IN_FLIGHT = 2  # vLLM schedules one ahead of the one that runs (vLLM 0.33 source)
# V4's sliding window, and the share of the full pool that SGLang gives its own (its default 0.1).
_WINDOW_TOKENS = 128
_WINDOW_POOL_RATIO = 0.1
_WEIGHT_LOADING_RATIO = 0.75  # of start-up: 183 of 246 s in the recording


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    """A text with `%s` for each value, and which figure (and which of its parts) goes where."""

    text: str
    slots: tuple[tuple[str, int], ...]


class Exposition:
    """Renders the text of one process of a replica.

    `started_at` is when the process began (Unix seconds), `loading_seconds` how long it loaded.
    """

    def __init__(self, spec: FleetSpec, *, started_at: float, loading_seconds: float) -> None:
        self._engine = spec.engine
        self._capacity = spec.profile.kv_capacity_tokens
        source = files("v4operator.simulate") / "expositions"
        name = f"{spec.engine}-{VERSIONS[spec.engine]}.txt"
        lines = (source / name).read_text(encoding="utf-8").splitlines()
        constants = _constants(spec, started_at=started_at, loading_seconds=loading_seconds)
        self._templates = {
            stage: _compile(_up_to(lines, stage), constants, _histogram_edges(EDGES[spec.engine]))
            for stage in _STAGES
        }

    def loading(self, now: float, *, stamped: bool = True) -> str:
        """What an engine shows between loaded and ready: constants only."""
        return _render(self._templates["loaded"], {}, now if stamped else None)

    def serving(self, snapshot: Snapshot, *, stamped: bool = True) -> str:
        """The text at the time of the snapshot; `stamped` puts that time on every sample."""
        figures = (
            _sglang_figures(snapshot, self._capacity)
            if self._engine is Engine.SGLANG
            else _vllm_figures(snapshot, self._capacity)
        )
        for key in ("ttft", "itl", "tpot", "latency", "queue", "prompt_lengths", "output_lengths"):
            figures[key] = _parts(getattr(snapshot.histograms, key))
        template = self._templates[_stage(snapshot)]
        return _render(template, figures, snapshot.time if stamped else None)


def _stage(snapshot: Snapshot) -> str:
    if snapshot.counters.finished:
        return "answered"
    return "streaming" if snapshot.counters.first_tokens else "serving"


def _up_to(lines: Sequence[str], stage: str) -> list[str]:
    """The lines of all stages up to this one."""
    wanted, kept = _STAGES[: _STAGES.index(stage) + 1], []
    current = _STAGES[0]
    for line in lines:
        if line.startswith("#: "):
            current = line[3:]
        elif current in wanted:
            kept.append(line)
    return kept


def _compile(
    lines: Sequence[str], constants: Mapping[str, str], edges: Mapping[str, tuple[float, ...]]
) -> _Template:
    text: list[str] = []
    slots: list[tuple[str, int]] = []
    for line in lines:
        if line.startswith("#"):
            text.append(line.replace("%", "%%") + "\n")
            continue
        series, value = line.rsplit(" ", 1)
        series = _fill(series, constants).replace("%", "%%")
        figure = value[1:] if value.startswith("$") else None
        if figure is not None and figure in edges:
            text.extend(_histogram_lines(series, edges[figure]))
            slots.extend((figure, part) for part in range(len(edges[figure]) + 3))
        elif figure is None or figure in constants:
            text.append(f"{series} {_fill(value, constants)}{_STAMP}\n")
        else:
            text.append(f"{series} %s{_STAMP}\n")
            slots.append((figure, 0))
    return _Template(text="".join(text), slots=tuple(slots))


def _fill(text: str, constants: Mapping[str, str]) -> str:
    for name, value in constants.items():
        text = text.replace(f"${name}", value)
    return text


def _histogram_lines(series: str, edges: tuple[float, ...]) -> list[str]:
    """One line a bucket, then count and sum. Labels stay in alphabetical order, as engines sort."""
    name, labels = series.rstrip("}").split("{", 1)
    pairs = labels.split(",")
    before = [pair for pair in pairs if pair < "le="]
    after = [pair for pair in pairs if pair > "le="]
    lines = []
    for edge in (*edges, float("inf")):
        joined = ",".join((*before, f'le="{_number(edge)}"', *after))
        lines.append(f"{name}_bucket{{{joined}}} %s{_STAMP}\n")
    lines.append(f"{name}_count{{{labels}}} %s{_STAMP}\n")
    lines.append(f"{name}_sum{{{labels}}} %s{_STAMP}\n")
    return lines


def _render(template: _Template, figures: Mapping[str, Sequence[float]], time: float | None) -> str:
    values = tuple(_number(figures[key][part]) for key, part in template.slots)
    stamp = "" if time is None else f" {round(time * 1000)}"
    return (template.text % values).replace(_STAMP, stamp)


def _parts(histogram: Histogram) -> list[float]:
    counts = histogram.cumulative()
    return [*counts, counts[-1], histogram.total]


def _histogram_edges(edges: Edges) -> dict[str, tuple[float, ...]]:
    return {
        "ttft": edges.ttft,
        "itl": edges.itl,
        "tpot": edges.itl,
        "latency": edges.latency,
        "queue": edges.queue,
        "prompt_lengths": edges.tokens,
        "output_lengths": edges.tokens,
    }


def _constants(spec: FleetSpec, *, started_at: float, loading_seconds: float) -> dict[str, str]:
    """What stays for the life of a process; longer names first where one begins another."""
    capacity = spec.profile.kv_capacity_tokens
    admitted = _admitted(spec)
    reported = capacity if spec.engine is Engine.SGLANG else int(admitted * spec.context_tokens)
    return {
        "model": spec.model,
        "pid": "1",
        "concurrency": f"{admitted:.2f}",
        "context": _number(spec.context_tokens),
        "pages": _whole(spec.engine, capacity // _PAGE_TOKENS),
        "capacity": _whole(spec.engine, reported),
        "swa_capacity": _number(int(capacity * _WINDOW_POOL_RATIO)),
        "weights": _number(spec.weights_gib),
        "free_memory": _number(spec.free_memory_gib),
        "weight_loading": _number(loading_seconds * _WEIGHT_LOADING_RATIO),
        "loading": _number(loading_seconds),
        "started": _number(started_at),
    }


def _admitted(spec: FleetSpec) -> float:
    """Requests of the maximum length that vLLM's planner lets begin at once.

    `kv_cache_size_tokens` is made of this and the maximum length, and is no capacity (vllm#51041).
    """
    pages = spec.profile.kv_capacity_tokens // _PAGE_TOKENS
    return pages / blocks(spec.context_tokens, _BATCHES_IN_FLIGHT * spec.batched_tokens)


def _whole(engine: Engine, number: int) -> str:
    """As vLLM prints these inside labels, as Python integers, or SGLang as sample values."""
    return _number(number) if engine is Engine.SGLANG else str(number)


def _sglang_figures(snapshot: Snapshot, capacity: int) -> dict[str, Sequence[float]]:
    """Gauges as of the last log line; counters of finished requests beside the running ones."""
    counters, logged = snapshot.counters, snapshot.logged
    usage = logged.held_tokens / capacity
    window = min(logged.running * _WINDOW_TOKENS, int(capacity * _WINDOW_POOL_RATIO))
    window_usage = window / (capacity * _WINDOW_POOL_RATIO)
    looked_up = counters.prefill_tokens + counters.cached_tokens
    return _single(
        running=logged.running,
        waiting=logged.waiting,
        throughput=logged.tokens_per_second,
        hit_ratio=counters.cached_tokens / looked_up if looked_up else 0.0,
        sequence_tokens=logged.sequence_tokens,
        usage_rounded=round(max(usage, window_usage), 2),
        usage=usage,
        swa_usage=window_usage,
        held=logged.held_tokens,
        free=capacity - logged.held_tokens,
        swa_held=window,
        swa_free=int(capacity * _WINDOW_POOL_RATIO) - window,
        aborted=counters.aborted + counters.timed_out,
        idle=counters.idle_seconds,
        prefill_tokens=counters.prefill_tokens,
        cached_tokens=counters.cached_tokens,
        decode_tokens=counters.decode_tokens,
        decode_steps=counters.decode_steps,
        retractions=counters.retractions,
        retracted_input=counters.retracted_input_tokens,
        retracted_output=counters.retracted_output_tokens,
        finished_prompt=counters.finished_prompt_tokens,
        finished_output=counters.finished_output_tokens,
        finished_cached=counters.finished_cached_tokens,
        finished=counters.finished,
    )


def _vllm_figures(snapshot: Snapshot, capacity: int) -> dict[str, Sequence[float]]:
    """Everything live, step by step."""
    counters, load = snapshot.counters, snapshot.load
    return _single(
        running=load.running,
        waiting=load.waiting,
        usage=load.held_tokens / capacity,
        prompt_tokens=counters.prompt_tokens,
        cached_tokens=counters.cached_tokens,
        computed_prompt=counters.prompt_tokens - counters.cached_tokens,
        generated_tokens=counters.decode_tokens + counters.prefill_emitted,
        retractions=counters.retractions,
        finished=counters.finished,
        aborted=counters.aborted + counters.timed_out,
    )


def _number(value: float) -> str:
    """A float as Prometheus client libraries print it."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # the library has none


def _single(**figures: float) -> dict[str, Sequence[float]]:
    return {name: (value,) for name, value in figures.items()}
