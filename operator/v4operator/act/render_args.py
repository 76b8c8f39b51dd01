"""The command line of an engine from what a V4Deployment says. Pure.

What a person wrote wins: a flag that stands in `engine.args` or in the container is not rendered.
Nothing here depends on the time or on the operator's version, so that an upgrade restarts no GPU
pod. `estimate.engine_args` reads what is written here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from v4operator.act.render_buckets import vllm_buckets
from v4operator.model.deployment import Deployment

_Flag = tuple[tuple[str, ...], str | None]
"""The names of a flag, the first of which is written, and its value; `None`: it has none."""

_KV_WORDS = {
    "sglang": {"fp8": "fp8_e4m3"},
    "vllm": {"bf16": "bfloat16"},
    "vllm-ascend": {"bf16": "bfloat16"},
}
"""Where an engine calls a format of the KV cache otherwise than the resource does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that the engine is told: running requests of one replica, and seconds for its end."""

    running_requests: int | None = None
    drain_seconds: int | None = None


def command(deployment: Deployment) -> list[str] | None:
    """The program with its model, for an image that would not start it by itself.

    `None` for engines whose images start themselves and are set up in ways of their own.
    """
    engine, model = deployment.memory.engine, _model(deployment)
    if engine == "sglang":
        return ["python3", "-m", "sglang.launch_server"]
    return ["vllm", "serve", *([model] if model else [])] if engine in _FLAGS else None


def arguments(deployment: Deployment, given: Sequence[str], limits: Limits) -> list[str]:
    """All of them in this order: `given` in the container, those rendered, `engine.args`."""
    own = [*given, *deployment.memory.engine_args]
    named = {_name(argument) for argument in own if argument.startswith("--")}
    flags = _FLAGS.get(deployment.memory.engine)
    rendered: list[str] = []
    for names, value in flags(deployment, limits) if flags else ():
        if named.isdisjoint(names):
            rendered += [f"--{names[0]}"] if value is None else [f"--{names[0]}", value]
    return [*given, *rendered, *deployment.memory.engine_args]


def _name(argument: str) -> str:
    return argument.removeprefix("--").partition("=")[0].replace("_", "-")


def _model(deployment: Deployment) -> str | None:
    """A fine-tune's weights lie where only its owner knows: `engine.args` names them."""
    memory = deployment.memory
    return None if memory.weight_bytes is not None else memory.checkpoint


def _sglang(deployment: Deployment, limits: Limits) -> Iterator[_Flag]:
    memory, layout = deployment.memory, deployment.memory.layout
    model = _model(deployment)
    if model is not None:
        yield ("model-path", "model"), model
    yield ("host",), "0.0.0.0"
    yield ("port",), str(deployment.metrics_port)
    yield ("enable-metrics",), None
    # SGLang counts all devices of a stage as tensor ones and shares them out among the data ranks.
    yield ("tp", "tp-size", "tensor-parallel-size"), str(layout.tensor * layout.data)
    if layout.data > 1:
        yield ("dp", "dp-size", "data-parallel-size"), str(layout.data)
        yield ("enable-dp-attention",), None
    if layout.pipeline > 1:
        yield ("pp", "pp-size", "pipeline-parallel-size"), str(layout.pipeline)
    if layout.expert:
        ranks = layout.tensor * layout.data
        yield ("ep", "ep-size", "expert-parallel-size"), str(ranks)
    if memory.max_context_tokens is not None:
        yield ("context-length",), str(memory.max_context_tokens)
    yield from _kv_cache_dtype(deployment)
    if limits.running_requests is not None:
        # Of all data-parallel ranks together, which share it out (SGLang's scheduler).
        yield ("max-running-requests",), str(max(limits.running_requests, layout.data))


def _vllm(deployment: Deployment, limits: Limits) -> Iterator[_Flag]:
    memory, layout = deployment.memory, deployment.memory.layout
    yield ("host",), "0.0.0.0"
    yield ("port",), str(deployment.metrics_port)
    yield ("tensor-parallel-size", "tp"), str(layout.tensor)
    if layout.data > 1:
        yield ("data-parallel-size", "dp"), str(layout.data)
    if layout.pipeline > 1:
        yield ("pipeline-parallel-size", "pp"), str(layout.pipeline)
    if layout.expert:
        yield ("enable-expert-parallel", "ep"), None
    if memory.max_context_tokens is not None:
        yield ("max-model-len",), str(memory.max_context_tokens)
    yield from _kv_cache_dtype(deployment)
    buckets = vllm_buckets(memory.engine_version) if memory.engine == "vllm" else None
    if buckets is not None:
        yield ("custom-histogram-buckets",), buckets
    if limits.running_requests is not None:
        # Of each data-parallel engine.
        yield ("max-num-seqs",), str(ceil(limits.running_requests / layout.data))
    if limits.drain_seconds is not None:
        # Without it requests under way are aborted on SIGTERM (vllm#34730, in 0.18.0; the first
        # release with V4 is 0.20.0). SGLang drains by itself.
        yield ("shutdown-timeout",), str(limits.drain_seconds)


def _kv_cache_dtype(deployment: Deployment) -> Iterator[_Flag]:
    memory = deployment.memory
    if memory.kv_cache_dtype is not None:
        words = _KV_WORDS.get(memory.engine, {})
        yield ("kv-cache-dtype",), words.get(memory.kv_cache_dtype, memory.kv_cache_dtype)


_FLAGS: dict[str, Callable[[Deployment, Limits], Iterator[_Flag]]] = {
    "sglang": _sglang,
    "vllm": _vllm,
    "vllm-ascend": _vllm,
}
"""Engines whose flags are rendered; for others a person writes them."""
