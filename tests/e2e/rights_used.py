"""What the operator may do and what it has done, as sets of the same rights."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import yaml
from tests.e2e.resource import ROOT
from tests.rig.audit import AuditEntry

_ROLES = ROOT / "manifests" / "base" / "roles.yaml"
_ACCOUNT = "v4-operator"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """One verb on one resource; `resource` carries a subresource, as in `deployments/scale`."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group}"


def granted() -> frozenset[Right]:
    """Every right that the manifests give to the operator's account."""
    roles = [each for each in yaml.safe_load_all(_ROLES.read_text()) if each.get("rules")]
    return frozenset(right for role in roles for rule in role["rules"] for right in _rights(rule))


def _rights(rule: Mapping[str, Any]) -> Iterator[Right]:
    for group in rule.get("apiGroups", ()):
        for resource in rule.get("resources", ()):
            for verb in rule["verbs"]:
                yield Right(group=group, resource=resource, verb=verb)


def used(entries: Iterable[AuditEntry]) -> frozenset[Right]:
    """The rights without which these requests of an operator would have been refused.

    Discovery is open to every account, and a kind that a story adopts has a role of its own.
    """
    groups = {right.group for right in granted()}
    return frozenset(
        right
        for entry in entries
        if entry.user.endswith(f":{_ACCOUNT}")
        and entry.resource
        and entry.group in groups
        and entry.status != HTTPStatus.FORBIDDEN
        for right in _needed(entry)
    )


def _needed(entry: AuditEntry) -> Iterator[Right]:
    """An apply that makes an object needs `create`, too."""
    subresource = f"/{entry.subresource}" if entry.subresource else ""
    resource = f"{entry.resource}{subresource}"
    yield Right(group=entry.group, resource=resource, verb=entry.verb)
    if entry.verb == "patch" and entry.status == HTTPStatus.CREATED:
        yield Right(group=entry.group, resource=resource, verb="create")
