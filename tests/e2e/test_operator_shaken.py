"""An API server that fails, refuses, forgets or falls silent: the operator recovers by itself.

"No hot loop" is counted against the Lease, which is asked for every two seconds whatever happens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.operator_fleets import (
    LIMIT,
    asked_counts,
)
from tests.e2e.operator_process import component, grant_rights, leads, through
from tests.e2e.operator_seen import adopt_two, revive, set_least, until_asked
from tests.e2e.resource import install_definition
from tests.rig.component import Component
from tests.rig.moody_server import Mood, MoodyServer, moody_server
from tests.rig.plane import ControlPlane
from tests.rig.relay import relay
from tests.rig.waiting import eventually

AGENT = "v4-operator"
# Tries of the Lease that a bad time lasts: some twenty seconds, past the end of a leader's term.
TRIES = 10
# Other requests for each of them: six followed resources whose pauses double from 0.1 s to 30 s,
# begun anew with the process once or twice. A loop without a pause makes a thousand.
MOST_PER_TRY = 15
# Requests within the minute after which a token is read again anyway: a renewal of the Lease in
# two seconds, and some more.
REREAD_REQUESTS = 60
# Silence is noticed after 70 s.
SILENT_LIMIT = 300.0

pytestmark = pytest.mark.usefixtures("definition")


@contextmanager
def running(
    plane: ControlPlane, namespace: str, kubeconfig: Path, name: str = "operator"
) -> Iterator[Component]:
    process = component(plane, namespace, kubeconfig, name=name)
    process.start()
    try:
        yield process
    finally:
        process.kill()


def lease_tries(server: MoodyServer) -> int:
    return sum(n for path, n in tuple(server.refused.items()) if "/leases" in path)


@pytest.mark.parametrize(
    "mood",
    [
        pytest.param(Mood(status=429, retry_after="1"), id="too-many"),
        pytest.param(Mood(status=500), id="broken"),
        pytest.param(Mood(status=503), id="unavailable"),
    ],
)
def test_a_burst_of_refusals_is_waited_out_at_a_measured_pace(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, mood: Mood
) -> None:
    kubeconfig = grant_rights(plane, namespace)
    with (
        moody_server(plane) as server,
        running(plane, namespace, through(kubeconfig, server.port)) as operator,
    ):
        adopt_two(plane, namespace, make_nodes(2))
        server.sulk(mood)
        set_least(plane, namespace, 3)

        def bad_time_is_over() -> bool:
            revive(operator)
            return lease_tries(server) >= TRIES

        eventually(bad_time_is_over, what="a bad time", limit_seconds=2 * LIMIT)
        others = server.refused.total() - lease_tries(server)
        server.mood = None
        until_asked(plane, namespace, operator, [3], "what was wished meanwhile is done, once")
    assert 0 < others <= MOST_PER_TRY * TRIES


def test_connections_that_fall_silent_are_given_up_and_made_anew(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    kubeconfig = grant_rights(plane, namespace)
    with (
        relay(plane) as wire,
        running(plane, namespace, through(kubeconfig, wire.port)) as operator,
    ):
        adopt_two(plane, namespace, make_nodes(2))
        before = wire.connections
        assert wire.go_silent() > 0
        set_least(plane, namespace, 3)
        eventually(
            lambda: asked_counts(plane, namespace) == [3],
            what="the wish arrives over new connections",
            limit_seconds=SILENT_LIMIT,
        )
        operator.check()
        assert wire.connections - before <= MOST_PER_TRY * TRIES


@pytest.mark.parametrize("replaced", ["in-time", "too-late"])
def test_a_token_that_is_invalidated_is_read_anew_from_disk(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, replaced: str
) -> None:
    grant_rights(plane, namespace)
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    made = plane.api.post(secrets, json={"metadata": {"name": "life"}}).raise_for_status().json()
    bound = {"apiVersion": "v1", "kind": "Secret", "name": "life", "uid": made["metadata"]["uid"]}
    access = plane.service_account_kubeconfig(namespace, AGENT, bound_to=bound)
    with (
        moody_server(plane) as server,
        running(plane, namespace, through(access.kubeconfig, server.port)) as operator,
    ):
        adopt_two(plane, namespace, make_nodes(2))
        fresh = plane.service_account_token(namespace, AGENT)
        if replaced == "in-time":
            access.token_file.write_text(fresh)
        plane.api.delete(f"{secrets}/life").raise_for_status()
        known = server.answers.total()
        # On a slow machine the file may be read again before the old token is refused.
        eventually(
            lambda: server.answers[401] or server.answers.total() > known + REREAD_REQUESTS,
            what="the old token is refused",
            limit_seconds=LIMIT,
        )
        access.token_file.write_text(fresh)
        set_least(plane, namespace, 3)
        until_asked(plane, namespace, operator, [3], "the wish is seen with the new token")
        if replaced == "in-time":
            assert lives(operator) == 1
    # Nobody insists with what was refused: once each reflector and worker, and the Lease.
    assert server.answers[401] <= MOST_PER_TRY


def lives(process: Component) -> int:
    """How often it was started."""
    return process.log.read_text().count('"event": "started"')


def lists_of(plane: ControlPlane, resource: str) -> int:
    """How often operators have listed them all."""
    return sum(
        e.verb == "list" and e.resource == resource and e.user_agent == AGENT for e in plane.audit()
    )


def test_a_server_that_was_killed_and_has_forgotten_its_history_is_listed_anew(
    destructive_plane: ControlPlane,
) -> None:
    plane, namespace = destructive_plane, "default"
    install_definition(plane)
    plane.add_nodes(2)
    kubeconfig = grant_rights(plane, namespace)
    with (
        moody_server(plane) as server,
        running(plane, namespace, kubeconfig, "first") as first,
    ):
        adopt_two(plane, namespace, {})
        eventually(lambda: leads(first), what="the first one leads", limit_seconds=LIMIT)
        by_server = through(kubeconfig, server.port)
        with running(plane, namespace, by_server, "second") as second:
            eventually(
                lambda: lists_of(plane, "pods") == 2,
                what="the second one follows",
                limit_seconds=LIMIT,
            )
            server.sulk(Mood(status=503))
            first.kill()
            set_least(plane, namespace, 3)
            plane.kubectl("delete", "pod", "-n", namespace, "--all", "--wait=false")
            plane.forget_history()
            plane.components["kube-apiserver"].restart()
            plane.wait_ready()
            server.mood = None
            eventually(
                lambda: asked_counts(plane, namespace) == [3],
                what="the second one has seen the wish and leads",
                limit_seconds=2 * LIMIT,
            )
            second.check()
            assert "410 Expired" in second.log.read_text()
