"""The operator under test: a process of its own, with a ServiceAccount's token and its rights."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.resource import ROOT, apply, collection
from tests.rig.component import Component
from tests.rig.plane import ControlPlane

ROLES = ROOT / "manifests" / "base" / "roles.yaml"
_ACCOUNT = "v4-operator"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{plural}/{name}"
# Two roles of the base: what the operator may do with what it serves, and with its own objects.
_ROLES = (_ACCOUNT, f"{_ACCOUNT}-own")
_NODES = f"{_ACCOUNT}-nodes"  # a third one, which may be left out
DEFAULT_RECONCILE_SECONDS = 5.0  # as `settings` has it; a story has the operator look every second


def grant_rights(plane: ControlPlane, namespace: str) -> Path:
    """A ServiceAccount with the rights of the manifests, in one namespace; its kubeconfig."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _ACCOUNT}}
    apply(plane, f"/api/v1/namespaces/{namespace}/serviceaccounts/{_ACCOUNT}", account)
    for rules in _rules():
        _grant(plane, namespace, rules)
    return plane.service_account_kubeconfig(namespace, _ACCOUNT).kubeconfig


def grant_nodes(plane: ControlPlane, namespace: str) -> None:
    """The optional right of the manifests to read the nodes, for the account of that namespace."""
    role = next(r for r in yaml.safe_load_all(ROLES.read_text()) if r["metadata"]["name"] == _NODES)
    name = f"{_NODES}-{namespace}"
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    made = {**role, "metadata": {"name": name}}
    apply(plane, f"{rbac}/clusterroles/{name}", made)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    account = {"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": namespace}
    binding = {
        "apiVersion": role["apiVersion"],
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": reference,
        "subjects": [account],
    }
    apply(plane, f"{rbac}/clusterrolebindings/{name}", binding)


def through(kubeconfig: Path, port: int) -> Path:
    """The same access by way of another port of the API server's address."""
    config = json.loads(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    cluster["server"] = f"{cluster['server'].rpartition(':')[0]}:{port}"
    path = kubeconfig.with_suffix(f".by-{port}")
    path.write_text(json.dumps(config))
    return path


def _rules() -> Iterator[Mapping[str, Any]]:
    for role in yaml.safe_load_all(ROLES.read_text()):
        if role["kind"] in {"Role", "ClusterRole"} and role["metadata"]["name"] in _ROLES:
            yield {"name": role["metadata"]["name"], "rules": role["rules"]}


def _grant(plane: ControlPlane, namespace: str, role: Mapping[str, Any]) -> None:
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": role["name"]}}
    place = {"namespace": namespace, "name": role["name"]}
    apply(
        plane,
        _RBAC.format(plural="roles", **place),
        {**head, "kind": "Role", "rules": role["rules"]},
    )
    apply(
        plane,
        _RBAC.format(plural="rolebindings", **place),
        {
            **head,
            "kind": "RoleBinding",
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": role["name"],
            },
            "subjects": [{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": namespace}],
        },
    )


def component(
    plane: ControlPlane,
    namespace: str,
    kubeconfig: Path,
    *,
    name: str = "operator",
    program: tuple[str, ...] = ("-m", "v4operator"),
    source: Path = ROOT / "operator",
    reconcile_seconds: float = 1.0,
) -> Component:
    """The process, not yet started; its log lies with those of the plane.

    `program` is what Python runs, `source` where it finds the package.
    """
    return Component(
        f"{namespace}-{name}",
        (
            sys.executable,
            *program,
            *("run", "--kubeconfig", str(kubeconfig)),
            *("--namespace", namespace, "--lease-namespace", namespace),
            *("--listen-port", "0", "--log-format", "json"),
        ),
        log=plane.folder / f"{namespace}-{name}.log",
        environment={
            "HOME": str(plane.folder),
            "PYTHONPATH": str(source),
            "V4_ALLOW_LOOPBACK": "true",  # that is where the rig's pods are
            "V4_RECONCILE_SECONDS": f"{reconcile_seconds:g}",
        },
    )


def leads(process: Component) -> bool:
    """Whether it has said that it leads."""
    return '"event": "leading"' in process.log.read_text()


@contextmanager
def running_operator(
    plane: ControlPlane, namespace: str, *, reconcile_seconds: float = 1.0
) -> Iterator[Component]:
    """The operator with its rights in one namespace, until the block ends."""
    rights = grant_rights(plane, namespace)
    process = component(plane, namespace, rights, reconcile_seconds=reconcile_seconds)
    process.start()
    try:
        yield process
        process.check()
    finally:
        process.terminate()


def status_of(plane: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    """The status that the API server holds; empty before the first."""
    found: dict[str, Any] = plane.get(f"{collection(namespace)}/{name}").get("status", {})
    return found


def condition_of(status: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """One condition of a status; empty where it is not there."""
    found = (c for c in status.get("conditions", ()) if c["type"] == kind)
    return next(found, {})


def events_of(plane: ControlPlane, namespace: str, name: str) -> list[dict[str, Any]]:
    """Events on the V4Deployment."""
    path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    items: list[dict[str, Any]] = plane.get(path)["items"]
    return [e for e in items if e.get("regarding", {}).get("name") == name and "note" in e]
