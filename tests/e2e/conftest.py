"""A control plane for the stories that do not harm it, and one of its own for each that does."""

import itertools
import re
from collections.abc import Iterator
from typing import Protocol

import pytest
from tests.e2e.emulated_pods import EmulatedPods, emulated_pods
from tests.e2e.operator_process import component, grant_rights, running_operator
from tests.e2e.resource import install_definition
from tests.e2e.rights_used import Right, used
from tests.rig.addresses import Block, held_block
from tests.rig.component import Component
from tests.rig.plane import ControlPlane

OWNER_LABEL = "rig.v4serving.dev/namespace"
_NAME_LENGTH = 40  # of 63 that a namespace may have; the rest is room for what tests add

_numbers = itertools.count(1)


class MakeNodes(Protocol):
    """Adds GPU nodes for one test and returns the `nodeSelector` that only they match."""

    def __call__(self, count: int, *, gpus: int = 8) -> dict[str, str]: ...


@pytest.fixture(scope="session")
def plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """Shared: leave it as it was. Work in `namespace`, on nodes from `make_nodes`."""
    with ControlPlane() as running:
        yield running
        running.keep_files = request.session.testsfailed > 0


@pytest.fixture(scope="session")
def rights_elsewhere() -> set[Right]:
    """What operators have done on planes that are gone."""
    return set()


@pytest.fixture
def destructive_plane(
    request: pytest.FixtureRequest, rights_elsewhere: set[Right]
) -> Iterator[ControlPlane]:
    """The test's own: kill, stop and restart what you like."""
    failed_before = request.session.testsfailed
    with ControlPlane() as running:
        yield running
        rights_elsewhere |= used(running.audit())
        running.keep_files = request.session.testsfailed > failed_before


@pytest.fixture(scope="session")
def block() -> Iterator[Block]:
    """Loopback addresses for servers that need no control plane."""
    with held_block() as held:
        yield held


@pytest.fixture
def namespace(plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, named after it; its deletion is not waited for."""
    slug = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    name = f"{slug[:_NAME_LENGTH].strip('-')}-{next(_numbers)}"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    plane.api.post("/api/v1/namespaces", json=made).raise_for_status()
    yield name
    plane.api.delete(f"/api/v1/namespaces/{name}").raise_for_status()


@pytest.fixture
def make_nodes(plane: ControlPlane, namespace: str) -> Iterator[MakeNodes]:
    """Nodes for the test's own pods, gone afterwards."""
    added: list[str] = []
    selector = {OWNER_LABEL: namespace}

    def make(count: int, *, gpus: int = 8) -> dict[str, str]:
        added.extend(plane.add_nodes(count, gpus=gpus, labels=selector))
        return selector

    yield make
    plane.delete_nodes(tuple(added))


@pytest.fixture(scope="module")
def definition(plane: ControlPlane) -> None:
    """The CustomResourceDefinition of this checkout."""
    install_definition(plane)


@pytest.fixture
def engines(plane: ControlPlane, namespace: str) -> Iterator[EmulatedPods]:
    """Emulated engines on the pods of the test's namespace."""
    with emulated_pods(plane, namespace) as pods:
        yield pods


@pytest.fixture
def operating(
    plane: ControlPlane,
    namespace: str,
    engines: EmulatedPods,  # noqa: ARG001 - the operator starts after them and ends before them
) -> Iterator[Component]:
    """The operator beside the engines, which has to outlive the test."""
    with running_operator(plane, namespace) as process:
        yield process


@pytest.fixture
def operator(plane: ControlPlane, namespace: str) -> Iterator[Component]:
    """The operator as a process that the test may end as it likes."""
    process = component(plane, namespace, grant_rights(plane, namespace))
    process.start()
    yield process
    process.terminate()
