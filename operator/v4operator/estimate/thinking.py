"""How much V4 thinks before it answers, as far as the maximum context must allow for it."""

from enum import StrEnum

from v4operator.model.hbm import Finding

# Think-Max needs at least 384K of context (vLLM recipes).
THINK_MAX_CONTEXT_TOKENS = 384 * 1024


class Thinking(StrEnum):
    """The modes of the chat template."""

    NON_THINK = "non-think"
    THINK = "think"
    THINK_MAX = "think-max"


def context_finding(thinking: Thinking | None, context_tokens: int) -> Finding | None:
    """A maximum context that is too short for the mode."""
    if thinking is not Thinking.THINK_MAX or context_tokens >= THINK_MAX_CONTEXT_TOKENS:
        return None
    return Finding(
        reason="ContextBelowThinkMax",
        message=f"Think-Max wants {THINK_MAX_CONTEXT_TOKENS} tokens of context; the maximum here "
        f"is {context_tokens}.",
        hint=f"A maximum context of {THINK_MAX_CONTEXT_TOKENS}.",
    )
