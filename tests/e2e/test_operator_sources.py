"""Where the operator reads: never at the API server, and only at a Prometheus of its settings."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.operator_fleets import LIMIT, NAME, v4deployment
from tests.e2e.operator_process import condition_of, running_operator, status_of
from tests.e2e.resource import create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

pytestmark = pytest.mark.usefixtures("definition")


@pytest.fixture(autouse=True)
def _operator(plane: ControlPlane, namespace: str) -> Iterator[None]:
    with running_operator(plane, namespace):
        yield


def test_an_engine_that_is_the_api_server_is_refused_with_the_reason(
    plane: ControlPlane, namespace: str
) -> None:
    url = plane.api.base_url
    manifest = v4deployment({"endpoints": [f"https://{url.host}:{url.port}"]})
    assert create(plane, namespace, manifest, keep=True).accepted

    def told() -> str | None:
        replicas = status_of(plane, namespace, NAME).get("replicaStatuses", ())
        return next((each["unknown"] for each in replicas if "refused" in each["unknown"]), None)

    unknown = eventually(told, what="the refusal in the status", limit_seconds=LIMIT)
    assert unknown == f"address {url.host} port {url.port} refused: the API server's"


def test_a_prometheus_that_the_settings_do_not_have_is_a_condition(
    plane: ControlPlane, namespace: str
) -> None:
    manifest = v4deployment({"endpoints": ["http://10.0.0.1:30000"]})
    manifest["spec"]["metrics"].update(source="Prometheus", prometheus="main")
    assert create(plane, namespace, manifest, keep=True).accepted

    def told() -> dict[str, Any] | None:
        found = condition_of(status_of(plane, namespace, NAME), "MetricsAvailable")
        return found if found.get("reason") == "SourceNotConfigured" else None

    found = eventually(told, what="the condition", limit_seconds=LIMIT)
    assert found["status"] == "False"
    assert found["message"] == "the operator's settings name no Prometheus (V4_PROMETHEUS_FILE)"
