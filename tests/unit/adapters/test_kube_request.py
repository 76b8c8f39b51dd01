from __future__ import annotations

import pytest

from v4operator.adapters.kube_request import Kind, KubeRequest

_PODS = Kind(group="", version="v1", plural="pods")
_NODES = Kind(group="", version="v1", plural="nodes", namespaced=False)
_DEPLOYMENTS = Kind(group="apps", version="v1", plural="deployments")


@pytest.mark.parametrize(
    ("request_", "path", "text"),
    [
        (KubeRequest(verb="list", kind=_PODS), "/api/v1/pods", "list pods"),
        (KubeRequest(verb="list", kind=_NODES), "/api/v1/nodes", "list nodes"),
        (
            KubeRequest(verb="watch", kind=_PODS, namespace="ns"),
            "/api/v1/namespaces/ns/pods",
            "watch pods ns",
        ),
        (
            KubeRequest(verb="get", kind=_DEPLOYMENTS, namespace="ns", name="flash"),
            "/apis/apps/v1/namespaces/ns/deployments/flash",
            "get deployments.apps ns/flash",
        ),
        (
            KubeRequest(
                verb="patch",
                kind=_DEPLOYMENTS,
                namespace="ns",
                name="system:a.b",
                subresource="scale",
            ),
            "/apis/apps/v1/namespaces/ns/deployments/system%3Aa.b/scale",
            "patch deployments.apps/scale ns/system:a.b",
        ),
    ],
    ids=["all namespaces", "no namespace", "one namespace", "one object", "subresource, quoted"],
)
def test_a_request_has_its_path_and_reads_like_kubectl(
    request_: KubeRequest, path: str, text: str
) -> None:
    assert (request_.path, str(request_)) == (path, text)


@pytest.mark.parametrize(
    ("verb", "method"),
    [("get", "GET"), ("list", "GET"), ("watch", "GET"), ("create", "POST"), ("patch", "PATCH")],
)
def test_a_verb_is_a_method(verb: str, method: str) -> None:
    assert KubeRequest(verb=verb, kind=_PODS).method == method  # type: ignore[arg-type]


def test_the_rule_names_group_resource_and_verb() -> None:
    request = KubeRequest(verb="patch", kind=_DEPLOYMENTS, namespace="ns", subresource="scale")
    assert request.rule == (
        '{apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["patch"]}'
    )


@pytest.mark.parametrize(
    ("namespace", "name"),
    [("..", "a"), ("ns", ".."), ("ns", "a/../../secrets"), ("ns", "a%2e"), ("ns", "a\n")],
)
def test_what_could_lead_out_of_the_path_is_refused(namespace: str, name: str) -> None:
    with pytest.raises(ValueError, match="that an object of pods could have"):
        KubeRequest(verb="get", kind=_PODS, namespace=namespace, name=name)
