"""What a scrape shows of one replica and of the gateway: all that a policy ever gets to see.

The simulator's metrics have these fields; so would a reading of a real engine.
"""

from typing import Protocol


class ReplicaFigures(Protocol):
    """One replica at one scrape. Counters are running totals since it started."""

    @property
    def name(self) -> str:
        """Its name, unique over the whole run."""
        ...

    @property
    def phase(self) -> str:
        """One of pending, starting, ready, draining."""
        ...

    @property
    def created_at(self) -> float:
        """When it was asked for, in simulated seconds."""
        ...

    @property
    def ready_at(self) -> float | None:
        """When it first served, if it has."""
        ...

    @property
    def routable(self) -> bool:
        """Whether the router may send it requests."""
        ...

    @property
    def answered(self) -> bool:
        """Whether the engine gave metrics; without, the figures below mean nothing."""
        ...

    @property
    def running(self) -> float:
        """Requests in the batch."""
        ...

    @property
    def waiting(self) -> float:
        """Requests queued inside the engine."""
        ...

    @property
    def kv_usage_ratio(self) -> float:
        """Share of the KV pool in use."""
        ...

    @property
    def resident_tokens(self) -> float:
        """Sum of the context lengths of the running requests."""
        ...

    @property
    def accept_length(self) -> float | None:
        """Tokens that speculative decoding yields a step; `None` where nothing is drafted."""
        ...

    @property
    def decode_tokens_total(self) -> float:
        """Tokens decoded, first tokens left out."""
        ...

    @property
    def first_tokens_total(self) -> float:
        """Requests whose prefill has been finished."""
        ...

    @property
    def prompt_tokens_total(self) -> float:
        """Prompt tokens, cached ones included."""
        ...

    @property
    def prefill_tokens_total(self) -> float:
        """Prompt tokens that were computed."""
        ...

    @property
    def finished_total(self) -> float:
        """Requests answered in full."""
        ...

    @property
    def finished_decode_tokens_total(self) -> float:
        """Their decoded tokens."""
        ...

    @property
    def retractions_total(self) -> float:
        """Requests put back for want of KV."""
        ...


class GatewayFigures(Protocol):
    """What waits outside the engines, and what never came in."""

    @property
    def queued(self) -> float:
        """Requests waiting at the gateway."""
        ...

    @property
    def rejected_total(self) -> float:
        """Requests turned away or timed out before any replica took them."""
        ...
