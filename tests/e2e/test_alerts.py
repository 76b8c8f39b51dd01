"""From a fault in an engine to a notification, and resolved again; a load swing stays silent.

Prints how long each took from the fault to the notification.
"""

import sys
from collections.abc import Iterator
from typing import Protocol

import pytest
from tests.e2e.alerting.site import NAMESPACE, SPEED, Site, site
from tests.rig.addresses import Block
from tests.rig.waiting import eventually

# The longest wait in the rules, ten minutes, is half a minute here; busy machines need more.
LIMIT_SECONDS = 240.0
# scenario.yaml: from here on more is asked of the fleet than it can do.
OVERLOADED_AFTER_SECONDS = 960.0
pytestmark = pytest.mark.timeout(900)


class Took(Protocol):
    """Tells how long an alert took, from a moment on the monotonic clock."""

    def __call__(self, alert: str, fault: float) -> None: ...


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, block: Block) -> Iterator[Site]:
    """All fleets at once; a test touches its own only."""
    with site(tmp_path_factory.mktemp("alerts"), block) as whole:
        eventually(
            lambda: len(whole.prometheus.query(healthy("sick"))) == 1,
            what="the fleet is known to be healthy",
            limit_seconds=LIMIT_SECONDS,
        )
        yield whole


@pytest.fixture
def took(running: Site, capsys: pytest.CaptureFixture[str]) -> Took:
    def tell(alert: str, fault: float) -> None:
        seconds = running.webhook.first_arrival(alert) - fault
        with capsys.disabled():
            sys.stdout.write(
                f"\n{alert}: {seconds:.1f} s from fault to notification, {SPEED:.0f} times as fast"
                f" as in life: {seconds * SPEED / 60:.1f} min\n"
            )

    return tell


def healthy(name: str) -> str:
    labels = f'namespace="{NAMESPACE}", v4deployment="{name}"'
    settled = f"count(v4replica:v4_replica_ready:settled{{{labels}}} == 1) == 4"
    return (
        f'v4_deployment_throughput_verdict{{{labels}, verdict="Healthy"}} == 1 and on () {settled}'
    )


def told(
    running: Site, alert: str, fleet: str | None, status: str = "firing"
) -> list[dict[str, str]]:
    """Labels and annotations of what the receiver was told of one deployment, or of none."""
    return [
        {**each["labels"], **each["annotations"]}
        for each in running.webhook.alerts(alert, status=status)
        if each["labels"].get("v4deployment") == fleet
    ]


def wait(running: Site, alert: str, fleet: str | None, status: str = "firing") -> dict[str, str]:
    return eventually(
        lambda: told(running, alert, fleet, status),
        what=f"{alert} of {fleet} is {status}",
        limit_seconds=LIMIT_SECONDS,
    )[0]


def spoken_of(running: Site, fleet: str) -> set[str]:
    """Names of all alerts that were delivered on a deployment."""
    return {
        each["labels"]["alertname"]
        for notification in running.webhook.notifications
        for each in notification["alerts"]
        if each["labels"].get("v4deployment") == fleet
    }


def test_a_sick_replica_is_told_by_name_and_resolved(running: Site, took: Took) -> None:
    fault = running.fault("sick-3", speedFactor=0.5)
    said = wait(running, "V4SickReplica", "sick")
    running.fault("sick-3", speedFactor=1.0)
    wait(running, "V4SickReplica", "sick", "resolved")

    took("V4SickReplica", fault)
    assert said["replica"] == "sick-3"
    assert said["severity"] == "warning"
    assert "sick-3 of alerts/sick decodes" in said["description"]
    assert said["runbook_url"] == "docs/runbooks/V4SickReplica.md"
    assert {each["replica"] for each in told(running, "V4SickReplica", "sick")} == {"sick-3"}


def test_a_stall_is_told_and_resolved(running: Site, took: Took) -> None:
    fault = running.fault("stalled-1", stalled=True)
    said = wait(running, "V4EngineStalled", "stalled")
    running.fault("stalled-1", stalled=False)
    wait(running, "V4EngineStalled", "stalled", "resolved")

    took("V4EngineStalled", fault)
    assert said["replica"] == "stalled-1"
    assert said["severity"] == "critical"
    assert {each["replica"] for each in told(running, "V4EngineStalled", "stalled")} == {
        "stalled-1"
    }


def test_an_overload_is_told_and_resolved(running: Site, took: Took) -> None:
    """The load of the scenario rises and falls by itself."""
    wait(running, "V4Overloaded", "overloaded")
    wait(running, "V4Overloaded", "overloaded", "resolved")

    took("V4Overloaded", running.at(OVERLOADED_AFTER_SECONDS))
    assert told(running, "V4SickReplica", "overloaded") == []
    assert told(running, "V4FleetDegraded", "overloaded") == []


def test_a_deployment_that_does_not_fit_is_told_and_resolved(running: Site, took: Took) -> None:
    fault = running.declare("guide", hbm_concurrency=8, devices=2)
    said = wait(running, "V4HBMBudgetExceeded", "guide")
    running.declare("guide", hbm_concurrency=1, devices=8)
    wait(running, "V4HBMBudgetExceeded", "guide", "resolved")

    took("V4HBMBudgetExceeded", fault)
    assert said["verdict"] == "weights-exceed"
    assert "GiB per device: weights-exceed" in said["description"]


def test_a_load_that_swings_by_half_is_nobodys_fault(running: Site) -> None:
    swings = running.prometheus.query('v4_deployment_demand_replicas{v4deployment="swinging"}')

    assert swings
    assert spoken_of(running, "swinging") == set()


def test_an_operator_that_is_gone_is_told_and_resolved(running: Site, took: Took) -> None:
    """The last: afterwards the operator knows its fleets anew."""
    fault = running.kill_operator()
    said = wait(running, "V4OperatorDown", None)
    running.operator.start()
    wait(running, "V4OperatorDown", None, "resolved")

    took("V4OperatorDown", fault)
    assert said["severity"] == "critical"
    assert spoken_of(running, "swinging") == set()
