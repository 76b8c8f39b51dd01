"""What each engine's metrics mean: one file an engine, pure tables and functions.

The engine is recognised from the text, never declared: a NIM container answers with its backend's
metrics, and a declaration may be wrong.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines import llamacpp, nim, sglang, tensorrt_llm, vllm, vllm_mlx
from v4operator.observe.engines.unrecognised import description
from v4operator.observe.exposition import Exposition, is_sample, parse


class _Dialect(Protocol):
    """What an engine's file gives. A sample in `SIGNS`, or a line with a prefix, is its own."""

    ENGINE: Engine
    PREFIXES: tuple[str, ...]
    WANTED: frozenset[str]
    SIGNS: frozenset[str]

    def read(self, exposition: Exposition, version: str | None) -> EngineReading:
        """One scrape of a replica of this engine."""
        ...


_ENGINES: tuple[_Dialect, ...] = (sglang, vllm, nim, llamacpp, vllm_mlx, tensorrt_llm)
# What is read of a text: name as written -> name. SGLang answers a request for OpenMetrics with the
# colon replaced (recorded from 0.5.23). The empty key saves `parse` a copy.
WANTED = {"": ""} | {
    spelling: name
    for engine in _ENGINES
    for name in engine.WANTED
    for spelling in (name, name.replace(":", "_"))
}
_SHOWN = 60  # characters of a cut line that are quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAnEngine:
    """The text is not the whole exposition of one known engine; `reason` says what was found."""

    reason: str


def read(text: bytes, *, version: str | None = None) -> EngineReading | NotAnEngine:
    """Read one scrape of one replica, of whatever engine. Never raises.

    `version` is the engine's exact version, where it is known from elsewhere.
    """
    exposition = parse(text, WANTED)
    found = [engine for engine in _ENGINES if _wrote(engine, exposition, text)]
    if not found:
        return NotAnEngine(reason=description(text))
    if len(found) > 1:
        names = " and ".join(engine.ENGINE.value for engine in found)
        return NotAnEngine(reason=f"samples of {names} in one text")
    if exposition.surplus_lines:
        return NotAnEngine(
            reason=f"{exposition.surplus_lines} lines more than any deployment's exposition has"
        )
    cut = exposition.cut_line
    if cut is not None and not is_sample(cut):
        return NotAnEngine(reason=f"cut off in the middle of a line: {cut[-_SHOWN:]!r}")
    return _reading(found[0], exposition, version)


def read_samples(
    exposition: Exposition, *, version: str | None = None
) -> EngineReading | NotAnEngine:
    """Read one scrape that came as samples, not as a text (`observe.promql`). Never raises."""
    found = [e for e in _ENGINES if any(name in exposition.samples for name in e.SIGNS)]
    if len(found) != 1:
        names = " and ".join(engine.ENGINE.value for engine in found) or "no known engine"
        return NotAnEngine(reason=f"samples of {names}")
    return _reading(found[0], exposition, version)


def _reading(
    engine: _Dialect, exposition: Exposition, version: str | None
) -> EngineReading | NotAnEngine:
    if not _has_a_number(exposition):
        return NotAnEngine(reason="not one of the samples is a number")
    return engine.read(exposition, version)


def _has_a_number(exposition: Exposition) -> bool:
    """NaN in place of every figure is an answer and no reading; no samples at all may be one.

    Whoever was taken for fresh on the strength of it could be drained unseen.
    """
    if not exposition.samples:
        return True
    return any(isfinite(value) for series in exposition.samples.values() for _, value in series)


def _wrote(engine: _Dialect, exposition: Exposition, text: bytes) -> bool:
    if any(name in exposition.samples for name in engine.SIGNS):
        return True
    starts = tuple(prefix.encode() for prefix in engine.PREFIXES)
    return text.startswith(starts) or any(b"\n" + start in text for start in starts)


__all__ = ["WANTED", "EngineReading", "NotAnEngine", "read", "read_samples"]
