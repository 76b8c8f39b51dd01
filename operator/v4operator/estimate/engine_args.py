"""The command line of an engine, as far as it decides memory. Pure; reads text, starts nothing.

What is not understood is listed, never ignored: an argument may change what a device must hold. A
value that cannot be read makes the whole command line unreadable, never a default.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any

from v4operator.model.secrets import without_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineArgs:
    """What a command line sets; `None` where it leaves the engine's default.

    `tensor` is as written: SGLang counts all devices of a stage, vLLM those of one data-parallel
    rank. `unknown` are arguments without a known meaning here, `unreadable` those whose value
    makes no sense; both are told to people, so that no secret is in them.
    """

    memory_fraction: float | None = None
    context_tokens: int | None = None
    batched_tokens: int | None = None
    running_requests: int | None = None
    tensor: int | None = None
    data: int | None = None
    pipeline: int | None = None
    expert: bool | None = None
    data_attention: bool | None = None
    kv_cache_dtype: str | None = None
    indexer: str | None = None
    speculative: bool | None = None
    kernel: str | None = None
    window_ratio: float | None = None
    graph_requests: int | None = None
    expert_transport: str | None = None
    asynchronous: bool | None = None
    kv_cache_bytes: int | None = None
    unknown: tuple[str, ...] = field(default=())
    unreadable: tuple[str, ...] = field(default=())


# flag -> (field, kind of value); the kinds are the keys of _READERS.
_VLLM = {
    "gpu-memory-utilization": ("memory_fraction", "ratio"),
    "max-model-len": ("context_tokens", "count"),
    "max-num-batched-tokens": ("batched_tokens", "count"),
    "max-num-seqs": ("running_requests", "count"),
    "tensor-parallel-size": ("tensor", "count"),
    "tp": ("tensor", "count"),
    "data-parallel-size": ("data", "count"),
    "dp": ("data", "count"),
    "pipeline-parallel-size": ("pipeline", "count"),
    "pp": ("pipeline", "count"),
    "enable-expert-parallel": ("expert", "on"),
    "ep": ("expert", "on"),
    "kv-cache-dtype": ("kv_cache_dtype", "word"),
    "speculative-config": ("speculative", "set"),
    "attention-config": ("indexer", "indexer"),
    "attention-config.indexer-kv-dtype": ("indexer", "indexer"),
    "moe-backend": ("kernel", "word"),
    "async-scheduling": ("asynchronous", "on"),
    "no-async-scheduling": ("asynchronous", "off"),
    "kv-cache-memory-bytes": ("kv_cache_bytes", "count"),
}
_SGLANG = {
    "mem-fraction-static": ("memory_fraction", "ratio"),
    "context-length": ("context_tokens", "count"),
    "chunked-prefill-size": ("batched_tokens", "count"),
    "max-running-requests": ("running_requests", "count"),
    "tensor-parallel-size": ("tensor", "count"),
    "tp-size": ("tensor", "count"),
    "tp": ("tensor", "count"),
    "data-parallel-size": ("data", "count"),
    "dp-size": ("data", "count"),
    "dp": ("data", "count"),
    "attn-dp-size": ("data", "count"),
    "enable-dp-attention": ("data_attention", "on"),
    "pipeline-parallel-size": ("pipeline", "count"),
    "pp-size": ("pipeline", "count"),
    "pp": ("pipeline", "count"),
    "expert-parallel-size": ("expert", "many"),
    "ep-size": ("expert", "many"),
    "ep": ("expert", "many"),
    "kv-cache-dtype": ("kv_cache_dtype", "word"),
    "enable-deepseek-v4-fp4-indexer": ("indexer", "fp4"),
    "speculative-algorithm": ("speculative", "set"),
    "speculative-algo": ("speculative", "set"),
    "moe-runner-backend": ("kernel", "word"),
    "moe-a2a-backend": ("expert_transport", "word"),
    "swa-full-tokens-ratio": ("window_ratio", "ratio"),
    "cuda-graph-max-bs": ("graph_requests", "count"),
}
_ENGINES = {"vllm": _VLLM, "sglang": _SGLANG}

# Arguments that say nothing about memory, or nothing that another one does not say.
_INERT = frozenset(
    {
        "api-key",
        "api-server-count",
        "block-size",
        "custom-histogram-buckets",
        "disable-log-requests",
        "disable-log-stats",
        "dist-init-addr",
        "download-dir",
        "enable-auto-tool-choice",
        "enable-cache-report",
        "enable-metrics",
        "enable-prefix-caching",
        "host",
        "load-format",
        "log-level",
        "model",
        "model-path",
        "nnodes",
        "node-rank",
        "port",
        "reasoning-parser",
        "served-model-name",
        "shutdown-timeout",
        "speculative-draft-model-path",
        "speculative-eagle-topk",
        "speculative-num-draft-tokens",
        "speculative-num-steps",
        "tokenizer-mode",
        "tokenizer-path",
        "tool-call-parser",
        "trust-remote-code",
    }
)

_ALONE = frozenset({"on", "off", "fp4"})  # kinds of arguments that take no value
# vLLM's human-readable integers: lower case is decimal, upper case binary.
_COUNT = re.compile(r"(\d{1,15})([kmgKMG]?)")
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
_INDEXERS = {"mxfp4": "fp4", "fp4": "fp4", "fp8": "fp8", "auto": "fp8"}


def parse(engine: str, args: tuple[str, ...]) -> EngineArgs:
    """Read `args` of `engine` (`vllm` or `sglang`); later arguments win, as in the engines.

    Both `--a b` and `--a=b`, dashes or underscores. Words before the first flag (the command, the
    model) are passed over. For an engine without a table every argument is unknown.
    """
    table = _ENGINES.get(engine, {})
    values: dict[str, Any] = {}
    unknown: list[str] = []
    unreadable: list[str] = []
    for flag, text in _pairs(without_secrets(args), table):
        name = _name(flag)
        written = flag if text is None else f"{flag} {text}"
        if name not in table:
            unknown += [] if name in _INERT else [written]
            continue
        target, kind = table[name]
        values[target] = _READERS[kind](text)
        if values[target] is None:
            unreadable.append(written)
        if name == "attn-dp-size":
            values["data_attention"] = True
    return EngineArgs(**values, unknown=tuple(unknown), unreadable=tuple(unreadable))


def _pairs(
    args: tuple[str, ...], table: dict[str, tuple[str, str]]
) -> Iterator[tuple[str, str | None]]:
    """Flags with their values; a word that belongs to no flag stands for itself."""
    words = list(dropwhile(lambda word: not word.startswith("-"), args))
    while words:
        flag, _, inline = words.pop(0).partition("=")
        if inline or not flag.startswith("-"):
            yield flag, inline or None
        elif words and not words[0].startswith("-") and not _stands_alone(flag, table):
            yield flag, words.pop(0)
        else:
            yield flag, None


def _stands_alone(flag: str, table: dict[str, tuple[str, str]]) -> bool:
    entry = table.get(_name(flag))
    return entry is not None and entry[1] in _ALONE


def _name(flag: str) -> str:
    return flag.lstrip("-").replace("_", "-")


def _count(text: str | None) -> int | None:
    match = _COUNT.fullmatch(text or "")
    count = int(match[1]) * _FACTORS[match[2]] if match else 0
    return count or None


def _ratio(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 < value <= 1 else None


def _indexer(text: str | None) -> str | None:
    """From `mxfp4` or `{"indexer_kv_dtype": "mxfp4"}`; other settings of that JSON leave fp8."""
    if not (text or "").startswith("{"):
        return _INDEXERS.get(text or "")
    try:
        settings = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    return _INDEXERS.get(str(settings.get("indexer_kv_dtype", "auto")))


_READERS: dict[str, Callable[[str | None], object]] = {
    "count": _count,
    "ratio": _ratio,
    "word": lambda text: text or None,
    "indexer": _indexer,
    "many": lambda text: None if _count(text) is None else _count(text) != 1,
    "set": lambda text: (text or "").lower() not in {"none", "null"} if text else None,
    "on": lambda _: True,
    "off": lambda _: False,
    "fp4": lambda _: "fp4",
}


def memory_flags() -> frozenset[str]:
    """Names, without dashes in front, of all arguments that decide memory, of every engine."""
    return frozenset(name for table in _ENGINES.values() for name in table)
