"""What an estimate must remember between cycles, and across a restart of the operator.

Plain numbers, texts and tuples only, so that it can be written as JSON and read back. No
behaviour but the key and the empty value; `v4operator.estimate` makes and reads all of it.
"""

from dataclasses import dataclass, field

from v4operator.model.deployment import Deployment
from v4operator.model.forecast import Mix
from v4operator.model.secrets import without_secrets
from v4operator.model.step import StepTime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCell:
    """The mean step at one level of load: evidence of alike load, averaged before it is fitted.

    `rate_band` and `prefill_band` number the level, `weight` is the number of blocks in the means,
    less what has been forgotten; `freshness` falls from 1 while nothing is added.
    """

    rate_band: int
    prefill_band: int
    weight: float
    freshness: float
    sequences: float
    kv_tokens: float
    prefill_tokens: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFit:
    """Gaussian belief about the four coefficients of the step-time law, and its evidence.

    The unknowns are `factors` of `scale` (the law believed in before anything was seen), in the
    order base, sequence, KV token, prefill token. `covariance` is a 4 x 4 matrix row by row.
    """

    scale: StepTime
    cells: tuple[LoadCell, ...]
    covariance: tuple[float, ...]
    factors: tuple[float, ...]

    @property
    def law(self) -> StepTime:
        """The step-time law believed in now, in seconds."""
        base, sequence, kv_token, prefill_token = self.factors
        return StepTime(
            base_seconds=self.scale.base_seconds * base,
            per_sequence_seconds=self.scale.per_sequence_seconds * sequence,
            per_kv_token_seconds=self.scale.per_kv_token_seconds * kv_token,
            per_prefill_token_seconds=self.scale.per_prefill_token_seconds * prefill_token,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The mean step of all blocks that were learned in one band of batch sizes and of mixes.

    `learned_seconds` is how long the fleet was seen in it, `weight` the number of blocks.
    """

    number: int
    mix: int = 0
    learned_seconds: float = 0.0
    weight: float = 0.0
    sequences: float = 0.0
    kv_tokens: float = 0.0
    prefill_tokens: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The fit that stays: what this deployment did when it was new.

    `bands` tells what was learned at each size of batch; a band that has had enough is closed and
    learns no more. `token_seconds` is what one more sequence added to a step, prompt tokens and
    context included, in the mix that came first: other mixes are told from it.
    `accept_length` is the mean over its first `accept_seconds`.
    `counts` holds for each number of replicas the mean log of observed over expected tokens and
    the seconds it was learned in, the number that the fit began with first.
    """

    fit: StepFit
    bands: tuple[Band, ...] = ()
    token_seconds: float | None = None
    accept_length: float | None = None
    accept_seconds: float = 0.0
    counts: tuple[tuple[int, float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Sums over the usable poll intervals of one replica since the block began.

    `sequence_seconds` is the integral of the batch size. The `token_` sums weight batch size and
    resident KV tokens with the tokens decoded meanwhile, `prefill_sequences` sums computed prompt
    tokens times batch size: what a linear fit of the step time needs.
    """

    seconds: float = 0.0
    tokens: float = 0.0
    expected_tokens: float = 0.0
    sequence_seconds: float = 0.0
    token_sequences: float = 0.0
    token_kv_tokens: float = 0.0
    prefill_sequences: float = 0.0
    accept_length_seconds: float = 0.0
    accept_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Long-run variance of healthy blocks' log ratios; `None` before any was seen.

    `blocks` counts the half minutes it was learned in. `departures` are the last ones of what all
    replicas share; those of single replicas are in their `Standing`.
    """

    variance: float | None = None
    blocks: int = 0
    departures: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one replica has kept up, as of its last judged block (`judged_at`, Unix seconds).

    Rates are means over about the last minute of judged blocks. `peer_score` and `reference_score`
    are the sequential tests' sums, `peer_score_large` that of one for large losses; `behind_*` says
    that a test has struck and not yet cleared.
    `peer_deviation` is the mean log of own over the peers' efficiency, `departures` are that of
    each of the last blocks (of a replica without peers: against the reference);
    `lasting_log_ratio` is the log of the efficiency over five minutes.
    """

    judged_at: float | None = None
    observed_tokens_per_second: float = 0.0
    expected_tokens_per_second: float = 0.0
    sequences: float = 0.0
    context_tokens: float = 0.0
    accept_length: float | None = None
    peers: int = 0
    peer_deviation: float = 0.0
    peer_score: float = 0.0
    peer_score_large: float = 0.0
    behind_peers: bool = False
    reference_score: float = 0.0
    behind_reference: bool = False
    departures: tuple[float, ...] = ()
    lasting_log_ratio: float = 0.0

    @property
    def efficiency(self) -> float | None:
        """Observed over expected decode tokens, a ratio; `None` before the first judged block."""
        if self.expected_tokens_per_second <= 0.0:
            return None
        return self.observed_tokens_per_second / self.expected_tokens_per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Everything remembered about one replica. A new `ready_at` starts a new track."""

    name: str
    ready_at: float | None
    block: Block = field(default_factory=Block)
    standing: Standing = field(default_factory=Standing)
    stalled_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSample:
    """Sums over the fresh ready replicas, means over the minute that ended at `time`.

    `None` where no replica gives the figure. `waiting` includes what waits at a gateway, whose
    count of lost requests is `lost_total`.
    """

    time: float
    replicas: int
    decode_tokens_per_second: float
    prefill_tokens_per_second: float
    prompt_tokens_per_second: float
    first_tokens_per_second: float | None
    finished_requests_per_second: float | None
    running: float
    waiting: float
    kv_tokens: float | None
    lost_total: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What came in over the last minutes before `time`; requests are `None` where nobody tells.

    Tokens are those served; of them `cleared_requests_per_second` (whole requests) had come before.
    Requests and tokens a second and not replicas, so that it is priced by what is known today of
    the replicas; what a request asks is what it asked then (`None`: not remembered).
    """

    time: float
    requests_per_second: float | None
    decode_tokens_per_second: float
    prefill_tokens_per_second: float
    cleared_requests_per_second: float = 0.0
    request_decode_tokens: float | None = None
    request_prefill_tokens: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What came in once, and the ratio to it that was foreseen for one horizon later."""

    traffic: Traffic
    foreseen_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Errors of the demand's forecasts: squared logarithms summed over seconds of evidence.

    `expectations` wait for their horizon, oldest first.
    """

    expectations: tuple[Expectation, ...] = ()
    square_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Work that came, in replica-seconds, and how much found no ready replica or was lost outside.

    `seconds` is how long both were watched; older evidence counts less in all three.
    """

    short_replica_seconds: float = 0.0
    work_replica_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FullReplicas:
    """How much work full replicas did: the sum of `log(served / expected)` over so many blocks."""

    log_ratio_sum: float = 0.0
    blocks: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUps:
    """Replicas seen on their way up, and how long the last ones took, in seconds."""

    under_way: tuple[str, ...] = ()
    durations_seconds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """All that one V4Deployment has taught.

    `key` names what the fits belong to. `first_seen_at` is the time of the first observation ever,
    `block_started_at` when the present half minute of evidence began.
    `own_scatter` is that of single replicas, `shared_scatter` of what all have in common.
    `history` is the last quarter of an hour, `peaks` the busiest minutes of each stretch before,
    both oldest first; `growth` is how wrong forecasts of them have been, `shortage` how much came
    for which replicas were missing, `full` how far full replicas were from the law.
    `kv_excess_since` is since when more KV has been asked for than the pools hold.
    """

    key: str
    first_seen_at: float | None = None
    block_started_at: float | None = None
    sizing: StepFit | None = None
    reference: Reference | None = None
    tracks: tuple[Track, ...] = ()
    history: tuple[FleetSample, ...] = ()
    mix: Mix | None = None
    own_scatter: Scatter = field(default_factory=Scatter)
    shared_scatter: Scatter = field(default_factory=Scatter)
    trend_replicas_per_second: float = 0.0
    peaks: tuple[Traffic, ...] = ()
    growth: Growth = field(default_factory=Growth)
    shortage: Shortage = field(default_factory=Shortage)
    full: FullReplicas = field(default_factory=FullReplicas)
    start_ups: StartUps = field(default_factory=StartUps)
    kv_excess_since: float | None = None

    @classmethod
    def empty(cls, key: str) -> "Learned":
        """Nothing learned yet, for the fits named `key` (see `key_of_fit`)."""
        return cls(key=key)


def key_of_fit(deployment: Deployment) -> str:
    """What a fit belongs to: checkpoint, engine, version, arguments, devices and layout.

    Anything else may change without the step time changing with it. It is stored, so that secrets
    among the arguments are left out.
    """
    plan = deployment.memory
    parts = (
        plan.checkpoint,
        f"{plan.engine} {plan.engine_version or 'unknown version'}",
        f"{plan.devices}x {plan.accelerator} {plan.layout.label}",
        " ".join(without_secrets(plan.engine_args)),
    )
    return " | ".join(parts)
