"""The count that a person sets where the operator does not: copied to the workload. Pure."""

from v4operator.model.deployment import ScalingMode
from v4operator.model.effects import SetReplicas
from v4operator.model.observation import Observation


def fixed_count(observation: Observation) -> tuple[SetReplicas, ...]:
    """What makes the workload hold `spec.replicas`, in Recommend and Disabled; else nothing.

    Where the field is absent nobody touches the count, and Automatic ignores it.
    """
    deployment, workload = observation.deployment, observation.workload
    wanted, scaling = deployment.replicas, deployment.scaling
    if wanted is None or scaling.paused or scaling.mode is ScalingMode.AUTOMATIC:
        return ()
    if workload.desired is None or workload.desired == wanted:
        return ()
    return (
        SetReplicas(expected=workload.desired, count=wanted, version=workload.version, victim=None),
    )
