"""What a replica has counted so far, and what its engine's log lines last said."""

from copy import copy
from dataclasses import dataclass

from v4operator.model.reading import Engine
from v4operator.simulate.decode_run import DecodeRun
from v4operator.simulate.histogram import Histogram
from v4operator.simulate.request import Request

# SGLang 0.5.23, metrics_collector.py, as its expositions show them.
_SGLANG_TTFT = (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400)
_SGLANG_ITL = (
    *(0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.06),
    *(0.08, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8),
)
_SGLANG_QUEUE = (
    *(0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 10, 15, 20, 30, 40, 50, 60),
    *(70, 80, 90, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1200, 1400, 1600, 1800),
    *(2000, 2500, 3000),
)
_SGLANG_TOKENS = (
    *(100, 300, 500, 700, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000),
    *(12_500, 15_000, 17_500, 20_000, 22_500, 25_000, 27_500, 30_000, 35_000, 40_000, 60_000),
    *(80_000, 100_000, 200_000, 300_000, 400_000, 600_000, 800_000, 1_000_000, 1_100_000),
)
# vLLM 0.33.0, v1/metrics/loggers.py and buckets.py, likewise.
_VLLM_TTFT = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
    *(20, 40, 80, 160, 640, 2560),
)
_VLLM_ITL = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
    *(20, 40, 80),
)
_VLLM_LATENCY = (
    *(0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960),
    *(1920, 7680),
)
_VLLM_TOKENS = tuple(m * 10**e for e in range(6) for m in (1, 2, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Bucket edges of one engine, without the last one (+Inf)."""

    ttft: tuple[float, ...]
    itl: tuple[float, ...]
    latency: tuple[float, ...]
    queue: tuple[float, ...]
    tokens: tuple[float, ...]


SGLANG_EDGES = Edges(
    ttft=_SGLANG_TTFT,
    itl=_SGLANG_ITL,
    latency=(*_SGLANG_TTFT, 600, 1200, 1800, 2400),
    queue=_SGLANG_QUEUE,
    tokens=_SGLANG_TOKENS,
)
VLLM_EDGES = Edges(
    ttft=_VLLM_TTFT,
    itl=_VLLM_ITL,
    latency=_VLLM_LATENCY,
    queue=_VLLM_LATENCY,
    tokens=(*_VLLM_TOKENS, 10**6),
)


EDGES = {Engine.SGLANG: SGLANG_EDGES, Engine.VLLM: VLLM_EDGES}


@dataclass(slots=True)
class Counters:
    """Totals since the replica started, in tokens, requests, steps and seconds.

    `prefill_tokens` counts computed prompt tokens as batches end, `prompt_tokens` and
    `cached_tokens` whole prompts as their first token comes out. `prefill_emitted` are tokens that
    came out of prefill (first tokens, and the next token of a retracted request), `decode_tokens`
    those out of decode steps; their sum is every token generated. `finished_*` move at the end of a
    request.
    """

    steps: int = 0
    prefill_batches: int = 0
    decode_steps: int = 0
    decode_tokens: int = 0
    prefill_emitted: int = 0
    prefill_tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    first_tokens: int = 0
    finished: int = 0
    finished_prompt_tokens: int = 0
    finished_cached_tokens: int = 0
    finished_output_tokens: int = 0
    retractions: int = 0
    retracted_input_tokens: int = 0
    retracted_output_tokens: int = 0
    timed_out: int = 0
    rejected: int = 0
    aborted: int = 0
    busy_seconds: float = 0.0
    idle_seconds: float = 0.0

    def copy(self) -> "Counters":
        """An independent copy."""
        return copy(self)

    def book_run(self, run: DecodeRun, steps: int) -> None:
        """The first `steps` steps of a run of decode steps."""
        self.steps += steps
        self.decode_steps += steps
        self.decode_tokens += steps * run.sequences
        self.busy_seconds += run.end(steps) - run.start

    def book_mixed_step(self, seconds: float, *, sequences: int, prefill_tokens: int) -> None:
        """One step that computed prompt tokens, and decoded `sequences` along the way."""
        self.steps += 1
        self.prefill_batches += 1
        self.prefill_tokens += prefill_tokens
        self.busy_seconds += seconds
        if sequences:
            self.decode_steps += 1
            self.decode_tokens += sequences

    def book_first_token(self, request: Request) -> None:
        """A prompt is complete and its first token out."""
        self.first_tokens += 1
        self.prompt_tokens += request.prompt_tokens
        self.cached_tokens += request.cached_tokens

    def book_finish(self, request: Request) -> None:
        """A request is answered in full."""
        self.finished += 1
        self.finished_prompt_tokens += request.prompt_tokens
        self.finished_cached_tokens += request.cached_tokens
        self.finished_output_tokens += request.output_tokens

    def book_retractions(self, retracted: list[tuple[Request, int]]) -> None:
        """Requests that had to give their KV back, each with the tokens it had generated."""
        for request, generated in retracted:
            self.retractions += 1
            self.retracted_input_tokens += request.prompt_tokens
            self.retracted_output_tokens += generated


@dataclass(slots=True)
class Histograms:
    """The distributions that engines publish. Lengths in tokens, the others in seconds."""

    ttft: Histogram
    itl: Histogram
    tpot: Histogram
    latency: Histogram
    queue: Histogram
    prompt_lengths: Histogram
    output_lengths: Histogram

    @classmethod
    def empty(cls, edges: Edges) -> "Histograms":
        """All of them without an observation."""
        return cls(
            ttft=Histogram(edges.ttft),
            itl=Histogram(edges.itl),
            tpot=Histogram(edges.itl),
            latency=Histogram(edges.latency),
            queue=Histogram(edges.queue),
            prompt_lengths=Histogram(edges.tokens),
            output_lengths=Histogram(edges.tokens),
        )

    def observe_finish(self, request: Request) -> None:
        """What engines observe when a request is answered in full."""
        if request.ended_at is not None:
            self.latency.add(request.ended_at - request.arrival)
        self.prompt_lengths.add(request.prompt_tokens)
        self.output_lengths.add(request.output_tokens)
        if request.tpot_seconds is not None:
            self.tpot.add(request.tpot_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Gauges at one moment: requests and tokens now, `tokens_per_second` over the last window."""

    time: float
    running: int = 0
    waiting: int = 0
    held_tokens: int = 0
    sequence_tokens: int = 0
    tokens_per_second: float = 0.0
    decode_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything an engine would publish at `time`.

    `load` is live; `logged` is what the last log line said (SGLang refreshes its gauges then).
    """

    time: float
    counters: Counters
    load: Load
    logged: Load
    histograms: Histograms
