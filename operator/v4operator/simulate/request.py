"""One request on its way through an emulated replica. Mutable: the replica moves it along."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """How a request left the replica."""

    FINISHED = "finished"
    TIMED_OUT = "timed out"
    REJECTED = "rejected"
    ABORTED = "aborted"
    CUT = "cut"


@dataclass(slots=True, eq=False)
class Request:
    """What was asked for, how far it is, and how it ended.

    Times are Unix seconds of the emulation. `to_prefill` counts the tokens still to be computed
    before the next token comes out, `position` the context already there; `remaining` the output
    tokens still to come, kept while the request does not decode (while it does, `finish_step` says
    the same).
    """

    arrival: float
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    deadline: float = math.inf
    order: int = -1
    to_prefill: int = 0
    position: int = 0
    remaining: int = 0
    finish_step: int = 0
    admitted_at: float | None = None
    first_token_at: float | None = None
    ended_at: float | None = None
    ending: Ending | None = None

    def __post_init__(self) -> None:
        if self.prompt_tokens < 1 or self.output_tokens < 1:
            raise ValueError(
                f"a request needs at least one token each way, found prompt_tokens="
                f"{self.prompt_tokens}, output_tokens={self.output_tokens}"
            )
        # An engine always computes the last prompt token: it is what the first answer comes from.
        self.cached_tokens = max(0, min(self.cached_tokens, self.prompt_tokens - 1))
        self.position = self.cached_tokens
        self.to_prefill = self.prompt_tokens - self.cached_tokens
        self.remaining = self.output_tokens

    @property
    def work_tokens(self) -> int:
        """Tokens that a replica has to compute for it: what a router counts as outstanding."""
        return self.prompt_tokens - self.cached_tokens + self.output_tokens

    @property
    def context_tokens(self) -> int:
        """Context to hold when the next prefill of this request is complete."""
        return self.position + self.to_prefill

    @property
    def ttft_seconds(self) -> float | None:
        """Time to first token, `None` while there is none."""
        return None if self.first_token_at is None else self.first_token_at - self.arrival

    @property
    def tpot_seconds(self) -> float | None:
        """Mean time per output token after the first, `None` if it did not finish or has one."""
        if self.first_token_at is None or self.ended_at is None or self.output_tokens < 2:  # noqa: PLR2004 - no gap between tokens below two
            return None
        if self.ending is not Ending.FINISHED:
            return None
        return (self.ended_at - self.first_token_at) / (self.output_tokens - 1)

    def retract(self, generated: int) -> None:
        """Give its KV back: the prompt and all that was generated are to be prefilled again."""
        self.remaining = self.output_tokens - generated
        self.position = 0
        self.to_prefill = self.prompt_tokens + generated
