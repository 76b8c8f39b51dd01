"""What silences what, in a real Alertmanager with the example's rules: causes hide their effects.

Alerts are handed in as Prometheus would. Each effect is handed in twice: where its cause stands,
and somewhere else, where it must be told.
"""

from collections.abc import Iterator

import pytest
from tests.rig.addresses import Block
from tests.rig.alertmanager import Alertmanager, alertmanager
from tests.rig.waiting import eventually
from tests.rig.webhook import Receiver, receiver

from v4operator.rulegen import render
from v4operator.rulegen.alertmanager import configuration, straight_to
from v4operator.rulegen.durations import Durations

# Groups are told after 30 ms instead of half a minute.
PACE = 1000.0
SEVERITY = {alert.name: alert.severity.value for alert in render.alerts(Durations())}
CAUSES = (
    ("V4DecisionsStalled", "V4FleetBlind"),
    ("V4DecisionsStalled", "V4SickReplica"),
    ("V4FleetBlind", "V4MetricsStale"),
    ("V4FleetBlind", "V4Overloaded"),
    ("V4MetricsStale", "V4EngineStalled"),
    ("V4EngineStalled", "V4SickReplica"),
    ("V4EngineStalled", "V4ThroughputBelowModel"),
    ("V4SickReplica", "V4ThroughputBelowModel"),
    ("V4AcceptanceDropped", "V4FleetDegraded"),
    ("V4FleetDegraded", "V4ThroughputBelowModel"),
    ("V4HBMBudgetExceeded", "V4KVCacheSaturated"),
    ("V4CannotScale", "V4Overloaded"),
)
Labels = dict[str, str]


@pytest.fixture
def told(block: Block) -> Iterator[Receiver]:
    with receiver(block) as webhook:
        yield webhook


@pytest.fixture
def manager(
    told: Receiver, block: Block, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Alertmanager]:
    text = configuration(Durations().faster(PACE), straight_to(told.url))
    with alertmanager(text, folder=tmp_path_factory.mktemp("manager"), block=block) as running:
        yield running


def alert(name: str, deployment: str, replica: str = "r-0", **more: str) -> Labels:
    return {
        "alertname": name,
        "severity": SEVERITY[name],
        "namespace": "n",
        "v4deployment": deployment,
        "replica": replica,
        **more,
    }


def hand_in(manager: Alertmanager, *alerts: Labels) -> None:
    manager.post([{"labels": labels} for labels in alerts])


def states(manager: Alertmanager, name: str) -> dict[str, str]:
    """State of each alert of that name by deployment and replica."""
    return {
        f"{each['labels'].get('v4deployment')} {each['labels'].get('replica')}": each["status"][
            "state"
        ]
        for each in manager.alerts()
        if each["labels"]["alertname"] == name
    }


def becomes(manager: Alertmanager, name: str, expected: dict[str, str]) -> None:
    eventually(
        lambda: states(manager, name) == expected,
        what=f"{name} is {expected}, now {states(manager, name)}",
    )


@pytest.mark.parametrize(("cause", "effect"), CAUSES, ids=[" hides ".join(pair) for pair in CAUSES])
def test_a_cause_hides_its_effect_in_its_own_deployment_only(
    cause: str, effect: str, manager: Alertmanager, told: Receiver
) -> None:
    hand_in(manager, alert(cause, "ill"))
    eventually(lambda: told.alerts(cause), what=f"{cause} is told")
    hand_in(manager, alert(effect, "ill"), alert(effect, "other"))

    becomes(manager, effect, {"ill r-0": "suppressed", "other r-0": "active"})
    eventually(lambda: told.alerts(effect), what=f"{effect} of the other is told")
    assert {each["labels"]["v4deployment"] for each in told.alerts(effect)} == {"other"}


@pytest.mark.parametrize("name", ["V4EngineStalled", "V4MetricsStale"])
def test_a_replica_does_not_hide_that_its_peer_is_sick(
    name: str, manager: Alertmanager, told: Receiver
) -> None:
    hand_in(manager, alert(name, "ill", "r-1"))
    eventually(lambda: told.alerts(name), what=f"{name} is told")
    hand_in(manager, alert("V4SickReplica", "ill", "r-1"), alert("V4SickReplica", "ill", "r-2"))

    becomes(manager, "V4SickReplica", {"ill r-1": "suppressed", "ill r-2": "active"})


def test_an_operator_that_is_down_silences_the_rest_and_not_itself(
    manager: Alertmanager, told: Receiver
) -> None:
    down = {"alertname": "V4OperatorDown", "severity": "critical"}
    hand_in(manager, down)
    eventually(lambda: told.alerts("V4OperatorDown"), what="it is told")
    others = sorted(set(SEVERITY) - {"V4OperatorDown"})
    hand_in(manager, *(alert(name, "any") for name in others))

    for name in others:
        becomes(manager, name, {"any r-0": "suppressed"})
    assert states(manager, "V4OperatorDown") == {"None None": "active"}
    assert {each["labels"]["alertname"] for n in told.notifications for each in n["alerts"]} == {
        "V4OperatorDown"
    }


def test_a_fast_burn_hides_the_slow_burn_of_the_same_promise_only(
    manager: Alertmanager, told: Receiver
) -> None:
    fast = {**alert("V4TTFTBudgetBurn", "ill", window="1h"), "severity": "critical"}
    hand_in(manager, fast)
    eventually(lambda: told.alerts("V4TTFTBudgetBurn"), what="the fast burn is told")
    slow = {"severity": "warning", "window": "3d", "replica": "slow"}
    hand_in(
        manager,
        {**alert("V4TTFTBudgetBurn", "ill"), **slow},
        {**alert("V4InterTokenLatencyBudgetBurn", "ill"), **slow},
    )

    becomes(manager, "V4TTFTBudgetBurn", {"ill r-0": "active", "ill slow": "suppressed"})
    becomes(manager, "V4InterTokenLatencyBudgetBurn", {"ill slow": "active"})


def test_what_is_only_to_be_known_is_told_to_nobody(manager: Alertmanager, told: Receiver) -> None:
    hand_in(manager, alert("V4CountIsFixed", "any"), alert("V4CostOverBudget", "other"))
    eventually(lambda: told.alerts("V4CostOverBudget"), what="the warning is told")

    assert states(manager, "V4CountIsFixed") == {"any r-0": "active"}
    assert told.alerts("V4CountIsFixed") == []
