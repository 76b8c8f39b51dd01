"""The CustomResourceDefinition of V4Deployment, made from `api`. Writes no file."""

from collections.abc import Iterator
from typing import Any

import yaml

from v4operator.api.markers import COLUMN, SELECTABLE, Schema
from v4operator.api.status import V4DeploymentStatus
from v4operator.api.v1alpha1 import GROUP, KIND, VERSION, V4DeploymentSpec
from v4operator.crdgen.schema import NotStructuralError, structural

PLURAL = "v4deployments"
SHORT_NAMES = ("v4", "v4d")
CATEGORY = "v4serving"  # `kubectl get v4serving` lists whatever kinds the group will have

_HEADER = "# Made from operator/v4operator/api by `v4-operator crd`. Do not edit.\n"
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
# From left to right, whatever part of the resource they are read from.
_ORDER = ("Checkpoint", "Engine", "Desired", "Ready", "TPS", "KV", "HBM", "Status", "Age")
# Where the HorizontalPodAutoscaler and `kubectl scale` look.
_SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def definition() -> Schema:
    """The whole CustomResourceDefinition.

    Raises:
        NotStructuralError: `api` says something that a structural schema cannot.
    """
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": list(SHORT_NAMES),
                "categories": [CATEGORY],
            },
            "versions": [_version()],
        },
    }


def text() -> str:
    """`definition` as YAML, the same for the same `api`."""
    return _HEADER + yaml.dump(definition(), Dumper=_Plain, sort_keys=False, width=100)


class _Plain(yaml.SafeDumper):
    """Writes values that occur twice twice: anchors are legal and nobody reads them with joy."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _version() -> Schema:
    spec, status = structural(V4DeploymentSpec), structural(V4DeploymentStatus)
    found = [*_columns(spec, ".spec"), *_columns(status, ".status"), _AGE]
    columns = sorted(found, key=lambda column: _ORDER.index(column["name"]))
    selectable = [{"jsonPath": path} for path in _selectable(spec, ".spec")]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": columns,
        "selectableFields": selectable,
        "subresources": {"status": {}, "scale": _SCALE},
        "schema": {"openAPIV3Schema": _root(_unmarked(spec), _unmarked(status))},
    }


def _root(spec: Schema, status: Schema) -> Schema:
    return {
        "description": "A self-hosted DeepSeek V4: watched, kept in memory bounds, and scaled.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": "Version of this form.", "type": "string"},
            "kind": {"description": "Kind of object.", "type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }


def _columns(schema: Schema, path: str) -> Iterator[Schema]:
    for place, node in _leaves(schema, path):
        if COLUMN in node:
            yield {"name": node[COLUMN], "type": node["type"], "jsonPath": place}


def _selectable(schema: Schema, path: str) -> Iterator[str]:
    for place, node in _leaves(schema, path):
        if SELECTABLE in node:
            yield place


def _leaves(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every node below with its JSON path; marks within a list have none and are an error."""
    for name, node in schema.get("properties", {}).items():
        place = f"{path}.{name}"
        yield place, node
        yield from _leaves(node, place)
        items = dict(_leaves(node["items"], f"{place}[]")) if "items" in node else {}
        for within, item in items.items():
            if COLUMN in item or SELECTABLE in item:
                raise NotStructuralError(f"{within}: a mark within a list has no path")


def _unmarked(node: Any) -> Any:
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key not in {COLUMN, SELECTABLE}}
        return {key: _unmarked(value) for key, value in kept.items()}
    return [_unmarked(each) for each in node] if isinstance(node, list) else node
