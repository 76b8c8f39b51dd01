"""What the operator talks to: the API server and the engines, and nothing else."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import PORT, EmulatedPods
from tests.e2e.operator_fleets import pod_template, v4deployment
from tests.e2e.operator_process import component, grant_rights
from tests.e2e.operator_seen import set_least, until_count, until_fresh
from tests.e2e.resource import create
from tests.rig.plane import ControlPlane

# Python itself tells of every connection, name and program before it is opened, looked up or
# started (PEP 578); no code of the operator has to cooperate.
RECORD = """
import json, sys
kept = open(sys.argv[1], "a", buffering=1)
def note(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        kept.write(json.dumps(["address", arguments[1]]) + "\\n")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        kept.write(json.dumps(["name", str(arguments[0])]) + "\\n")
    elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        kept.write(json.dumps(["program", str(arguments[0])]) + "\\n")
sys.addaudithook(note)
sys.argv = ["v4-operator", *sys.argv[2:]]
from v4operator.cli import main
main()
"""

pytestmark = pytest.mark.usefixtures("definition")


def test_it_connects_to_the_api_server_and_to_its_engines_and_to_nothing_else(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    record = plane.folder / f"{namespace}.connections"
    operator = component(
        plane,
        namespace,
        grant_rights(plane, namespace),
        program=("-c", RECORD, str(record)),
    )
    operator.start()
    try:
        template = pod_template(make_nodes(2))
        manifest = v4deployment({"template": template}, behavior={"shrinkWindow": "10s"})
        assert create(plane, namespace, manifest, keep=True).accepted
        engines.load(2.0)
        until_fresh(plane, namespace, 1)
        set_least(plane, namespace, 3)
        until_fresh(plane, namespace, 3)
        pods = plane.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        set_least(plane, namespace, 1)
        until_count(plane, namespace, 2, "a shrink")
        operator.check()
    finally:
        operator.terminate()
    server = urlsplit(plane.server.url)
    engines_at = {f"{pod['status']['podIP']}:{PORT}" for pod in pods}
    assert recorded(record, "address") == {f"{server.hostname}:{server.port}", *engines_at}
    assert recorded(record, "name") <= {server.hostname}
    assert recorded(record, "program") == set()


def recorded(record: Path, kind: str) -> set[str]:
    """What was noted of one kind, each once."""
    noted = [json.loads(line) for line in record.read_text().splitlines()]
    found = [value for each, value in noted if each == kind]
    return {value if isinstance(value, str) else f"{value[0]}:{value[1]}" for value in found}
