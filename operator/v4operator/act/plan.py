"""Verdict -> effects: what has to be written so that the decision comes true. Pure.

Each effect carries what it was decided on, so that `apply` can drop it where the world moved on.
"""

from collections.abc import Iterator

from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.observation import Observation
from v4operator.model.verdict import Decision, Verdict


def plan(observation: Observation, verdict: Verdict) -> tuple[Effect, ...]:
    """The effects in the order of their writing; empty where the world is as it should be.

    The count comes before routing: any write may change the workload's version, and only the
    count is written on condition of it.
    """
    decision = verdict.decision
    return (*_count(observation, decision), *_routing(observation, decision))


def _count(observation: Observation, decision: Decision) -> Iterator[SetReplicas]:
    current, desired = decision.current, decision.desired
    if current is None or desired is None or current == desired:
        return
    if desired < current and not decision.release:
        return
    yield SetReplicas(
        expected=current,
        count=desired,
        version=observation.workload.version,
        victim=decision.drain,
    )


def _routing(observation: Observation, decision: Decision) -> Iterator[SetRoutable]:
    routable = {r.replica.name: r.replica.routable for r in observation.replicas}
    if decision.restore is not None and not routable.get(decision.restore, True):
        yield SetRoutable(replica=decision.restore, routable=True)
    if decision.drain is not None and not decision.release and routable.get(decision.drain):
        yield SetRoutable(replica=decision.drain, routable=False)
