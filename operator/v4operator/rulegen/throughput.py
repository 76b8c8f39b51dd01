"""Alerts on throughput: it drops under load, by cause."""

from v4operator.model.forecast import ThroughputVerdict as Said
from v4operator.rulegen.durations import Durations
from v4operator.rulegen.rule import (
    DEPLOYMENT,
    FLEET,
    ONE,
    PER_CENT,
    SETTLED,
    Alert,
    Group,
    Severity,
    of_deployment,
    of_replica,
    where,
    while_deployment,
    while_replica,
)

_BELOW = 0.85
"""Healthy fleets read 0.97 to 1.01 over fifteen minutes; what is lost beyond is no scatter."""

_EFFICIENCY = "v4_deployment_decode_efficiency_ratio"


def alerts(durations: Durations) -> Group:
    """From nobody is served to slower than it should be."""
    return Group(
        name="v4-throughput.alerts",
        rules=(
            _stalled(durations),
            _sick(durations),
            _acceptance(durations),
            _degraded(durations),
            _below_model(durations),
            _overloaded(durations),
        ),
    )


def _stalled(durations: Durations) -> Alert:
    return Alert(
        name="V4EngineStalled",
        severity=Severity.CRITICAL,
        expr=f"{of_replica('v4_replica_running_requests')} {_named(Said.STALLED)} {SETTLED}",
        after=durations.soon,
        summary="An engine runs requests and makes no tokens.",
        description=f"{ONE} holds {{{{ $value | humanize }}}} requests and decodes nothing, while"
        " its metrics still answer. Read its log, then delete the pod: nothing will come of it.",
    )


def _sick(durations: Durations) -> Alert:
    ratio = of_replica("v4_replica_decode_efficiency_ratio")
    return Alert(
        name="V4SickReplica",
        severity=Severity.WARNING,
        expr=f"{ratio} {_named(Said.SICK_REPLICA)} {SETTLED}",
        after=durations.confirmed,
        summary="One replica is slower than its peers at the same load.",
        description=f"{ONE} decodes {PER_CENT} of what the capacity model expects at its batch and"
        " context; its peers do not. Look for throttling and ECC errors on its node, then drain"
        " it.",
    )


def _acceptance(durations: Durations) -> Alert:
    return Alert(
        name="V4AcceptanceDropped",
        severity=Severity.WARNING,
        expr=f"{of_deployment(_EFFICIENCY)} {_verdict(Said.ACCEPTANCE_DROPPED)}",
        after=durations.patient,
        summary="Speculative decoding accepts fewer tokens than it did.",
        description=f"{FLEET} decodes {PER_CENT} of what is expected, because fewer draft tokens"
        " are accepted; the devices are well. Compare the traffic and the draft settings with"
        " before.",
    )


def _degraded(durations: Durations) -> Alert:
    return Alert(
        name="V4FleetDegraded",
        severity=Severity.WARNING,
        expr=f"{of_deployment(_EFFICIENCY)} {_verdict(Said.DEGRADED)}",
        after=durations.patient,
        summary="The whole fleet decodes slower than its reference.",
        description=f"{FLEET} decodes {PER_CENT} of its reference at the same batch and context,"
        " all replicas alike. Ask what changed for all: engine version, arguments, driver,"
        " network.",
    )


def _below_model(durations: Durations) -> Alert:
    ratio = "v4deployment:v4_decode_efficiency:ratio_rate"
    silent = f"{Said.UNKNOWN.value}|{Said.MIX_CHANGED.value}"
    known = of_deployment(f'v4_deployment_throughput_verdict{{verdict=~"{silent}"}}')
    return Alert(
        name="V4ThroughputBelowModel",
        severity=Severity.WARNING,
        expr=f"{ratio}15m < {_BELOW} {where(DEPLOYMENT, f'{ratio}5m < {_BELOW}')}"
        f" {where(DEPLOYMENT, f'{known} == 0')}",
        after=durations.patient,
        summary="A fleet decodes less than the capacity model expects at its load.",
        description=f"{FLEET} decoded {PER_CENT} of the expected tokens in the last fifteen"
        " minutes. If no alert on a single cause stands beside this one, compare its replicas.",
    )


def _overloaded(durations: Durations) -> Alert:
    speed = of_deployment("v4_deployment_decode_tokens_per_second")
    return Alert(
        name="V4Overloaded",
        severity=Severity.WARNING,
        expr=f"{speed} {_verdict(Said.OVERLOADED)}",
        after=durations.patient,
        summary="The fleet is at its capacity.",
        description=f"{FLEET} decodes {{{{ $value | humanize }}}} tokens/s, which is all that it"
        " can within its objectives, and more is asked for. See what limits the count,"
        " or admit less.",
    )


def _named(verdict: Said) -> str:
    return while_replica(f'v4_replica_throughput_verdict{{verdict="{verdict.value}"}}')


def _verdict(verdict: Said) -> str:
    return while_deployment(f'v4_deployment_throughput_verdict{{verdict="{verdict.value}"}}')
