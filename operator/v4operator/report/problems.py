"""The status of a V4Deployment that could not be looked at, with the reason in place of figures.

Pure. Nothing else is said: figures of a workload that is not there, or of a spec that is not
understood, would be made up.
"""

from collections.abc import Mapping
from typing import Any

from v4operator.api.conditions import ConditionReason, ConditionStatus, ConditionType
from v4operator.report.columns import problem_columns
from v4operator.report.document import plain, rfc3339

INVALID_SPEC = "InvalidSpec"
"""The spec says something that admission could not see to be wrong."""

WORKLOAD_UNAVAILABLE = "WorkloadUnavailable"
"""What should run the replicas is not there, or cannot be read."""

NO_PODS = "NoPods"
"""Replicas are asked for and no pod matches the selector."""

PERMISSION_DENIED = ConditionReason.PERMISSION_DENIED.value
"""It may not be read; the message names the rule that is missing."""


def problem_document(
    held: Mapping[str, Any],
    *,
    generation: int,
    reason: str,
    message: str,
    now: float,
    checkpoint: str = "",
) -> dict[str, Any]:
    """A status document with `Ready` false; since when is kept from the one that is `held`.

    `checkpoint` as the spec names it, for the row of a list.
    """
    ready, false = ConditionType.READY.value, ConditionStatus.FALSE.value
    since = (
        each.get("lastTransitionTime")
        for each in held.get("conditions") or ()
        if each.get("type") == ready and each.get("status") == false
    )
    return {
        "observedGeneration": generation,
        "columns": plain(problem_columns(checkpoint, reason)),
        "conditions": [
            {
                "type": ready,
                "status": false,
                "reason": reason,
                "message": message,
                "lastTransitionTime": next(since, None) or rfc3339(now),
                "observedGeneration": generation,
            }
        ],
    }
