"""Who waits, who prefills, who decodes and how much KV cache they hold. Knows steps, not seconds.

As SGLang and vLLM do it: first in, first out; a prefill budget a step, mixed with the running
decodes; admission keeps a watermark free; when the KV pool is full the youngest is retracted.
"""

import math
from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush

from v4operator.simulate.profiles import ReplicaProfile
from v4operator.simulate.request import Request


class Scheduler:
    """State of one replica's requests. `decode_steps` numbers the steps that decoded something."""

    def __init__(self, profile: ReplicaProfile) -> None:
        self.decode_steps = 0
        self.held_tokens = 0
        self.sequence_tokens = 0
        self._profile = profile
        self._incoming: deque[Request] = deque()
        self._waiting: deque[Request] = deque()
        self._partial: Request | None = None
        self._batch: list[tuple[Request, int]] = []
        self._decoding: dict[int, Request] = {}
        self._finish_order: list[tuple[int, int]] = []
        self._admitted = 0

    @property
    def decoding(self) -> int:
        """Sequences that decode."""
        return len(self._decoding)

    @property
    def prefilling(self) -> int:
        """Sequences in the prefill of the present step."""
        return len(self._batch)

    @property
    def running(self) -> int:
        """Sequences that hold a slot: decoding or in prefill."""
        return len(self._decoding) + (len(self._batch) or int(self._partial is not None))

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def next_entry_at(self) -> float:
        """When the next request reaches the queue: its arrival and the fixed overhead."""
        if not self._incoming:
            return math.inf
        return self._incoming[0].arrival + self._profile.overhead_seconds

    @property
    def next_deadline(self) -> float:
        """When the first client in the queue loses patience. Answered ones (retracted) do not."""
        for request in self._waiting:
            if request.first_token_at is None:
                return request.deadline
        return math.inf

    @property
    def steps_to_change(self) -> int:
        """Decode steps until a sequence finishes or the KV pool is full. Something must decode."""
        room = (self._profile.kv_capacity_tokens - self.held_tokens) // len(self._decoding)
        return min(self._next_finish_step() - self.decode_steps, room)

    def __contains__(self, request: Request) -> bool:
        return request.ending is None and any(here is request for here in self.present())

    def present(self) -> Iterator[Request]:
        """Every request that has not ended."""
        yield from self._decoding.values()
        yield from self._waiting
        yield from self._incoming
        batch = [request for request, _ in self._batch]
        yield from batch
        if self._partial is not None and self._partial not in batch:
            yield self._partial

    def fits_ever(self, request: Request) -> bool:
        """Whether the KV pool could hold it to its end if it were alone."""
        whole = request.prompt_tokens + request.output_tokens
        return whole + self._watermark(growing=1) <= self._profile.kv_capacity_tokens

    def add(self, request: Request) -> None:
        """Take a request in. Arrivals come in order of time."""
        self._incoming.append(request)

    def receive(self, now: float) -> None:
        """Let those into the queue that have reached it by `now`."""
        while self.next_entry_at <= now:
            self._waiting.append(self._incoming.popleft())

    def expire(self, now: float) -> list[Request]:
        """Take those out of the queue whose clients have left unanswered."""
        if self.next_deadline > now:
            return []
        late = [r for r in self._waiting if r.first_token_at is None and r.deadline <= now]
        for request in late:
            self._waiting.remove(request)
        return late

    def make_room(self) -> list[tuple[Request, int]]:
        """Retract the youngest until all can grow by a token: each with what it had generated."""
        retracted = []
        while self.held_tokens + len(self._decoding) > self._profile.kv_capacity_tokens:
            youngest = self._partial or next(reversed(self._decoding.values()))
            generated = self.generated(youngest)
            self._release(youngest)
            youngest.retract(generated)
            self._waiting.appendleft(youngest)
            retracted.append((youngest, generated))
        return retracted

    def fill_batch(self) -> list[Request]:
        """Choose the prefill of the next step, admitting from the queue: who was admitted."""
        budget, admitted = self._profile.chunk_tokens, []
        if self._partial is not None:
            budget -= self._take(self._partial, budget)
        while budget > 0 and self._waiting and self._fits(self._waiting[0]):
            request = self._waiting.popleft()
            self._admitted += 1
            request.order = self._admitted
            self.held_tokens += request.context_tokens
            admitted.append(request)
            budget -= self._take(request, budget)
        return admitted

    def batch_weight(self) -> float:
        """Prefill tokens of the batch, each weighted by 1 + x / X0 for its context position x."""
        scale = self._profile.prefill_context_tokens
        return sum(
            tokens * (1 + (request.position + tokens / 2) / scale)
            for request, tokens in self._batch
        )

    def complete_batch(self) -> tuple[int, list[Request]]:
        """End the prefill of a step: tokens computed, and the requests that emit a token now.

        The caller finishes those with nothing `remaining`; the others decode from the next step.
        """
        batch, self._batch, self._partial = self._batch, [], None
        emitting = []
        for request, tokens in batch:
            request.position += tokens
            request.to_prefill -= tokens
            if request.to_prefill:
                self._partial = request
            else:
                self._start_decoding(request)
                emitting.append(request)
        return sum(tokens for _, tokens in batch), emitting

    def step(self, steps: int) -> list[Request]:
        """Let every decoding sequence grow by `steps` tokens: those that are complete now."""
        self.decode_steps += steps
        self.held_tokens += steps * len(self._decoding)
        self.sequence_tokens += steps * len(self._decoding)
        finished = []
        while self._decoding and self._next_finish_step() <= self.decode_steps:
            request = self._decoding[heappop(self._finish_order)[1]]
            self._release(request)
            finished.append(request)
        return finished

    def remove(self, request: Request) -> None:
        """Take out a request that leaves before its end. Between steps only."""
        if request in self._waiting:
            self._waiting.remove(request)
        elif request in self._incoming:
            self._incoming.remove(request)
        else:
            self._release(request)

    def generated(self, request: Request, *, ahead: int = 0) -> int:
        """Output tokens of a request so far, `ahead` steps into a run that is not booked yet."""
        if request.order in self._decoding:
            left = request.finish_step - self.decode_steps - ahead
            return request.output_tokens - left
        return request.output_tokens - request.remaining

    def _start_decoding(self, request: Request) -> None:
        request.remaining -= 1
        if request.remaining == 0:
            self.held_tokens -= request.position
            return
        request.finish_step = self.decode_steps + request.remaining
        self._decoding[request.order] = request
        self.sequence_tokens += request.position
        heappush(self._finish_order, (request.finish_step, request.order))

    def _take(self, request: Request, budget: int) -> int:
        tokens = min(budget, request.to_prefill)
        self._batch.append((request, tokens))
        return tokens

    def _watermark(self, *, growing: int) -> int:
        """Tokens that admission leaves free, at least one for each sequence that grows."""
        share = int(self._profile.kv_capacity_tokens * self._profile.watermark_ratio)
        return max(share, growing)

    def _fits(self, request: Request) -> bool:
        running = len(self._decoding) + len(self._batch)
        needed = request.context_tokens + self._watermark(growing=running + 1)
        free = self._profile.kv_capacity_tokens - self.held_tokens
        return running < self._profile.max_running and needed <= free

    def _release(self, request: Request) -> None:
        """Take a request off the devices and free its KV: its prompt and all but the last token."""
        if request is self._partial:
            self._partial = None
            self.held_tokens -= request.context_tokens
            return
        generated = self.generated(request)
        del self._decoding[request.order]
        request.remaining = request.output_tokens - generated
        context = request.prompt_tokens + generated - 1
        self.held_tokens -= context
        self.sequence_tokens -= context

    def _next_finish_step(self) -> int:
        while self._finish_order[0][1] not in self._decoding:
            heappop(self._finish_order)
        return self._finish_order[0][0]
