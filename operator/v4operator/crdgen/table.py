"""The capacity model as a lookup table for CEL: factored keys, whole numbers of bytes.

Every figure is asked of `estimate`, so that the table says what `plan` says. What is rounded is
rounded towards "fits". A combination that is not in the table is allowed: the catalogue does not
know it, or no engine runs it. Holds no policy; `verdict` has the expressions that look things up.

Keys, with names in lower case and `_` for `/`. RELEASE counts the releases of the engine, from the
oldest, at which something changed:

    checkpoint.NAME, device.NAME            what is meant by a name or an alias
    tokens.CHECKPOINT                       longest context
    layers.CHECKPOINT                       most pipeline stages
    form.CHECKPOINT, family.CHECKPOINT      format of the experts, KV layout
    experts.CHECKPOINT, rest.CHECKPOINT     bytes of the routed experts, and of all else
    attention.CHECKPOINT.GROWTH.TENSOR      bytes per device that the tensor ranks share
    spread.CHECKPOINT.GROWTH.RANKS          bytes per device that all ranks of a stage share
    visible.DEVICE                          bytes that an engine can allocate
    runs.ENGINE.DEVICE.FORM                 the architecture, where there are kernels
    releases.ENGINE, newest.ENGINE          first version of each release; the newest version known
    growth.ENGINE.RELEASE.ARCHITECTURE.CHECKPOINT  growth of the weights while loading, in ppm
    low.ENGINE, central.ENGINE              bytes of overhead
    budget.ENGINE.RELEASE.DEVICE            bytes that the engine fills, overhead included
    context.ENGINE                          bytes in use before an engine measures that does not
                                            include the overhead, and which fills
    budget.ENGINE.DEVICE.LAYOUT             bytes for weights and KV
    pool.ENGINE.RELEASE.FAMILY.DATA         KV of a rank: fixed, per request and per page in bytes,
                                            and most requests (0: any)
"""

import math
import re
from collections.abc import Iterable, Iterator

from v4operator.catalogue.versions import release
from v4operator.crdgen.kv_law import KvLaw, kv_law
from v4operator.crdgen.probe import ONE_DEVICE, Probe, attention_bytes, spread_bytes
from v4operator.estimate.hbm_budget import Budget
from v4operator.model.catalogue import Accelerator, Catalogue, Checkpoint
from v4operator.model.layout import Layout

# Sizes that replicas are made of: no published recipe has a replica of other ones.
_DEGREES = (1, 2, 4, 8, 16, 32, 64)
_MOST_DEVICES = 64
# SGLang's default depends on the whole layout; pipelines deeper than this are not published.
_DEEPEST_PIPELINE = 4
_PARTS_DIGITS = 9  # of one number of a version, as `release` reads it
_PPM = 10**6
_KEY = re.compile(r"[-._a-z0-9]{1,253}")  # what a ConfigMap takes, in lower case

Rows = Iterator[tuple[str, str]]


def capacity_table(catalogue: Catalogue) -> dict[str, str]:
    """The table, sorted by key, so that the same catalogue gives the same text."""
    rows = dict(_rows(catalogue))
    return {key: rows[key] for key in sorted(rows) if _KEY.fullmatch(key)}


def sortable(version: str) -> str:
    """A version as text that sorts as versions do; empty where it has no number."""
    parts = release(version)
    return ".".join(f"{part:0{_PARTS_DIGITS}}" for part in parts) if parts else ""


def _rows(catalogue: Catalogue) -> Rows:
    yield from _names("checkpoint", catalogue.checkpoints)
    yield from _names("device", catalogue.accelerators)
    for device in catalogue.accelerators:
        if device.visible_bytes is not None:
            yield f"visible.{_word(device.name)}", _up(device.visible_bytes.value)
    for checkpoint in catalogue.checkpoints:
        yield from _checkpoint_rows(checkpoint)
    for engine in catalogue.engines:
        if engine.memory is not None and engine.newest_version is not None:
            yield from _engine_rows(Probe(engine=engine, catalogue=catalogue))


def _names(kind: str, entries: Iterable[Checkpoint | Accelerator]) -> Rows:
    """The first entry has a name, as in `catalogue.resolve`; what two write alike has none."""
    meant: dict[str, str] = {}
    for entry in entries:
        for name in (entry.name, *entry.aliases):
            meant.setdefault(name.strip().lower(), entry.name)
    words = [_word(name) for name in meant]
    for name, entry_name in meant.items():
        if words.count(_word(name)) == 1:
            yield f"{kind}.{_word(name)}", _word(entry_name)


def _checkpoint_rows(checkpoint: Checkpoint) -> Rows:
    weights, kv, name = checkpoint.weights, checkpoint.kv, _word(checkpoint.name)
    if weights is None or kv is None:
        return
    draft = weights.draft_bytes.value if weights.draft_bytes else 0.0
    yield f"tokens.{name}", str(checkpoint.max_context_tokens)
    yield f"layers.{name}", str(kv.layers)
    yield f"form.{name}", _word(checkpoint.expert_format)
    yield f"family.{name}", _word(checkpoint.family)
    yield f"experts.{name}", _up(weights.experts_bytes.value)
    yield f"rest.{name}", _up(weights.dense_bytes.value + draft)


def _engine_rows(probe: Probe) -> Rows:
    memory, name = probe.engine.memory, probe.engine.name
    if memory is None:
        return
    yield f"releases.{name}", ",".join(sortable(version) for version in probe.versions())
    yield f"newest.{name}", sortable(probe.newest)
    yield f"low.{name}", _down(memory.overhead_low_bytes.value)
    yield f"central.{name}", _down(memory.overhead_central_bytes.value)
    if memory.context_bytes is not None:
        yield f"context.{name}", _down(memory.context_bytes.value)
    yield from _kernel_rows(probe)
    for number, version in enumerate(probe.versions(), start=1):
        yield from _growth_rows(probe, number, version)
        yield from _pool_rows(probe, number, version)
    yield from _budget_rows(probe)


def _kernel_rows(probe: Probe) -> Rows:
    name = probe.engine.name
    for device, checkpoint in _pairs(probe):
        if probe.account(checkpoint, device, probe.newest) is not None:
            form, architecture = _word(checkpoint.expert_format), _word(device.architecture)
            yield f"runs.{name}.{_word(device.name)}.{form}", architecture


def _growth_rows(probe: Probe, number: int, version: str) -> Rows:
    """Devices of one architecture load alike; that one of them runs it is said by `runs`."""
    for device, checkpoint in _pairs(probe):
        account = probe.account(checkpoint, device, version)
        if account is None:
            continue
        factor = account.config.load_factor
        growth = factor.factor.value if factor else 1.0
        ppm, name = round(growth * _PPM), _word(checkpoint.name)
        place = f"{probe.engine.name}.{number}.{_word(device.architecture)}.{name}"
        yield f"growth.{place}", str(ppm)
        yield from _weight_rows(checkpoint, f"{name}.{ppm}", growth)


def _weight_rows(checkpoint: Checkpoint, place: str, growth: float) -> Rows:
    """Only degrees that divide what is divided; others are not served."""
    weights, groups = checkpoint.weights, checkpoint.max_attention_tensor
    experts = checkpoint.routed_experts
    if weights is None:
        return
    for degree in _DEGREES:
        if groups is None or groups % degree == 0:
            yield f"attention.{place}.{degree}", _down(attention_bytes(weights, degree, growth))
        if experts is None or experts % degree == 0:
            yield f"spread.{place}.{degree}", _down(spread_bytes(weights, degree, growth))


def _pool_rows(probe: Probe, number: int, version: str) -> Rows:
    """One checkpoint and device speak for a family: pools depend on neither."""
    done: set[str] = set()
    for device, checkpoint in _pairs(probe):
        family = _word(checkpoint.family)
        if family in done or probe.account(checkpoint, device, version) is None:
            continue
        done.add(family)
        for degree in _DEGREES:
            account = probe.account(checkpoint, device, version, Layout(data=degree, expert=True))
            if account is not None:
                place = f"{probe.engine.name}.{number}.{family}.{degree}"
                yield f"pool.{place}", _line(kv_law(account.planner))


def _line(law: KvLaw) -> str:
    figures = (law.fixed_bytes, law.request_bytes, law.page_bytes, law.requests)
    return ",".join(map(str, figures))


def _budget_rows(probe: Probe) -> Rows:
    for device in probe.catalogue.accelerators:
        found = _budget(probe, device, probe.newest, ONE_DEVICE)
        if found is not None and found.spans_overhead:
            yield from _spanning_rows(probe, device)
        elif found is not None:
            yield from _filling_rows(probe, device)


def _spanning_rows(probe: Probe, device: Accelerator) -> Rows:
    """Budgets that hold the overhead too: a fraction that changed between releases."""
    for number, version in enumerate(probe.versions(), start=1):
        budget = _budget(probe, device, version, ONE_DEVICE)
        if budget is not None:
            key = f"budget.{probe.engine.name}.{number}.{_word(device.name)}"
            yield key, _up(budget.budget_bytes)


def _filling_rows(probe: Probe, device: Accelerator) -> Rows:
    """Budgets for weights and KV alone: a fraction that the engine works out from the layout."""
    for layout in _layouts():
        budget = _budget(probe, device, probe.newest, layout)
        if budget is not None:
            place = f"{_word(device.name)}.{layout.tensor}-{layout.data}-{layout.pipeline}"
            free = budget.visible_bytes - budget.context_bytes
            yield f"budget.{probe.engine.name}.{place}", _up(budget.fraction * free)


def _budget(probe: Probe, device: Accelerator, version: str, layout: Layout) -> Budget | None:
    """Of whatever checkpoint runs like this: the engine's fraction does not look at it."""
    for checkpoint in probe.catalogue.checkpoints:
        account = probe.account(checkpoint, device, version, layout)
        if account is not None:
            return account.budget
    return None


def _pairs(probe: Probe) -> Iterator[tuple[Accelerator, Checkpoint]]:
    """Devices and checkpoints that have figures at all."""
    for device in probe.catalogue.accelerators:
        for checkpoint in probe.catalogue.checkpoints:
            if device.visible_bytes and checkpoint.weights and checkpoint.kv:
                yield device, checkpoint


def _layouts() -> Iterator[Layout]:
    for tensor in _DEGREES:
        for data in _DEGREES:
            for pipeline in range(1, _DEEPEST_PIPELINE + 1):
                layout = Layout(tensor=tensor, data=data, pipeline=pipeline)
                if layout.devices <= _MOST_DEVICES:
                    yield layout


def _word(name: str) -> str:
    return name.strip().lower().replace("/", "_")


def _up(size_bytes: float) -> str:
    return str(math.ceil(size_bytes))


def _down(size_bytes: float) -> str:
    return str(math.floor(size_bytes))
