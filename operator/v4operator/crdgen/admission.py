"""The verdict at apply: admission policies, their bindings, and the table that they look up.

Two policies with one set of rules, because what happens (warn, refuse) belongs to a binding; a
third says that `replicas` is not looked at in Automatic. They never block by failing: an error or
a missing table allows. Writes no file; the operator keeps the ConfigMap.
"""

from typing import Any

import yaml

from v4operator.api.markers import Schema
from v4operator.api.v1alpha1 import GROUP, HbmPolicy
from v4operator.crdgen.crd import PLURAL
from v4operator.crdgen.table import capacity_table
from v4operator.crdgen.verdict import command_words, validations, variables
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import ScalingMode

NAMESPACE = "v4-operator-system"
TABLE_NAME = "v4-operator-capacity"

_API = "admissionregistration.k8s.io/v1"
_HEADER = "# Made from the HBM model by `v4-operator crd --what admission`. Do not edit.\n"
_WARN, _DENY = "Warn", "Deny"  # of Kubernetes

# What decides memory; an update of anything else is not looked at again, so that a new catalogue
# never blocks a pause, a label or a finalizer.
_FIELDS = ("model", "engine", "accelerator", "parallelism", "hbm")


def policies(namespace: str = NAMESPACE) -> tuple[Schema, ...]:
    """The three policies, each with its binding; the table is looked for in `namespace`."""
    warn, enforce = f"hbm-warn.{GROUP}", f"hbm-enforce.{GROUP}"
    ignored = f"replicas-ignored.{GROUP}"
    return (
        _memory_policy(warn, HbmPolicy.WARN),
        _binding(warn, _WARN, namespace),
        _memory_policy(enforce, HbmPolicy.ENFORCE),
        _binding(enforce, _DENY, namespace),
        _replicas_policy(ignored),
        _binding(ignored, _WARN),
    )


def text(namespace: str = NAMESPACE) -> str:
    """`policies` as YAML, the same for the same model."""
    return _HEADER + yaml.safe_dump_all(policies(namespace), sort_keys=False, width=100)


def table(catalogue: Catalogue, namespace: str = NAMESPACE) -> Schema:
    """The ConfigMap that the policies look things up in."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": TABLE_NAME, "namespace": namespace},
        "data": capacity_table(catalogue),
    }


def _memory_policy(name: str, policy: HbmPolicy) -> Schema:
    asked = f"object.spec.?hbm.?policy.orValue('{HbmPolicy.WARN}') == '{policy}'"
    return _policy(
        name,
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConditions=[
            {"name": "policy", "expression": asked},
            {"name": "memory-changes", "expression": _memory_changes()},
        ],
        variables=variables(),
        validations=validations(),
    )


def _memory_changes() -> str:
    changed = [f"object.spec.?{field} != oldObject.spec.?{field}" for field in _FIELDS]
    words = f"{command_words('object')} != {command_words('oldObject')}"
    return " || ".join(["oldObject == null", *changed, words])


def _replicas_policy(name: str) -> Schema:
    automatic = f"object.spec.?scaling.?mode.orValue('{ScalingMode.AUTOMATIC}')"
    message = (
        "replicas is not looked at in mode Automatic: set scaling.minReplicas for a floor, or mode "
        "Recommend or Disabled to keep a count"
    )
    rule = f"{automatic} != '{ScalingMode.AUTOMATIC}' || !has(object.spec.replicas)"
    return _policy(name, validations=[{"expression": rule, "message": message}])


def _policy(name: str, **spec: Any) -> Schema:
    operated = {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [PLURAL],
    }
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Ignore",
            "matchConstraints": {"resourceRules": [operated]},
            **spec,
        },
    }


def _binding(name: str, action: str, namespace: str | None = None) -> Schema:
    reference = {
        "name": TABLE_NAME,
        "namespace": namespace,
        "parameterNotFoundAction": "Allow",
    }
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": [action],
            **({"paramRef": reference} if namespace else {}),
        },
    }
