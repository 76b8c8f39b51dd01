"""The kernel's memory for one trace and one setting, and more of it when a fleet grows."""

from typing import Any

import numpy as np

from v4operator.simulate.fast.kernel.layout import (
    AFFINITY,
    CACHE,
    ENGINE_LIMIT,
    FLEET,
    GATEWAY,
    LEAST,
    NEVER,
    PLAIN,
    REPLICA,
    REQUEST,
    Rows,
    State,
    empty_rows,
)
from v4operator.simulate.fast.setting import Setting
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.fast.truths import decode_seconds, noise_table, true_step

_ROUTERS = {"least": LEAST, "affinity": AFFINITY}
_OVERLOADS = {"plain": PLAIN, "engine-limit": ENGINE_LIMIT, "gateway": GATEWAY}


def new_state(trace: Trace, setting: Setting, slots: int) -> State:
    """Nothing has happened yet; no slot is active."""
    sessions = int(trace.session.max(initial=-1)) + 1
    width = setting.max_running
    state = State(
        requests=_requests(trace),
        replicas=empty_rows(slots, REPLICA),
        fleet=_fleet(trace, setting),
        decoding=np.zeros((slots, width), np.int64),
        finish=np.zeros((slots, width), np.int64),
        batch=np.zeros((slots, width), np.int64),
        batch_tokens=np.zeros((slots, width), np.int64),
        active=np.zeros(slots, np.int64),
        home=np.full(sessions, -1, np.int64),
        cache=empty_rows((slots, sessions), CACHE),
        decode_seconds=decode_seconds(setting.profile, setting.truth),
        noise=noise_table(setting.truth, setting.seed),
    )
    state.replicas.next_event[:] = np.inf
    state.replicas.emptied[:] = np.inf
    return state


def with_slots(state: State, slots: int) -> State:
    """The same state with room for more replicas."""

    def longer(array: Any) -> Any:
        more = np.zeros((slots, *array.shape[1:]), array.dtype)
        more[: len(array)] = array
        return more.view(np.recarray) if isinstance(array, np.recarray) else more

    old = len(state.replicas)
    grown = state._replace(
        replicas=longer(state.replicas),
        decoding=longer(state.decoding),
        finish=longer(state.finish),
        batch=longer(state.batch),
        batch_tokens=longer(state.batch_tokens),
        active=longer(state.active),
        cache=longer(state.cache),
    )
    grown.replicas.next_event[old:] = np.inf
    grown.replicas.emptied[old:] = np.inf
    return grown


def open_slot(state: State, slot: int, *, now: float, noise_at: int) -> None:
    """An empty replica begins to serve: nothing runs, nothing is cached, every counter at zero."""
    state.replicas[slot : slot + 1] = np.zeros(1, REPLICA)
    replica = state.replicas[slot]
    replica.boundary = now
    replica.next_event = replica.emptied = np.inf
    replica.pace = replica.decode_pace = 1.0
    replica.noise_at = noise_at % len(state.noise)
    replica.next_finish = NEVER
    replica.partial = replica.coming_head = replica.waiting_head = -1
    replica.takes = 1
    state.cache[slot] = np.zeros(state.cache.shape[1], CACHE)
    state.home[state.home == slot] = -1


def _requests(trace: Trace) -> Rows:
    rows = empty_rows(len(trace), REQUEST)
    rows.arrival[:] = trace.arrival
    rows.prompt[:] = trace.prompt
    rows.output[:] = trace.output
    rows.session[:] = trace.session
    rows.prefix[:] = trace.prefix
    rows.first_token[:] = np.nan
    rows.ended[:] = np.nan
    rows.slot[:] = -1
    return rows


def _fleet(trace: Trace, setting: Setting) -> Rows:
    profile, row = setting.profile, empty_rows(1, FLEET)
    fleet = row[0]
    law = true_step(profile, setting.truth)
    fleet.outside_head = fleet.outside_tail = -1
    fleet.per_kv_token = law.per_kv_token_seconds
    fleet.per_prefill_token = law.per_prefill_token_seconds
    fleet.prefill_context = profile.prefill_context_tokens
    fleet.overhead = profile.overhead_seconds
    fleet.patience = profile.client_timeout_seconds
    fleet.chunk = profile.chunk_tokens
    fleet.capacity = profile.kv_capacity_tokens
    fleet.watermark = int(profile.kv_capacity_tokens * profile.watermark_ratio)
    fleet.max_running = setting.max_running
    fleet.room = setting.room(float(trace.output.mean()) if len(trace) else 1.0)
    fleet.router = _ROUTERS[setting.router]
    fleet.overload = _OVERLOADS[setting.overload]
    fleet.prefill_first = setting.truth.prefill_first
    return row
