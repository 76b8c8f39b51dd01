"""What would make it fit: each remedy is found by evaluating it, none is phrased from a rule."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from v4operator.estimate.hbm_account import running_limit
from v4operator.estimate.hbm_budget import batched_tokens, budget, fraction_flag
from v4operator.estimate.hbm_config import Configuration
from v4operator.estimate.hbm_verdict import evaluate
from v4operator.model.hbm import HbmReport, HbmVerdict
from v4operator.model.layout import Layout

_LEAST_BATCHED_TOKENS = 2048  # the engines' own default on small devices
_CONTEXT_STEP = 1024
# The highest fraction in published recipes (vLLM recipe for Pro on 8 x H200).
_HIGHEST_FRACTION = 0.95
_MOST_DEVICES = 64  # eight nodes; beyond that a person decides
_FRACTION_STEPS = 100  # fractions are written to two decimals


def remedies(config: Configuration, report: HbmReport) -> str | None:
    """The changes that each turn `report` into a fit, as one sentence; `None` where none does."""
    if report.verdict.fits or report.verdict is HbmVerdict.UNKNOWN:
        return None
    tries: tuple[Callable[[Configuration], Iterator[str]], ...] = (
        _fewer_batched_tokens,
        _fewer_requests,
        _more_running_requests,
        _shorter_context,
        _higher_fraction,
        _another_kernel,
        _another_layout,
        _more_devices,
    )
    found = [text for attempt in tries for text in attempt(config)]
    return f"What would fit: {'; or '.join(found)}." if found else None


def _fits(config: Configuration) -> bool:
    return evaluate(config).verdict.fits


def _fewer_batched_tokens(config: Configuration) -> Iterator[str]:
    flag = "--max-num-batched-tokens" if config.memory.blocks else "--chunked-prefill-size"
    tokens = batched_tokens(config) // 2
    while tokens >= _LEAST_BATCHED_TOKENS:
        if _fits(replace(config, batched_tokens=tokens)):
            yield f"{flag} {tokens}"
            return
        tokens //= 2


def _fewer_requests(config: Configuration) -> Iterator[str]:
    most = evaluate(config).max_concurrency or 0
    if 0 < most < config.concurrency and _fits(replace(config, concurrency=most)):
        yield f"a concurrency of {most}"


def _more_running_requests(config: Configuration) -> Iterator[str]:
    """Only where request slots are what binds (SGLang keeps state per slot)."""
    if config.memory.pools and config.concurrency > running_limit(config):
        ranks = config.layout.data
        slots = -(-config.concurrency // ranks) * ranks
        if _fits(replace(config, running_requests=slots)):
            yield f"--max-running-requests {slots}"


def _shorter_context(config: Configuration) -> Iterator[str]:
    """The longest context that fits, by bisection: need grows with length."""
    low, high = 0, config.context_tokens // _CONTEXT_STEP
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(replace(config, context_tokens=middle * _CONTEXT_STEP)):
            low = middle
        else:
            high = middle - 1
    if low > 0 and low * _CONTEXT_STEP < config.context_tokens:
        yield f"a maximum context of {low * _CONTEXT_STEP} tokens"


def _higher_fraction(config: Configuration) -> Iterator[str]:
    visible = config.accelerator.visible_bytes
    if visible is None:
        return
    now = budget(config, visible.value)
    limited = now.fraction < now.engine_fraction
    first = int(now.fraction * _FRACTION_STEPS) + 1
    for step in range(first, round(_HIGHEST_FRACTION * _FRACTION_STEPS) + 1):
        fraction = step / _FRACTION_STEPS
        if _fits(replace(config, memory_fraction=fraction, budget=None)):
            name = "a budget of" if limited else fraction_flag(config)
            yield f"{name} {fraction:.2f}"
            return


def _another_kernel(config: Configuration) -> Iterator[str]:
    """A kernel that does not grow the weights while loading them."""
    if config.kernel == "marlin" and _fits(replace(config, load_factor=None)):
        yield "a MoE kernel that does not repack the experts (humming)"


def _another_layout(config: Configuration) -> Iterator[str]:
    for layout in layouts(config.devices):
        if layout.label != config.layout.label and _fits(replace(config, layout=layout)):
            yield f"{layout.label} on the same devices"
            return


def _more_devices(config: Configuration) -> Iterator[str]:
    devices = 1 << config.devices.bit_length()
    while devices <= _MOST_DEVICES:
        for layout in layouts(devices):
            if _fits(replace(config, devices=devices, layout=layout)):
                yield f"{devices} x {config.accelerator.name} as {layout.label}"
                return
        devices *= 2


def layouts(devices: int) -> Iterator[Layout]:
    """Layouts of one stage: tensor parallelism first, then data-parallel attention + EP."""
    yield Layout(tensor=devices)
    if devices > 1:
        yield Layout(tensor=1, data=devices, expert=True)
