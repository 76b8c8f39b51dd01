"""Types and reasons of the conditions that a V4Deployment carries. Names only; they are stable.

Reasons that come from a decision, a memory verdict or a throughput verdict are those values' own
names and stand with them.
"""

from enum import StrEnum


class ConditionType(StrEnum):
    """What is told apart."""

    READY = "Ready"
    METRICS_AVAILABLE = "MetricsAvailable"
    SCALING_ACTIVE = "ScalingActive"
    SCALING_LIMITED = "ScalingLimited"
    HBM_BUDGET_EXCEEDED = "HBMBudgetExceeded"
    THROUGHPUT_DEGRADED = "ThroughputDegraded"


class ConditionStatus(StrEnum):
    """As Kubernetes spells it."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionReason(StrEnum):
    """Reasons that no other stage names."""

    MINIMUM_SERVING = "MinimumServing"
    BELOW_MINIMUM = "BelowMinimum"
    ALL_FRESH = "AllFresh"
    SOME_SILENT = "SomeSilent"
    TOO_FEW_FRESH = "TooFewFresh"
    NO_READY_REPLICA = "NoReadyReplica"
    SOURCE_NOT_CONFIGURED = "SourceNotConfigured"
    AUTOMATIC = "Automatic"
    WITHIN_BOUNDS = "WithinBounds"
    SCALING_CONTESTED = "ScalingContested"
    PERMISSION_DENIED = "PermissionDenied"
    LIVE = "Live"
    KV_DEMAND_EXCEEDS_POOL = "KVDemandExceedsPool"
