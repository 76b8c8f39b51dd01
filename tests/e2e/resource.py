"""V4Deployments on a control plane: the definition and the policies, and answers to manifests."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "crds" / "v4serving.dev_v4deployments.yaml"
CRD_NAME = "v4deployments.v4serving.dev"
_APPLIED = {"fieldManager": "tests", "force": "true"}
_APPLY = {"Content-Type": "application/apply-patch+yaml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API server says to a manifest: refused or not, and what the person reads."""

    accepted: bool
    message: str
    causes: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    document: Mapping[str, Any]


def install_definition(plane: ControlPlane) -> dict[str, Any]:
    """Apply the committed definition and wait until it is served; what the server holds of it."""
    definition = yaml.safe_load(DEFINITION.read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}"
    apply(plane, path, definition)

    def served() -> dict[str, Any] | None:
        found = plane.get(path)
        states = {c["type"]: c["status"] for c in found["status"]["conditions"] or ()}
        return found if states.get("Established") == "True" else None

    return eventually(served, what="the definition is established")


def apply(plane: ControlPlane, path: str, document: Mapping[str, Any]) -> None:
    """Server-side apply of one document."""
    text = yaml.safe_dump(dict(document))
    plane.api.patch(path, params=_APPLIED, content=text, headers=_APPLY).raise_for_status()


def collection(namespace: str) -> str:
    """The path of the V4Deployments of a namespace."""
    return f"/apis/v4serving.dev/v1alpha1/namespaces/{namespace}/v4deployments"


def create(
    plane: ControlPlane, namespace: str, manifest: Mapping[str, Any], *, keep: bool = False
) -> Answer:
    """Create it, or find out what creating it would be answered with."""
    query = {"fieldValidation": "Strict"} | ({} if keep else {"dryRun": "All"})
    return _answer(plane.api.post(collection(namespace), params=query, json=dict(manifest)))


def change(
    plane: ControlPlane, namespace: str, name: str, patch: Mapping[str, Any], *, keep: bool = False
) -> Answer:
    """Merge a change into one that is there, or find out what that would be answered with."""
    response = plane.api.patch(
        f"{collection(namespace)}/{name}",
        params={} if keep else {"dryRun": "All"},
        json=dict(patch),
        headers={"Content-Type": "application/merge-patch+json"},
    )
    return _answer(response)


def _answer(response: httpx.Response) -> Answer:
    document = response.json()
    causes = (document.get("details") or {}).get("causes", []) if response.is_error else []
    return Answer(
        accepted=response.is_success,
        message=document.get("message", "") if response.is_error else "",
        causes=tuple((c.get("field", ""), c.get("message", "")) for c in causes),
        warnings=tuple(response.headers.get_list("Warning")),
        document=document,
    )
