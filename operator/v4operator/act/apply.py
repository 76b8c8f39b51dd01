"""Carries effects out, one after the other, each only if the world is still what it was decided on.

The workload is read again before every write. The first effect that does not go through ends the
batch: what follows was decided for a world that is not there. The next cycle decides anew.
"""

from dataclasses import dataclass

from v4operator.act.ports import Outcome, WorkloadWriter
from v4operator.model.deployment import Deployment, Key
from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.replica import Phase, Replica, Workload
from v4operator.observe.ports import WorkloadUnavailable, WorkloadView


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One effect and what became of it; `message` says what happened, or what stood in the way."""

    effect: Effect
    outcome: Outcome
    message: str


async def apply(
    key: Key,
    effects: tuple[Effect, ...],
    view: WorkloadView,
    deployment: Deployment,
    writer: WorkloadWriter,
) -> tuple[Applied, ...]:
    """Write `effects` in order and stop at the first that is not done. Never raises."""
    done: list[Applied] = []
    for effect in effects:
        outcome, message = await _one(key, effect, view, deployment, writer)
        done.append(Applied(effect=effect, outcome=outcome, message=message))
        if outcome is not Outcome.DONE:
            break
    return tuple(done)


async def _one(
    key: Key,
    effect: Effect,
    view: WorkloadView,
    deployment: Deployment,
    writer: WorkloadWriter,
) -> tuple[Outcome, str]:
    try:
        workload = await view.read(deployment)
    except WorkloadUnavailable as error:
        return Outcome.REFUSED, f"the workload could not be read just before the write: {error}"
    obstacle = objection(effect, workload)
    if obstacle is not None:
        return Outcome.CONFLICT, obstacle
    return await writer.write(key, effect)


def objection(effect: Effect, workload: Workload) -> str | None:
    """Why `effect` no longer fits the workload, or `None` where it does."""
    if isinstance(effect, SetReplicas):
        return _against_count(effect, workload)
    return _against_routing(effect, workload)


def _against_count(effect: SetReplicas, workload: Workload) -> str | None:
    if workload.desired != effect.expected:
        return f"the count is {workload.desired}, not {effect.expected} as decided on"
    if workload.version != effect.version:
        return f"the workload is at version {workload.version}, not {effect.version}"
    if effect.count >= effect.expected or effect.victim is None:
        return None
    return _against_victim(effect.victim, workload)


def _against_victim(name: str, workload: Workload) -> str | None:
    """A victim that serves is out of routing, and no other is unready: that one would go first."""
    victim = _named(name, workload)
    if victim is None:
        return f"{name} is not there any more"
    if victim.phase is not Phase.READY:
        return None
    if victim.routable:
        return f"{name} takes requests again"
    unready = [r.name for r in workload.replicas if r.phase not in {Phase.READY, Phase.DRAINING}]
    return f"{unready[0]} is not ready and would go instead of {name}" if unready else None


def _against_routing(effect: SetRoutable, workload: Workload) -> str | None:
    if _named(effect.replica, workload) is None:
        return f"{effect.replica} is not there any more"
    others = (r for r in workload.replicas if r.name != effect.replica)
    if not effect.routable and not any(r.routable and r.phase is Phase.READY for r in others):
        return f"{effect.replica} is the last replica that takes requests"
    return None


def _named(name: str, workload: Workload) -> Replica | None:
    return next((r for r in workload.replicas if r.name == name), None)
