"""Reads the engines whose metrics are a plain list: no ranks, no configuration in labels.

An engine's file gives its `Sheet`; what the sheet does not name is missing, for a reason. The
engines with data-parallel ranks (SGLang, vLLM) are read in their own files.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines.tally import (
    HISTOGRAM_PARTS,
    ByRank,
    Source,
    Tally,
    first_label,
    notes,
)
from v4operator.observe.exposition import Exposition

_RANKED = (
    "running_requests",
    "waiting_requests",
    "kv_usage_ratio",
    "kv_capacity_tokens",
    "decode_tokens_total",
    "prompt_tokens_total",
)
_SUMMED = (
    "first_tokens_total",
    "prefill_tokens_total",
    "resident_tokens",
    "finished_requests_total",
    "finished_decode_tokens_total",
    "preemptions_total",
    "drafts_total",
    "draft_tokens_total",
    "accepted_tokens_total",
    "memory_fraction",
    "handover_waiting_requests",
    "handover_moving_requests",
    "kv_window_capacity_tokens",
)
_HISTOGRAMS = ("time_to_first_token", "inter_token_latency", "time_per_output_token")
_NEVER_HERE = ("num_gpu_blocks", "memory")
_Derive = Callable[[Mapping[str, ByRank]], Mapping[str, ByRank]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Where the figures of one engine come from.

    `sources` and `families` (histograms by figure) are read as they stand; `missing` says of other
    figures why there are none. `at_finish` are the counters that move only when a request ends,
    `digits` to how many of them numbers are written. `version` says why there is none.
    """

    engine: Engine
    sources: tuple[Source, ...]
    families: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    at_finish: tuple[str, ...] = ()
    digits: int | None = None
    version: str = "not among this engine's metrics"

    @property
    def wanted(self) -> frozenset[str]:
        """Every sample name that is read."""
        parts = (f"{name}_{part}" for name in self.families.values() for part in HISTOGRAM_PARTS)
        return frozenset((*parts, *(name for source in self.sources for name in source.samples)))


def read_sheet(
    sheet: Sheet,
    exposition: Exposition,
    version: str | None,
    derive: _Derive = dict,
) -> EngineReading:
    """One scrape. `derive` turns the figures as told into those that are shown."""
    tally = Tally(exposition, rank_label="")
    _note_never_told(tally, sheet, version)
    model_name = first_label(exposition, "model_name")
    if model_name is None:
        tally.note("model_name", "no label tells it")
    told = derive({source.figure: tally.by_rank(source) for source in sheet.sources})
    ranked = tuple(told.get(name) or _untold(sheet, name) for name in _RANKED)
    summed = (told.get(name) or _untold(sheet, name) for name in _SUMMED)
    figures = tally.wholes(*ranked, *summed)
    latencies = {
        name: tally.histogram(name, (sheet.families.get(name, ""),), _nowhere(sheet))
        for name in _HISTOGRAMS
    }
    return EngineReading(
        engine=sheet.engine,
        version=version,
        version_reason=None if version else sheet.version,
        model_name=model_name,
        decode_includes_first_token=True,
        accept_length=_accept_length(tally, figures),
        num_gpu_blocks=None,
        memory=None,
        **figures,
        time_to_first_token=latencies["time_to_first_token"],
        inter_token_latency=latencies["inter_token_latency"],
        time_per_output_token=latencies["time_per_output_token"],
        ranks=tally.ranks(ranked),
        missing=tally.missing,
        timestamp=exposition.timestamp,
        role=None,
        role_reason=None,
        counted_at_finish=tuple(name for name in sheet.at_finish if figures.get(name) is not None),
        significant_digits=sheet.digits,
        notes=notes(exposition),
    )


def _note_never_told(tally: Tally, sheet: Sheet, version: str | None) -> None:
    for figure, reason in sheet.missing.items():
        tally.note(figure, reason)
    for figure in _NEVER_HERE:
        tally.note(figure, _nowhere(sheet))
    if version is None:
        tally.note("version", sheet.version)


def _untold(sheet: Sheet, figure: str) -> ByRank:
    return ByRank(figure=figure, values={}, gap=_nowhere(sheet))


def _nowhere(sheet: Sheet) -> str:
    return f"{sheet.engine.value} exports no such figure"


def _accept_length(tally: Tally, figures: Mapping[str, float | None]) -> float | None:
    """Mean tokens a draft round yields: 1 + accepted / drafts."""
    drafts, accepted = figures["drafts_total"], figures["accepted_tokens_total"]
    if not drafts or accepted is None:
        tally.note("accept_length", "no draft round yet, or none told")
        return None
    return 1 + accepted / drafts
