"""Alerts on the operator and on what it sees: without these, silence would mean nothing."""

from v4operator.api.conditions import ConditionType
from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import (
    DEPLOYMENT,
    FLEET,
    ONE,
    REPLICA,
    SETTLED,
    Alert,
    Group,
    Severity,
    of_deployment,
    of_replica,
    where,
    while_deployment,
)

_LEASE = "v4-operator"
"""The Lease's name unless a setting says otherwise; other operators export the same metric."""


def alerts(durations: Durations) -> Group:
    """From nothing is seen to one replica is not."""
    return Group(
        name="v4-operator.alerts",
        rules=(
            _down(durations),
            _leaderless(durations),
            _stalled(durations),
            _blind(durations),
            _stale(durations),
        ),
    )


def _down(durations: Durations) -> Alert:
    return Alert(
        name="V4OperatorDown",
        severity=Severity.CRITICAL,
        expr="absent(v4_build_info)",
        after=durations.confirmed,
        summary="Prometheus sees no v4-operator.",
        description="No v4-operator has been scraped for five minutes: nothing is scaled, and every"
        " other alert on V4Deployments is silent. See whether its pods run and are scraped.",
    )


def _leaderless(durations: Durations) -> Alert:
    """Only a leader exports what is known of deployments; the others answer their scrapes."""
    return Alert(
        name="V4NoLeader",
        severity=Severity.CRITICAL,
        expr=f'sum by (namespace) (leader_election_master_status{{name="{_LEASE}"}}) < 1',
        after=durations.confirmed,
        summary="The operator runs and none of its pods leads.",
        description="No pod of v4-operator has held its Lease for five minutes: nothing is scaled,"
        " and every other alert on V4Deployments is silent. Read the pods' logs: may they write"
        " the Lease, and is the API server there?",
    )


def _stalled(durations: Durations) -> Alert:
    decisions = "v4_deployment_last_decision_timestamp_seconds"
    window = spelled(durations.short)
    return Alert(
        name="V4DecisionsStalled",
        severity=Severity.CRITICAL,
        expr=f"max by ({DEPLOYMENT}) (changes({decisions}[{window}])) == 0",
        after=durations.confirmed,
        summary="The operator is up and decides nothing.",
        description=f"{FLEET}: no decision for ten minutes, where one is due every few seconds."
        " Read the operator's log; its last decision still stands, and the count does not follow"
        " demand.",
    )


def _blind(durations: Durations) -> Alert:
    condition = ConditionType.METRICS_AVAILABLE.value
    series = f'v4_deployment_status_condition{{condition="{condition}",status="false"}}'
    fresh = of_deployment("v4_deployment_fresh_replicas")
    return Alert(
        name="V4FleetBlind",
        severity=Severity.CRITICAL,
        expr=f"{fresh} {while_deployment(series)}",
        after=durations.confirmed,
        summary="Too few replicas of a deployment can be measured.",
        description=f"{FLEET} has {{{{ $value | humanize }}}} of its ready replicas with fresh"
        " metrics, fewer than two thirds: it is not shrunk, and grows only on what is seen. Its"
        " condition MetricsAvailable names the first error.",
    )


def _stale(durations: Durations) -> Alert:
    age = of_replica("v4_replica_metrics_age_seconds")
    silent = where(REPLICA, f"{of_replica('v4_replica_up')} == 0")
    return Alert(
        name="V4MetricsStale",
        severity=Severity.WARNING,
        expr=f"{age} {silent} {SETTLED}",
        after=durations.soon,
        summary="A replica serves and its metrics do not answer.",
        description=f"{ONE} is ready, and its last good metrics are"
        f" {{{{ $value | humanizeDuration }}}} old. Ask its /metrics from the operator's"
        " pod: port, path, network policy, a stuck engine.",
    )
