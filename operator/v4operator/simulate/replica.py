"""One replica in virtual time: the scheduler's steps, how long they take, and what is counted.

The state depends on the requests and the changes made, never on how often `advance` was called:
a run of decode steps in progress is evaluated, not booked. No wall time and no chance in here.
"""

import math
from dataclasses import replace

from v4operator.simulate.counters import (
    SGLANG_EDGES,
    Counters,
    Edges,
    Histograms,
    Load,
    Snapshot,
)
from v4operator.simulate.decode_run import DecodeRun
from v4operator.simulate.profiles import ReplicaProfile
from v4operator.simulate.request import Ending, Request
from v4operator.simulate.scheduler import Scheduler

LOG_EVERY_STEPS = 40  # SGLang's decode_log_interval


class Replica:
    """One engine on its devices. Calls that change it carry the time, which never goes back.

    Between steps the engine looks at its door; what happens during a step waits for its end.
    `next_event_at` is when that is due next, infinite while nothing is.
    """

    def __init__(
        self, profile: ReplicaProfile, *, start: float, edges: Edges = SGLANG_EDGES
    ) -> None:
        self.profile = profile
        self.now = start
        self.next_event_at = math.inf
        self.outstanding_tokens = 0
        self._scheduler = Scheduler(profile)
        self._counters = Counters()
        self._histograms = Histograms.empty(edges)
        self._logged = Load(time=start)
        self._speed = 1.0
        self._stalled = False
        self._boundary = start
        self._run: DecodeRun | None = None
        self._idle = True
        self._leaving: list[Request] = []
        self._ended: list[Request] = []

    def advance(self, until: float) -> None:
        """Let time pass up to `until`; earlier times are ignored."""
        while self.next_event_at <= until:
            self._complete()
            self._plan()
        self.now = max(self.now, until)

    def submit(self, request: Request) -> None:
        """Take a request at its arrival; one that can never fit is rejected at once."""
        self.advance(request.arrival)
        self.outstanding_tokens += request.work_tokens
        if not self._scheduler.fits_ever(request):
            self._counters.rejected += 1
            self._end(request, request.arrival, Ending.REJECTED)
            return
        request.deadline = request.arrival + self.profile.client_timeout_seconds
        self._scheduler.add(request)
        self._interrupt(max(self.now, request.arrival + self.profile.overhead_seconds))

    def set_speed(self, at: float, factor: float) -> None:
        """Run at `factor` of the healthy speed from the next step on; 0.5 is half speed."""
        if not 0 < factor < math.inf:
            raise ValueError(f"speed factor: found {factor}, allowed: above 0 (a stall stops it)")
        self.advance(at)
        if factor != self._speed:
            self._speed = factor
            self._interrupt(at)

    def set_stalled(self, at: float, *, stalled: bool) -> None:
        """Hang after the step in progress, or go on. Requests stay where they are."""
        self.advance(at)
        if stalled == self._stalled:
            return
        if self._idle:
            self._complete_rest(at)
            self._stalled = stalled
            self._plan()
        else:
            self._stalled = stalled
            self._interrupt(at)

    def abort(self, at: float, request: Request) -> None:
        """The client has gone: its request leaves at the next step boundary."""
        self.advance(at)
        if request in self._scheduler and request not in self._leaving:
            self._leaving.append(request)
            self._interrupt(at)

    def cut(self, at: float) -> None:
        """The process ends: every request that is still here is cut off."""
        self.advance(at)
        for request in tuple(self._scheduler.present()):
            self._end(request, at, Ending.CUT)
        self.next_event_at = math.inf

    def take_ended(self) -> list[Request]:
        """Requests that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def generated(self, request: Request) -> int:
        """Output tokens of `request` that came out up to now."""
        return self._scheduler.generated(request, ahead=self._steps_done())

    @property
    def next_token_at(self) -> float:
        """When the step in progress ends; infinite while nothing runs."""
        if self._run is not None:
            return self._run.end(min(self._run.steps, self._steps_done() + 1))
        return math.inf if self._idle else self.next_event_at

    def snapshot(self) -> Snapshot:
        """Counters and gauges at the present moment."""
        counters = self._counters.copy()
        itl = self._histograms.itl.copy()
        done = self._steps_done()
        if self._run is not None:
            counters.book_run(self._run, done)
            itl.add_ramp(self._run.first, self._run.slope, done, self._run.sequences)
        elif self._idle and not self._stalled:
            counters.idle_seconds += max(0.0, self.now - self._boundary)
        return Snapshot(
            time=self.now,
            counters=counters,
            load=self._load(self.now, done),
            logged=self._logged_by(done),
            histograms=replace(self._histograms, itl=itl),
        )

    def _plan(self) -> None:
        """Decide what happens from the present step boundary on."""
        self._run, self._idle = None, False
        self._open_door()
        if self._stalled:
            self._rest(self._scheduler.next_deadline)
            return
        self._counters.book_retractions(self._scheduler.make_room())
        self._admit()
        if self._scheduler.prefilling:
            self._begin_mixed_step()
        elif self._scheduler.decoding:
            self._begin_run()
        else:
            self._logged = Load(time=self._boundary, decode_tokens=self._counters.decode_tokens)
            self._rest(math.inf)

    def _complete(self) -> None:
        """Book what was planned, at its end."""
        if self._idle:
            self._complete_rest(self.next_event_at)
        elif self._run is not None:
            self._complete_run(self._run)
        else:
            self._complete_mixed_step()

    def _open_door(self) -> None:
        for request in self._leaving:
            if request.ending is None:
                self._scheduler.remove(request)
                self._counters.aborted += 1
                self._end(request, self._boundary, Ending.ABORTED)
        self._leaving.clear()
        self._scheduler.receive(self._boundary)
        for request in self._scheduler.expire(self._boundary):
            self._counters.timed_out += 1
            self._end(request, request.deadline, Ending.TIMED_OUT)

    def _admit(self) -> None:
        for request in self._scheduler.fill_batch():
            if request.admitted_at is None:
                request.admitted_at = self._boundary
                self._histograms.queue.add(self._boundary - request.arrival)

    def _rest(self, until: float) -> None:
        """Do nothing until `until` or the next entry into the queue."""
        self._idle = True
        self.next_event_at = min(until, self._scheduler.next_entry_at)

    def _complete_rest(self, at: float) -> None:
        if not self._stalled:
            self._counters.idle_seconds += max(0.0, at - self._boundary)
        self._boundary = max(self._boundary, at)

    def _begin_mixed_step(self) -> None:
        prefill = self.profile.step.per_prefill_token_seconds * self._scheduler.batch_weight()
        self._logged = self._load(self._boundary, 0)
        self.next_event_at = self._boundary + (self._decode_seconds() + prefill) / self._speed

    def _begin_run(self) -> None:
        sequences = self._scheduler.decoding
        self._run = DecodeRun(
            start=self._boundary,
            first=self._decode_seconds() / self._speed,
            slope=self.profile.step.per_kv_token_seconds * sequences / self._speed,
            sequences=sequences,
            steps=self._scheduler.steps_to_change,
        )
        self.next_event_at = self._run.end(self._run.steps)
        self._interrupt(min(self._scheduler.next_entry_at, self._scheduler.next_deadline))

    def _decode_seconds(self) -> float:
        """The next step at healthy speed, prefill left out."""
        return self.profile.step.seconds(
            sequences=self._scheduler.decoding,
            kv_tokens=self._scheduler.sequence_tokens,
            prefill_tokens=0.0,
        )

    def _interrupt(self, at: float) -> None:
        """Something is to be looked at from `at` on: at the end of the step running then."""
        if at >= self.next_event_at:
            return
        if self._run is not None:
            self._run.steps = self._run.first_boundary(at)
            self.next_event_at = self._run.end(self._run.steps)
        elif self._idle:
            self.next_event_at = max(at, self._boundary)

    def _complete_run(self, run: DecodeRun) -> None:
        self._logged = self._logged_by(run.steps)
        self._counters.book_run(run, run.steps)
        self._histograms.itl.add_ramp(run.first, run.slope, run.steps, run.sequences)
        self._boundary, self._run = self.next_event_at, None
        self._finish(self._scheduler.step(run.steps))

    def _complete_mixed_step(self) -> None:
        seconds = self.next_event_at - self._boundary
        self._boundary = self.next_event_at
        sequences = self._scheduler.decoding
        if sequences:
            self._histograms.itl.add(seconds, sequences)
            self._finish(self._scheduler.step(1))
        computed, emitting = self._scheduler.complete_batch()
        self._counters.book_mixed_step(seconds, sequences=sequences, prefill_tokens=computed)
        for request in emitting:
            self._emit(request)
        if sequences and self._counters.decode_steps % LOG_EVERY_STEPS == 0:
            self._logged = self._load(self._boundary, 0)

    def _emit(self, request: Request) -> None:
        self._counters.prefill_emitted += 1
        if request.first_token_at is None:
            request.first_token_at = self._boundary
            self._counters.book_first_token(request)
            self._histograms.ttft.add(self._boundary - request.arrival)
        if request.remaining == 0:
            self._finish([request])

    def _finish(self, requests: list[Request]) -> None:
        for request in requests:
            self._end(request, self._boundary, Ending.FINISHED)
            self._counters.book_finish(request)
            self._histograms.observe_finish(request)

    def _end(self, request: Request, at: float, ending: Ending) -> None:
        request.ended_at = at
        request.ending = ending
        self.outstanding_tokens -= request.work_tokens
        self._ended.append(request)

    def _steps_done(self) -> int:
        return 0 if self._run is None else self._run.steps_by(self.now)

    def _load(self, at: float, steps: int, *, tokens_per_second: float | None = None) -> Load:
        """Gauges after that many steps of the run in progress."""
        grown = 0 if self._run is None else steps * self._run.sequences
        speed = self._logged.tokens_per_second if tokens_per_second is None else tokens_per_second
        return Load(
            time=at,
            running=self._scheduler.running,
            waiting=self._scheduler.waiting,
            held_tokens=self._scheduler.held_tokens + grown,
            sequence_tokens=self._scheduler.sequence_tokens + grown,
            tokens_per_second=speed,
            decode_tokens=self._counters.decode_tokens + grown,
        )

    def _logged_by(self, done: int) -> Load:
        """The last log line, `done` steps into the run in progress."""
        before = self._scheduler.decode_steps
        step = (before + done) // LOG_EVERY_STEPS * LOG_EVERY_STEPS - before
        if self._run is None or step <= 0:
            return self._logged
        at, run = self._run.end(step), self._run
        if step > LOG_EVERY_STEPS:
            since, tokens = run.end(step - LOG_EVERY_STEPS), LOG_EVERY_STEPS * run.sequences
        else:
            since = self._logged.time
            tokens = self._counters.decode_tokens + step * run.sequences
            tokens -= self._logged.decode_tokens
        return self._load(at, step, tokens_per_second=tokens / (at - since))
