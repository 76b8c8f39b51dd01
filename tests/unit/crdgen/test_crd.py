import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BaseModel
from tests.fleets import demand, forecast, observation, serving, silent

from v4operator.api.markers import PrinterColumn, Selectable
from v4operator.api.status import V4DeploymentStatus
from v4operator.crdgen import crd
from v4operator.crdgen.schema import NotStructuralError, structural
from v4operator.decide.decide import decide
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import Observation
from v4operator.report.document import document
from v4operator.report.status import status

COMMITTED = Path(__file__).parents[3] / "crds" / "v4serving.dev_v4deployments.yaml"
VERSION = crd.definition()["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]
# A rule may read these without a bound: a number or a choice costs the server nothing.
UNBOUNDED = {"integer", "number", "boolean"}


def nodes(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


NODES = [
    pytest.param(node, id=path)
    for part in ("spec", "status")
    for path, node in nodes(ROOT["properties"][part], part)
]


def test_the_committed_definition_is_that_of_the_code() -> None:
    hint = "make it anew: v4-operator crd --output crds/v4serving.dev_v4deployments.yaml"
    assert COMMITTED.read_text() == crd.text(), hint


def test_the_text_is_the_definition_and_small() -> None:
    assert yaml.safe_load(crd.text()) == crd.definition()
    assert len(crd.text()) < 200_000


@pytest.mark.parametrize("node", NODES)
def test_every_field_is_described_unless_it_is_an_item(node: Mapping[str, Any]) -> None:
    scalar_item = node["type"] == "string" and "description" not in node and "maxLength" in node
    assert node.get("description") or scalar_item


@pytest.mark.parametrize("node", NODES)
def test_every_text_and_list_has_a_bound(node: Mapping[str, Any]) -> None:
    bounded = {"maxLength", "maxItems", "maxProperties", "properties", "enum", "format"}
    assert node["type"] in UNBOUNDED or bounded & set(node)


@pytest.mark.parametrize("node", NODES)
def test_every_list_says_how_it_is_merged(node: Mapping[str, Any]) -> None:
    assert node["type"] != "array" or node["x-kubernetes-list-type"] in {"atomic", "map"}


def test_nothing_of_our_own_marks_is_left() -> None:
    assert "x-v4" not in json.dumps(crd.definition())


def test_columns_stand_in_the_order_of_the_design() -> None:
    columns = VERSION["additionalPrinterColumns"]
    assert [column["name"] for column in columns] == (
        ["Checkpoint", "Engine", "Desired", "Ready", "TPS", "KV", "HBM", "Status", "Age"]
    )
    assert {c["name"]: c["jsonPath"] for c in columns}["HBM"] == ".status.columns.hbm"
    assert {c["name"]: c["type"] for c in columns}["KV"] == "string"


def test_the_count_can_be_scaled_and_the_status_is_apart() -> None:
    assert VERSION["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }
    selector = ROOT["properties"]["status"]["properties"]["selector"]
    assert selector["type"] == "string"
    assert "nullable" not in selector


def test_nothing_of_the_status_is_required_but_what_tells_items_apart() -> None:
    found = {
        path: node["required"]
        for path, node in nodes(ROOT["properties"]["status"], "status")
        if "required" in node
    }
    assert found == {
        "status.replicaStatuses[]": ["name"],
        "status.configuration[]": ["name"],
        "status.conditions[]": ["type", "status", "reason", "message", "lastTransitionTime"],
    }


@pytest.mark.parametrize(
    "seen",
    [observation(serving(2)), observation((silent("replica-0"),)), observation(())],
    ids=["serving", "silent", "empty"],
)
def test_the_schema_of_the_status_is_what_the_operator_writes(seen: Observation) -> None:
    told = forecast(demand(1.5), now=seen.now)
    verdict, _ = decide(seen, told, PolicyMemory())
    written = document(status(seen, told, verdict, None))["status"]
    read = V4DeploymentStatus.model_validate(written)
    assert read.model_dump(by_alias=True, exclude_unset=True) == written
    assert set(V4DeploymentStatus.model_json_schema(by_alias=True)["properties"]) - set(
        written
    ) == {"selector"}


class Item(BaseModel):
    name: Annotated[str, PrinterColumn(name="Name")]


class Listed(BaseModel):
    items: list[Item]


class Chosen(BaseModel):
    name: Annotated[str, Selectable()]


def test_a_mark_within_a_list_is_an_error_because_it_has_no_path() -> None:
    with pytest.raises(NotStructuralError, match=r"\.spec\.items\[\]\.name"):
        list(crd._columns(structural(Listed), ".spec"))


def test_a_selectable_field_is_named_by_its_path() -> None:
    assert list(crd._selectable(structural(Chosen), ".spec")) == [".spec.name"]
