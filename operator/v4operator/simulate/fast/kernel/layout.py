"""Memory of the kernel: one row a request, one row a replica. Layout only; nothing happens here.

Rows are numpy records, so that compiled and plain code name the same fields.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = np.recarray[Any, np.dtype[np.void]]

# What became of a request.
COMING, OUTSIDE, INSIDE, FINISHED, TIMED_OUT, REJECTED, CUT = range(7)
# What a replica is doing.
IDLE, DECODING_RUN, MIXED_STEP = range(3)
# How requests are spread, and what happens to those that nobody has room for.
LEAST, AFFINITY = range(2)
PLAIN, ENGINE_LIMIT, GATEWAY = range(3)

NEVER = 2**31 - 1  # a step that is not reached

# Columns of what a scrape sees (`events.observe`).
FIGURES = (
    "running",
    "waiting",
    "held_tokens",
    "resident_tokens",
    "decode_tokens",
    "first_tokens",
    "prompt_tokens",
    "prefill_tokens",
    "finished",
    "finished_decode_tokens",
    "retractions",
    "emitted",
    "busy_seconds",
)

# Half as wide as it could be: a day has millions of rows. Tokens, steps and rows stay below 2**31.
REQUEST = np.dtype(
    [
        ("arrival", "f8"),
        ("entry", "f8"),  # when it reaches the queue of its replica
        ("first_token", "f8"),
        ("ended", "f8"),
        ("prompt", "i4"),
        ("output", "i4"),
        ("session", "i4"),
        ("prefix", "i4"),
        ("slot", "i4"),
        ("work", "i4"),  # tokens that the router counts as outstanding for it
        ("cached", "i4"),  # prompt tokens that were found in the cache at its first admission
        ("order", "i4"),
        ("to_prefill", "i4"),
        ("position", "i4"),
        ("remaining", "i4"),
        ("following", "i4"),  # links of the queue that it stands in, -1 at its ends
        ("preceding", "i4"),
        ("admissions", "i2"),
        ("fate", "i1"),
    ],
    align=True,
)

REPLICA = np.dtype(
    [
        ("takes", "i8"),  # the router may send requests here
        ("draining", "i8"),
        ("emptied", "f8"),  # when a draining replica had nothing left; infinite before
        ("pace", "f8"),  # step times are multiplied by this
        ("decode_pace", "f8"),  # the decode part by this as well
        ("noise_at", "i8"),
        ("boundary", "f8"),  # when its last step ended
        ("next_event", "f8"),
        ("doing", "i8"),
        ("run_start", "f8"),
        ("run_first", "f8"),
        ("run_slope", "f8"),
        ("run_sequences", "i8"),
        ("run_steps", "i8"),
        ("decode_steps", "i8"),
        ("next_finish", "i8"),
        ("held", "i8"),
        ("resident", "i8"),
        ("reserve", "i8"),  # tokens of idle sessions in the prefix cache
        ("decoding", "i8"),
        ("batched", "i8"),
        ("partial", "i8"),
        ("admitted", "i8"),
        ("outstanding_tokens", "i8"),
        ("outstanding", "i8"),
        ("coming_head", "i8"),
        ("coming_tail", "i8"),
        ("waiting", "i8"),
        ("waiting_head", "i8"),
        ("waiting_tail", "i8"),
        ("decode_tokens", "i8"),
        ("first_tokens", "i8"),
        ("prompt_tokens", "i8"),
        ("prefill_tokens", "i8"),
        ("emitted", "i8"),
        ("finished", "i8"),
        ("finished_decode_tokens", "i8"),
        ("retractions", "i8"),
        ("steps", "i8"),
        ("busy", "f8"),
    ]
)

FLEET = np.dtype(
    [
        ("now", "f8"),
        ("coming", "i8"),  # the next request to arrive
        ("active", "i8"),
        ("turn", "i8"),
        ("outside", "i8"),
        ("outside_head", "i8"),
        ("outside_tail", "i8"),
        ("rejected", "i8"),
        ("lost_outside", "i8"),
        ("freed", "i8"),  # a request has left a replica since the gateway last looked
        ("per_kv_token", "f8"),
        ("per_prefill_token", "f8"),
        ("prefill_context", "f8"),
        ("overhead", "f8"),
        ("patience", "f8"),
        ("chunk", "i8"),
        ("capacity", "i8"),
        ("watermark", "i8"),
        ("max_running", "i8"),
        ("room", "i8"),  # requests that a replica takes from the router
        ("router", "i8"),
        ("overload", "i8"),
        ("prefill_first", "i8"),
    ]
)

CACHE = np.dtype([("tokens", "i8"), ("users", "i8"), ("used", "f8")])


class State(NamedTuple):
    """Everything the kernel knows; `fleet` has one row, `cache` one cell a slot and session.

    `decoding` are the requests that decode on each slot and `finish` the steps at which they will
    be complete, side by side: they are looked through at every finish.
    """

    requests: Rows
    replicas: Rows
    fleet: Rows
    decoding: NDArray[np.int64]
    finish: NDArray[np.int64]
    batch: NDArray[np.int64]
    batch_tokens: NDArray[np.int64]
    active: NDArray[np.int64]
    home: NDArray[np.int64]
    cache: Rows
    decode_seconds: NDArray[np.float64]
    noise: NDArray[np.float64]


def empty_rows(count: int | tuple[int, int], layout: np.dtype[np.void]) -> Rows:
    """Records that are all zero."""
    return np.zeros(count, layout).view(np.recarray)
