"""What an operator costs a cluster: requests and memory at rest with 100 fleets, and failover.

Each V4Deployment adopts a Deployment of one replica whose engine answers; polled and reconciled at
the defaults. The figures come from the API server's audit log over some renewals of the Lease, from
/proc, and from the Events that it holds on the V4Deployments then. Failover is from the end of the
leader to the first write of its successor.
"""

import json
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.emulated_pods import emulated_pods
from tests.e2e.operator_fleets import ACCOUNT, adopt_fleet, writes
from tests.e2e.operator_process import DEFAULT_RECONCILE_SECONDS, component, grant_rights
from tests.e2e.resource import change, collection, install_definition
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

_NAMESPACE = "default"
_FLEETS = 100
_RENEWALS = 60  # one in two seconds: two minutes, in which every status may be written twice
_FAILOVERS = 5
_LIMIT_SECONDS = 600.0
_MEBIBYTE = 2**20


def main() -> int:
    """Print the figures, the last line as JSON."""
    with ControlPlane() as plane, ExitStack() as stack:
        install_definition(plane)
        plane.add_nodes(_FLEETS // 2)
        stack.enter_context(emulated_pods(plane, _NAMESPACE))
        kubeconfig = grant_rights(plane, _NAMESPACE)
        pair = [_operator(plane, kubeconfig, number) for number in range(2)]
        for process in pair:
            stack.callback(process.kill)
        pair[0].start()
        for number in range(_FLEETS):
            adopt_fleet(plane, _NAMESPACE, f"flash-{number}")
        eventually(lambda: _ready(plane) == _FLEETS, what="all", limit_seconds=_LIMIT_SECONDS)
        figures = {"fleets": _FLEETS} | _at_rest(plane, pair[0])
        figures["failoverSeconds"] = [_failover(plane, pair, n) for n in range(_FAILOVERS)]
    print(json.dumps(figures))
    return 0


def _operator(plane: ControlPlane, kubeconfig: Path, number: int) -> Component:
    return component(
        plane,
        _NAMESPACE,
        kubeconfig,
        name=f"op-{number}",
        reconcile_seconds=DEFAULT_RECONCILE_SECONDS,
    )


def _ready(plane: ControlPlane) -> int:
    items = plane.get(collection(_NAMESPACE))["items"]
    return sum(item.get("status", {}).get("readyReplicas") == 1 for item in items)


def _events(plane: ControlPlane) -> int:
    """Events on V4Deployments, each counted as often as it was said."""
    items = plane.get(f"/apis/events.k8s.io/v1/namespaces/{_NAMESPACE}/events")["items"]
    told = (e for e in items if e.get("regarding", {}).get("kind") == "V4Deployment")
    return sum(e.get("series", {}).get("count", 1) for e in told)


def _requests(plane: ControlPlane, *, of_the_lease: bool) -> int:
    user = f"system:serviceaccount:{_NAMESPACE}:{ACCOUNT}"
    return sum(e.user == user and (e.resource == "leases") is of_the_lease for e in plane.audit())


def _at_rest(plane: ControlPlane, leader: Component) -> dict[str, Any]:
    renewed, known = (_requests(plane, of_the_lease=each) for each in (True, False))
    began = time.time()
    eventually(
        lambda: _requests(plane, of_the_lease=True) >= renewed + _RENEWALS,
        what="some time at rest",
        limit_seconds=_LIMIT_SECONDS,
    )
    seconds = time.time() - began
    return {
        "requestsPerSecondAtRest": round(
            (_requests(plane, of_the_lease=False) - known) / seconds, 2
        ),
        "eventsPerFleet": round(_events(plane) / _FLEETS, 2),
        "leaseRequestsPerSecond": round(_RENEWALS / seconds, 2),
        "residentMebibytes": round(leader.resident_bytes / _MEBIBYTE),
    }


def _failover(plane: ControlPlane, pair: list[Component], number: int) -> float:
    """Kill the leader; seconds until the other one has written what was wished after that."""
    leader, successor = pair[number % 2], pair[(number + 1) % 2]
    successor.start()
    eventually(lambda: _follows(successor), what="the successor follows")
    name, known = f"flash-{number}", len(writes(plane, _NAMESPACE))
    leader.kill()
    ended_at = time.time()
    more = {"spec": {"scaling": {"minReplicas": 2}}}
    assert change(plane, _NAMESPACE, name, more, keep=True).accepted
    scales: list[str] = eventually(
        lambda: [
            e.at
            for e in writes(plane, _NAMESPACE)[known:]
            if e.subresource == "scale" and e.name == name
        ],
        what="the successor has scaled",
    )
    return round(datetime.fromisoformat(scales[0]).timestamp() - ended_at, 1)


def _follows(process: Component) -> bool:
    return process.log.is_file() and '"event": "started"' in process.log.read_text()


if __name__ == "__main__":
    sys.exit(main())
