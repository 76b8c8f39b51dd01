"""How long a replica takes from being created to being ready: what a decision must look ahead."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from v4operator.model.learned import StartUps
from v4operator.model.replica import Phase, Replica

# V4-Flash is ready after about 8 minutes (vllm#43189); a cold start of V4-Pro, which loads three
# times the bytes, takes about twice as long.
_FLASH_SECONDS = 480.0
_PRO_SECONDS = 900.0

# The median of the last nine follows a change of storage or image within five starts.
_KEPT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUpTime:
    """Time to ready in seconds, and where it comes from."""

    seconds: float
    source: str


def watch(start_ups: StartUps, replicas: Iterable[Replica]) -> StartUps:
    """Note who is on the way up and how long those took that have become ready since.

    Counted is only who was seen before it was ready: for others `created_at` may be the time of
    discovery. A start that failed never becomes ready and so never counts.
    """
    under_way = set(start_ups.under_way)
    present = tuple(replicas)
    durations = [
        replica.ready_at - replica.created_at
        for replica in present
        if replica.name in under_way
        and replica.phase is Phase.READY
        and replica.ready_at is not None
        and replica.ready_at > replica.created_at
    ]
    return StartUps(
        under_way=tuple(r.name for r in present if r.ready_at is None),
        durations_seconds=(*start_ups.durations_seconds, *durations)[-_KEPT:],
    )


def time_to_ready(start_ups: StartUps, checkpoint: str) -> StartUpTime:
    """The median of the starts seen and one prior start of that checkpoint's size."""
    is_pro = "-pro" in checkpoint.lower()
    prior = _PRO_SECONDS if is_pro else _FLASH_SECONDS
    seen = start_ups.durations_seconds
    if not seen:
        return StartUpTime(seconds=prior, source=f"prior for V4-{'Pro' if is_pro else 'Flash'}")
    starts = "1 start" if len(seen) == 1 else f"{len(seen)} starts"
    return StartUpTime(seconds=median((*seen, prior)), source=f"median of {starts} and the prior")
