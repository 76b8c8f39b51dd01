import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from v4operator.catalogue import load
from v4operator.crdgen import admission
from v4operator.crdgen.verdict import variables

COMMITTED = Path(__file__).parents[3] / "manifests" / "admission" / "policies.yaml"
DOCUMENTS = list(yaml.safe_load_all(admission.text()))
POLICIES = [d for d in DOCUMENTS if d["kind"] == "ValidatingAdmissionPolicy"]
BINDINGS = {d["metadata"]["name"]: d["spec"] for d in DOCUMENTS if d not in POLICIES}


def test_the_committed_policies_are_those_of_the_code() -> None:
    hint = "v4-operator crd --what admission --output manifests/admission/policies.yaml"
    assert COMMITTED.read_text() == admission.text(), hint


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["metadata"]["name"])
def test_no_policy_blocks_by_failing(policy: dict[str, Any]) -> None:
    assert policy["spec"]["failurePolicy"] == "Ignore"
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    assert [rule["resources"] for rule in rules] == [["v4deployments"]]  # no subresource


def test_actions_belong_to_bindings_and_a_missing_table_allows() -> None:
    actions = {name: spec["validationActions"] for name, spec in BINDINGS.items()}
    assert actions == {
        "hbm-warn.v4serving.dev": ["Warn"],
        "hbm-enforce.v4serving.dev": ["Deny"],
        "replicas-ignored.v4serving.dev": ["Warn"],
    }
    for name in ("hbm-warn.v4serving.dev", "hbm-enforce.v4serving.dev"):
        assert BINDINGS[name]["paramRef"] == {
            "name": "v4-operator-capacity",
            "namespace": "v4-operator-system",
            "parameterNotFoundAction": "Allow",
        }


def test_the_two_policies_differ_in_the_word_they_look_for_alone() -> None:
    warn, enforce = (policy["spec"] for policy in POLICIES[:2])
    assert warn["variables"] == enforce["variables"]
    assert warn["validations"] == enforce["validations"]
    asked = [spec["matchConditions"][0]["expression"] for spec in (warn, enforce)]
    assert asked[1] == asked[0].removesuffix("'Warn'") + "'Enforce'"


def test_a_variable_uses_only_those_before_it_and_every_one_is_used() -> None:
    known: set[str] = set()
    used: set[str] = set()
    for variable in variables():
        names = set(re.findall(r"variables\.(\w+)", variable["expression"]))
        assert names <= known
        known.add(variable["name"])
        used |= names
    assert known - used == {"heavy", "crowded"} - used


def test_every_constant_is_filled_in() -> None:
    assert not re.findall(r"<[A-Z_]+>", admission.text())


def test_the_table_is_where_the_bindings_look() -> None:
    table = admission.table(load(), "elsewhere")
    assert table["metadata"] == {"name": "v4-operator-capacity", "namespace": "elsewhere"}
    assert table["data"]["visible.h100-80"] == str(int(79.2 * 2**30) + 1)
    bound = yaml.safe_load_all(admission.text("elsewhere"))
    places = [d["spec"].get("paramRef", {}).get("namespace") for d in bound]
    assert places.count("elsewhere") == 2
