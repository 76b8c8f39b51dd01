"""The way to the leader through an API server: Lease, proxy, one change of hands, and refusals."""

import json
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import pytest

from v4operator.adapters.decision_client import NoAnswerError, Place, _Through
from v4operator.adapters.kube_errors import Forbidden, KubeError
from v4operator.adapters.kube_request import KubeRequest

if TYPE_CHECKING:
    from v4operator.adapters.kube import KubeApi

PLACE = Place(url=None, kubeconfig=None, context=None, namespace="ops", lease_name="v4-operator")


class Scripted:
    """Answers in order; keeps the paths that were asked for."""

    def __init__(self, *answers: dict[str, Any] | KubeError) -> None:
        self.answers = deque(answers)
        self.paths: list[str] = []

    async def ask(self, request: KubeRequest) -> bytes:
        self.paths.append(request.path)
        answer = self.answers.popleft()
        if isinstance(answer, KubeError):
            raise answer
        return json.dumps(answer).encode()

    def through(self) -> _Through:
        return _Through(cast("KubeApi", self), PLACE)


def lease(holder: str | None) -> dict[str, Any]:
    metadata = {"name": "v4-operator", "namespace": "ops", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"holderIdentity": holder}}


def page(pod: str, leader: str | None) -> dict[str, Any]:
    return {"leads": pod == leader, "identity": pod, "leader": leader, "record": None}


async def test_the_holder_of_the_lease_is_asked_by_the_proxy() -> None:
    script = Scripted(lease("op-1_u"), page("op-1_u", "op-1_u"))
    assert (await script.through().ask("v4deployments/ns/a"))["leads"] is True
    assert script.paths[1] == "/api/v1/namespaces/ops/pods/op-1/proxy/v1/v4deployments/ns/a"


async def test_a_leader_that_has_changed_is_followed_once() -> None:
    script = Scripted(lease("op-1_u"), page("op-1_u", "op-2_u"), page("op-2_u", "op-2_u"))
    assert (await script.through().ask("v4deployments"))["identity"] == "op-2_u"
    lost = Scripted(lease("op-1_u"), page("op-1_u", "op-2_u"), page("op-2_u", "op-3_u"))
    with pytest.raises(NoAnswerError, match="op-2 does not lead any more"):
        await lost.through().ask("v4deployments")


async def test_a_lease_that_nobody_holds_is_said() -> None:
    with pytest.raises(NoAnswerError, match="ops/v4-operator has no holder: no operator leads"):
        await Scripted(lease(None)).through().ask("v4deployments")


async def test_a_missing_right_names_the_role_and_another_way() -> None:
    script = Scripted(lease("op-1_u"), Forbidden("not allowed"))
    with pytest.raises(NoAnswerError, match="Role v4-operator-decisions in ops") as refused:
        await script.through().ask("v4deployments")
    assert "port-forward op-1 8080" in str(refused.value)


async def test_a_path_that_leads_elsewhere_is_not_asked_for() -> None:
    script = Scripted(lease("op-1_u"))
    with pytest.raises(ValueError, match="no part of a path"):
        await script.through().ask("v4deployments/../secrets")
