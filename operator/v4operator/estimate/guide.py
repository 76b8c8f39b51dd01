"""The guide's figures beside ours, each found by the model or in the catalogue. Pure.

`compare` answers every entry; an entry names a kind of question, and each kind has one function:
here (memory) or in `guide_speed` (speed and money).
"""

from collections.abc import Callable, Iterable
from types import MappingProxyType

from v4operator.catalogue.resolve import accelerator, checkpoint, engine
from v4operator.estimate import guide_speed
from v4operator.estimate.hbm import check
from v4operator.estimate.kv import sequence_bytes
from v4operator.model.catalogue import Catalogue, Checkpoint, KvLayout
from v4operator.model.deployment import MemoryPlan
from v4operator.model.figures import Figure
from v4operator.model.guide import GuideEntry, GuideRow, Ours, Question
from v4operator.model.hbm import HbmReport
from v4operator.model.layout import Layout
from v4operator.model.units import GB, GIB

Answer = Callable[[Question, Catalogue], Ours]

_BILLION = 1e9
_PER_CENT = 100.0
# DeepSeek V3.2 keeps 656 bytes and an indexer key of 132 for each token in 61 layers.
_V32_BYTES_PER_TOKEN = 61 * (656 + 132)
_EIGHT_BITS_LEAST, _EIGHT_BITS_MOST = 1.0, 1.0625  # bytes; with one scale of 16 bits per 32 weights
_ENGINE = "vllm"  # where the guide names none
_MODEL = "HBM model"
_WHERE = "guide.yaml"


def compare(entries: Iterable[GuideEntry], catalogue: Catalogue) -> tuple[GuideRow, ...]:
    """Every entry with our answer.

    Raises:
        InputError: an entry that speaks of something the catalogue does not have.
        KeyError: an entry of a kind that there is no question for.
    """
    return tuple(
        GuideRow(entry=entry, ours=_ANSWERS[entry.question.kind](entry.question, catalogue))
        for entry in entries
    )


def _stated(question: Question, catalogue: Catalogue) -> Ours:
    del catalogue
    return Ours(text=question.text or "", source="capacity study")


def _weights(question: Question, catalogue: Catalogue) -> Ours:
    total = _checkpoint(question, catalogue).total_bytes
    return _in_units(total, GB, "GB", ".1f")


def _parameters(question: Question, catalogue: Catalogue) -> Ours:
    return _in_units(_checkpoint(question, catalogue).parameters, _BILLION, "G", ",.1f")


def _active_parameters(question: Question, catalogue: Catalogue) -> Ours:
    decode = _checkpoint(question, catalogue).decode
    return _in_units(decode.active_parameters if decode else None, _BILLION, "G", ".1f")


def _in_units(figure: Figure | None, unit: float, name: str, form: str) -> Ours:
    if figure is None:
        return Ours(text="unknown", source="no figure with a source")
    value = figure.value / unit
    return Ours(text=f"{value:{form}} {name}", value=value, source=f"{figure.tag}: {figure.source}")


def _layers(question: Question, catalogue: Catalogue) -> Ours:
    kv = _kv_layout(question, catalogue)
    text = (
        f"{kv.layers} layers: {kv.csa_layers} CSA, {kv.hca_layers} HCA, "
        f"{kv.swa_only_layers} window only"
    )
    return Ours(text=text, value=float(kv.layers), source="published configuration")


def _eight_bit(question: Question, catalogue: Catalogue) -> Ours:
    parameters = _checkpoint(question, catalogue).parameters
    if parameters is None:
        return Ours(text="unknown", source="no figure with a source")
    low, high = (parameters.value * size / GB for size in (_EIGHT_BITS_LEAST, _EIGHT_BITS_MOST))
    text = f"{low:.0f} to {high:.0f} GB at a real 8 bits"
    return Ours(text=text, value=high, source="parameters x 8 bits, without and with group scales")


def _unified_memory(question: Question, catalogue: Catalogue) -> Ours:
    found = _checkpoint(question, catalogue)
    device = accelerator(catalogue, question.accelerator or "", where=_WHERE)
    size = found.total_bytes.value / GB if found.total_bytes else 0.0
    nominal = device.nominal_bytes / GB
    verdict = "goes into" if size < nominal else "does not go into"
    text = f"{size:.0f} GB {verdict} {nominal:.0f} GB of unified memory"
    return Ours(text=text, value=nominal, source="size of the files against the nominal memory")


def _kv(question: Question, catalogue: Catalogue) -> Ours:
    one = sequence_bytes(_kv_layout(question, catalogue), question.context_tokens)
    value = one * question.sequences * question.copies / GB
    copies = f", {one * question.sequences / GB:.2f} GB a copy" if question.copies > 1 else ""
    return Ours(text=f"{value:.2f} GB{copies}", value=value, source="KV layout, exact per sequence")


def _kv_share(question: Question, catalogue: Catalogue) -> Ours:
    one = sequence_bytes(_kv_layout(question, catalogue), question.context_tokens)
    value = _PER_CENT * one / (_V32_BYTES_PER_TOKEN * question.context_tokens)
    text = f"{value:.1f} % with the FP8 indexer"
    return Ours(text=text, value=value, source="KV layouts of both")


def _fit(question: Question, catalogue: Catalogue) -> Ours:
    report = _report(question, catalogue)
    if report.weights_bytes is None or report.budget_bytes is None:
        return Ours(text=report.sentence, source=_MODEL)
    text = (
        f"{report.verdict}: weights of {report.weights_bytes / GIB:.1f} GiB per device, "
        f"{report.budget_bytes / GIB:.1f} GiB to fill"
    )
    if report.verdict.fits:
        text += f"; {report.max_concurrency} x {question.context_tokens:,} tokens"
    return Ours(text=text, source=_MODEL)


def _required(question: Question, catalogue: Catalogue) -> Ours:
    """Weights as loaded, KV in steady decode and central overhead, over all devices."""
    report = _report(question, catalogue)
    parts = (report.weights_bytes, report.kv_bytes_per_request, report.budget_bytes)
    weights, kv, budget = (part or 0 for part in parts)
    if not weights or report.overhead_bytes is None:
        return Ours(text=report.sentence, source=_MODEL)
    device = weights + question.sequences * kv + report.overhead_bytes.central
    value = device * question.devices / GB
    text = (
        f"{value:.0f} GB ({device / GIB:.1f} GiB per device) of "
        f"{budget * question.devices / GB:.0f} GB to fill: {report.verdict}"
    )
    return Ours(text=text, value=value, source=_MODEL)


def _overhead(question: Question, catalogue: Catalogue) -> Ours:
    memory = engine(catalogue, question.engine or "", where=_WHERE).memory
    if memory is None:
        return Ours(text="unknown", source="no memory model of the engine")
    low, central, high = (
        figure.value * question.devices / GB
        for figure in (
            memory.overhead_low_bytes,
            memory.overhead_central_bytes,
            memory.overhead_high_bytes,
        )
    )
    text = f"{central:.0f} GB on {question.devices} devices ({low:.0f} to {high:.0f})"
    source = memory.overhead_central_bytes
    return Ours(text=text, value=central, source=f"{source.tag}: {source.source}")


def _engine_support(question: Question, catalogue: Catalogue) -> Ours:
    found = engine(catalogue, question.engine or "", where=_WHERE)
    return Ours(text=f"since {found.name} {found.minimum_version}", source="engine packages")


def _recipe(question: Question, catalogue: Catalogue) -> Ours:
    shapes = [
        f"{s.devices} x {s.accelerator} ({s.note})"
        for s in catalogue.published.launch_shapes
        if s.family == question.family and s.accelerator == question.accelerator
    ]
    return Ours(text="; ".join(shapes) or "no recipe", source="published recipes")


def _report(question: Question, catalogue: Catalogue) -> HbmReport:
    """Tensor parallelism over all devices: the guide names no other layout."""
    plan = MemoryPlan(
        checkpoint=question.checkpoint or "",
        engine=question.engine or _ENGINE,
        engine_version=None,
        engine_args=(),
        accelerator=question.accelerator or "",
        devices=question.devices,
        layout=Layout(tensor=question.devices),
        max_context_tokens=question.context_tokens,
        concurrency=question.sequences,
        budget=None,
    )
    return check(plan, catalogue)


def _checkpoint(question: Question, catalogue: Catalogue) -> Checkpoint:
    return checkpoint(catalogue, question.checkpoint or "", where=_WHERE)


def _kv_layout(question: Question, catalogue: Catalogue) -> KvLayout:
    found = _checkpoint(question, catalogue)
    if found.kv is None:
        raise KeyError(f"{found.name} has no KV layout")
    return found.kv


_ANSWERS: MappingProxyType[str, Answer] = MappingProxyType(
    {
        "stated": _stated,
        "weights": _weights,
        "parameters": _parameters,
        "active-parameters": _active_parameters,
        "layers": _layers,
        "eight-bit": _eight_bit,
        "unified-memory": _unified_memory,
        "kv": _kv,
        "kv-share": _kv_share,
        "fit": _fit,
        "required": _required,
        "overhead": _overhead,
        "engine": _engine_support,
        "recipe": _recipe,
        "measurement": guide_speed.measurement,
        "series": guide_speed.series,
        "speed-ratio": guide_speed.speed_ratio,
        "price-spread": guide_speed.price_spread,
        "ttft": guide_speed.ttft,
        "operation": guide_speed.operation,
        "stream": guide_speed.stream,
        "answer-time": guide_speed.answer_time,
        "api-price": guide_speed.api_price,
        "cache-discount": guide_speed.cache_discount,
        "break-even": guide_speed.volume,
    }
)
