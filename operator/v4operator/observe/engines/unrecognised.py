"""What a text that no known engine wrote looks like, in words for an error message."""

import re

_LOOKED_AT_BYTES = 65_536  # the first names say enough
_NAMED = 6  # prefixes that fit one line of an error
_PREFIX = re.compile(r"([a-zA-Z_][a-zA-Z0-9]*+[_:]?)[a-zA-Z0-9_:]*+[ \t{]")
_STARTS = (
    (b"\x1f\x8b", "not text: gzip data"),
    (b"<", "not metrics: HTML or XML"),
    (b"{", "not metrics: JSON"),
    (b"[", "not metrics: JSON"),
)
_HINT = (
    "vLLM exports none under --disable-log-stats, SGLang and vllm-mlx only with --enable-metrics, "
    "llama.cpp only with --metrics, TensorRT-LLM at /prometheus/metrics, mlx-lm and "
    "mlx-omni-server none at all"
)


def description(text: bytes) -> str:
    """Why `text` is not an engine's exposition, naming what was found."""
    head = text[:_LOOKED_AT_BYTES].lstrip()
    if not head:
        return "empty"
    for start, what in _STARTS:
        if head.startswith(start):
            return what
    if b"\0" in head:
        return "not text: binary data"
    lines = head.decode("utf-8", "replace").splitlines()
    prefixes = {match[1] for line in lines if (match := _PREFIX.match(line))}
    if prefixes:
        named = ", ".join(sorted(prefixes)[:_NAMED])
        return f"no sample with a known prefix; found names starting with {named} ({_HINT})"
    if all(line.startswith("#") for line in lines if line.strip()):
        return "no samples, only comments"
    return "not metrics: no line reads as a sample"
