"""From a fault in an engine to a notification, and resolved again; a load swing stays silent."""

from collections.abc import Iterator

import pytest
from tests.e2e.alerting.site import NAMESPACE, Site, site
from tests.rig.addresses import Block
from tests.rig.waiting import eventually

# The longest wait in the rules, ten minutes, is half a minute here; busy machines need more.
LIMIT_SECONDS = 150.0
pytestmark = pytest.mark.timeout(600)


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


def healthy(name: str) -> str:
    labels = f'namespace="{NAMESPACE}", v4deployment="{name}"'
    settled = f"count(v4replica:v4_replica_ready:settled{{{labels}}} == 1) == 4"
    return (
        f'v4_deployment_throughput_verdict{{{labels}, verdict="Healthy"}} == 1 and on () {settled}'
    )


def told(running: Site, alert: str, fleet: str, status: str = "firing") -> list[dict[str, str]]:
    """Labels and annotations of what the receiver was told of one deployment."""
    return [
        {**each["labels"], **each["annotations"]}
        for each in running.webhook.alerts(alert, status=status)
        if each["labels"].get("v4deployment") == fleet
    ]


def wait(running: Site, alert: str, fleet: str, status: str = "firing") -> dict[str, str]:
    return eventually(
        lambda: told(running, alert, fleet, status),
        what=f"{alert} of {fleet} is {status}",
        limit_seconds=LIMIT_SECONDS,
    )[0]


def test_a_sick_replica_is_told_by_name_and_resolved(running: Site) -> None:
    running.fault("sick-3", speedFactor=0.5)
    said = wait(running, "V4SickReplica", "sick")
    running.fault("sick-3", speedFactor=1.0)
    wait(running, "V4SickReplica", "sick", "resolved")

    assert said["replica"] == "sick-3"
    assert said["severity"] == "warning"
    assert "sick-3 of alerts/sick decodes" in said["description"]
    assert said["runbook_url"] == "docs/runbooks/V4SickReplica.md"
    assert {each["replica"] for each in told(running, "V4SickReplica", "sick")} == {"sick-3"}


def test_a_stall_is_told_and_resolved(running: Site) -> None:
    running.fault("stalled-1", stalled=True)
    said = wait(running, "V4EngineStalled", "stalled")
    running.fault("stalled-1", stalled=False)
    wait(running, "V4EngineStalled", "stalled", "resolved")

    assert said["replica"] == "stalled-1"
    assert said["severity"] == "critical"
    assert told(running, "V4SickReplica", "stalled") == []  # the cause silences the effect


def test_an_overload_is_told_and_resolved(running: Site) -> None:
    """The load of the scenario rises and falls by itself."""
    wait(running, "V4Overloaded", "overloaded")
    wait(running, "V4Overloaded", "overloaded", "resolved")

    assert told(running, "V4SickReplica", "overloaded") == []
    assert told(running, "V4FleetDegraded", "overloaded") == []


def test_a_deployment_that_does_not_fit_is_told_and_resolved(running: Site) -> None:
    running.declare("guide", hbm_concurrency=8, devices=2)
    said = wait(running, "V4HBMBudgetExceeded", "guide")
    running.declare("guide", hbm_concurrency=1, devices=8)
    wait(running, "V4HBMBudgetExceeded", "guide", "resolved")

    assert said["verdict"] == "weights-exceed"
    assert "GiB per device: weights-exceed" in said["description"]


def test_a_load_that_swings_by_half_is_nobodys_fault(running: Site) -> None:
    swings = running.prometheus.query('v4_deployment_demand_replicas{v4deployment="swinging"}')
    spoken = {
        each["labels"]["alertname"]
        for notification in running.webhook.notifications
        for each in notification["alerts"]
        if each["labels"].get("v4deployment") == "swinging"
    }

    assert swings
    assert spoken == set()
