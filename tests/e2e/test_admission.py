"""The verdict at apply on a real API server, against what `plan` says of the same manifest."""

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.operator_fleets import LIMIT
from tests.e2e.operator_process import running_operator
from tests.e2e.resource import (
    ROOT,
    Answer,
    apply,
    change,
    collection,
    create,
    install_definition,
)
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually
from tests.unit.api.test_cel import VALID
from tests.unit.estimate.test_hbm_fit_table import CONTEXTS, ROWS, Row

from v4operator.api.manifest import parse
from v4operator.catalogue import load
from v4operator.crdgen import admission
from v4operator.estimate.hbm import check
from v4operator.model.catalogue import Catalogue
from v4operator.model.hbm import HbmVerdict

POLICIES = ROOT / "manifests" / "admission" / "policies.yaml"
HBM_POLICIES = ("hbm-warn.v4serving.dev", "hbm-enforce.v4serving.dev")
HEAVY, CROWDED = "weights of", "requests of"
FLASH, PRO = "deepseek-ai/DeepSeek-V4-Flash", "deepseek-ai/DeepSeek-V4-Pro"
BEYOND = (1, 8, 32, 128)  # requests more than there is room for


def manifest(**spec: Any) -> dict[str, Any]:
    """`VALID`, with Enforce and the parts that are given."""
    made = deepcopy(VALID)
    made["spec"] |= deepcopy(spec)
    made["spec"]["hbm"] = {"policy": "Enforce", **spec.get("hbm", {})}
    return made


def replica(devices: int, device: str, checkpoint: str = FLASH, **spec: Any) -> dict[str, Any]:
    parts = {"model": {"checkpoint": checkpoint}, "accelerator": _on(devices, device)}
    return manifest(**(parts | spec))


def _on(devices: int, device: str) -> dict[str, Any]:
    return {"product": device, "count": devices}


TOO_HEAVY = replica(2, "h100-80")


def planned(made: Mapping[str, Any]) -> HbmVerdict:
    return check(parse(made, "test", load()).memory, load()).verdict


def table_path() -> str:
    return f"/api/v1/namespaces/{admission.NAMESPACE}/configmaps/{admission.TABLE_NAME}"


@pytest.fixture(scope="module", autouse=True)
def _policies(plane: ControlPlane) -> Iterator[None]:
    """Definition, policies and table, in force; policies and table are gone afterwards."""
    install_definition(plane)
    space = {"metadata": {"name": admission.NAMESPACE}, "apiVersion": "v1", "kind": "Namespace"}
    apply(plane, f"/api/v1/namespaces/{admission.NAMESPACE}", space)
    documents = list(yaml.safe_load_all(POLICIES.read_text()))
    paths = [_path(document) for document in documents]
    for path, document in zip(paths, documents, strict=True):
        apply(plane, path, document)
    written_by_the_operator(plane)
    eventually(lambda: refused(plane, TOO_HEAVY), what="the policies are in force")
    yield
    for path in [*paths, table_path()]:
        plane.api.delete(path).raise_for_status()
    eventually(lambda: not refused(plane, TOO_HEAVY), what="the policies are gone")


def written_by_the_operator(plane: ControlPlane) -> None:
    """The table as the operator makes it, with the rights that the manifests give it."""
    with running_operator(plane, admission.NAMESPACE):
        eventually(
            lambda: plane.api.get(table_path()).is_success,
            what="the operator has written the table",
            limit_seconds=LIMIT,
        )
    assert plane.get(table_path())["data"] == admission.table(load())["data"]


def _path(document: Mapping[str, Any]) -> str:
    name = document["metadata"]["name"]
    kind = {
        "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
        "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    }[document["kind"]]
    return f"/apis/admissionregistration.k8s.io/v1/{kind}/{name}"


def refused(plane: ControlPlane, made: Mapping[str, Any]) -> str | None:
    """Why the policies refuse it; `None` where they do not."""
    answer = create(plane, "default", made)
    assert answer.accepted or answer.document["reason"] == "Invalid", answer.message
    return None if answer.accepted else answer.message


@contextmanager
def another_table(plane: ControlPlane, data: Mapping[str, str] | None) -> Iterator[None]:
    """With that table, or without one, until it is left; then the right one is in force again."""
    right = admission.table(load())
    plane.api.delete(table_path()).raise_for_status()
    if data is not None:
        apply(plane, table_path(), right | {"data": dict(data)})
    try:
        yield
    finally:
        apply(plane, table_path(), right)
        eventually(lambda: refused(plane, TOO_HEAVY), what="the right table is back")


# The fit table.


def row_manifest(row: Row, context: int, concurrency: int = 1) -> dict[str, Any]:
    """A kernel is no field of a manifest; Marlin is the default before vLLM 0.28."""
    plan, layout = row.plan, row.plan.layout
    version = "0.27.0" if plan.moe_kernel == "marlin" else "0.33.0"
    return replica(
        plan.devices,
        plan.accelerator,
        plan.checkpoint,
        model={"checkpoint": plan.checkpoint, "maxContextTokens": context},
        engine={"name": "vllm", "version": version},
        parallelism={"tensor": layout.tensor, "data": layout.data, "expert": layout.expert},
        hbm={"concurrency": concurrency},
    )


CELLS = [
    pytest.param(row, context, cell.startswith("NO"), id=f"{row.name}-{label}")
    for row in ROWS
    for (label, context), cell in zip(CONTEXTS.items(), row.cells, strict=True)
]


@pytest.mark.parametrize(("row", "context"), [c.values[:2] for c in CELLS if c.values[2]])
def test_each_cell_whose_weights_exceed_is_refused_for_its_weights(
    plane: ControlPlane, row: Row, context: int
) -> None:
    assert HEAVY in str(refused(plane, row_manifest(row, context)))


def test_an_admitted_cell_is_allowed_up_to_its_room_and_refused_beyond(
    plane: ControlPlane,
) -> None:
    told: list[bool] = []
    for row, context, heavy in (cell.values for cell in CELLS):
        assert isinstance(row, Row)
        assert isinstance(context, int)
        if heavy:
            continue
        plan = parse(row_manifest(row, context), "test", load()).memory
        most = check(plan, load()).max_concurrency or 0
        if check(replace(plan, concurrency=most), load()).verdict.fits:
            assert refused(plane, row_manifest(row, context, most)) is None
        for more in BEYOND:
            made = row_manifest(row, context, most + more)
            if planned(made) is HbmVerdict.CONCURRENCY_EXCEED:
                told.append(CROWDED in str(refused(plane, made)))
    assert len(told) > 300
    assert sum(told) == len(told)


# Everything else that `plan` is asked.


def any_manifest(chance: random.Random, catalogue: Catalogue) -> dict[str, Any]:
    """Whatever a person may write, mostly sizes that exist."""

    def name(entries: Any) -> str:
        entry = chance.choice([e for e in entries if getattr(e, "formats", True)])
        return str(chance.choice([entry.name, *entry.aliases]))

    tensor, data = chance.choice([1, 2, 4, 8, 16]), chance.choice([1, 1, 1, 2, 4, 8])
    pipeline = chance.choice([1, 1, 1, 2, 3])
    checkpoint = name(chance.sample(catalogue.checkpoints, 8))
    tuned = {"base": checkpoint, "weightBytes": chance.choice(["160GB", "150 Gi", "0.9TB"])}
    model: dict[str, Any] = {"checkpoint": checkpoint} if chance.random() < 0.8 else {}
    model = model or {"custom": tuned}
    if chance.random() < 0.8:
        model["maxContextTokens"] = chance.choice([100, 256, 4096, 36_864, 262_144, 1_048_576])
    engine = {"name": chance.choice(["vllm", "sglang"])}
    versions = ["0.33.0", "0.25.1", "0.22", "0.5.23", "0.5.15.post2", "latest", "0.34+cu13", "9"]
    if chance.random() < 0.7:
        engine["version"] = chance.choice(versions)
    hbm: dict[str, Any] = {"concurrency": chance.choice([1, 8, 32, 100, 257, 1000, 5000])}
    if chance.random() < 0.3:
        hbm["budget"] = chance.choice(["90%", "95 %", "70Gi", "130GB", "75.5GiB", "60000MiB"])
    return replica(
        tensor * data * pipeline,
        name(catalogue.accelerators),
        model=model,
        engine=engine,
        parallelism={
            "tensor": tensor,
            "data": data,
            "pipeline": pipeline,
            "expert": chance.random() < 0.5,
        },
        hbm=hbm,
    )


def test_it_never_speaks_against_plan(plane: ControlPlane) -> None:
    chance = random.Random(20261124)  # noqa: S311 - the same manifests every time
    heavy = crowded = 0
    for _ in range(500):
        made = any_manifest(chance, load())
        verdict, why = planned(made), refused(plane, made)
        if why is None:
            continue
        heavy, crowded = heavy + (HEAVY in why), crowded + (CROWDED in why)
        expected = {HbmVerdict.WEIGHTS_EXCEED}
        if CROWDED in why:
            expected = {HbmVerdict.ADMISSION_EXCEED, HbmVerdict.CONCURRENCY_EXCEED}
        assert verdict in expected, made
    assert heavy > 20
    assert crowded > 20


@pytest.mark.parametrize(
    ("made", "why"),
    [
        pytest.param(replica(4, "h100-80"), None, id="vllm-fits"),
        pytest.param(replica(2, "h100-80"), HEAVY, id="vllm-heavy"),
        pytest.param(replica(4, "h100-80", hbm={"concurrency": 8}), CROWDED, id="vllm-crowded"),
        pytest.param(
            replica(4, "h200-141", engine={"name": "sglang"}, hbm={"concurrency": 11}),
            None,
            id="sglang-fits",
        ),
        pytest.param(replica(2, "h100-80", engine={"name": "sglang"}), HEAVY, id="sglang-heavy"),
        pytest.param(
            replica(4, "h200-141", engine={"name": "sglang"}, hbm={"concurrency": 12}),
            CROWDED,
            id="sglang-crowded-by-its-pools",
        ),
        pytest.param(
            replica(
                4,
                "h200-141",
                model={"checkpoint": FLASH, "maxContextTokens": 4096},
                engine={"name": "sglang"},
                hbm={"concurrency": 257},
            ),
            CROWDED,
            id="sglang-crowded-by-its-slots",
        ),
        pytest.param(
            replica(4, "h200-141", engine={"name": "sglang"}, hbm={"budget": "25%"}),
            HEAVY,
            id="sglang-limited-by-the-user",
        ),
        pytest.param(
            replica(8, "h200-141", PRO, engine={"name": "vllm", "version": "0.27.0"}),
            HEAVY,
            id="a-kernel-that-repacks",
        ),
        pytest.param(
            replica(8, "h200-141", PRO, engine={"name": "vllm", "version": "0.33.0"}),
            None,
            id="a-kernel-that-does-not",
        ),
        pytest.param(
            replica(1, "b200", model={"custom": {"base": FLASH, "weightBytes": "400GB"}}),
            HEAVY,
            id="a-fine-tune-that-is-larger",
        ),
        pytest.param(
            replica(2, "b200", model={"custom": {"base": FLASH, "weightBytes": "170 GB"}}),
            None,
            id="a-fine-tune-that-fits",
        ),
        pytest.param(replica(2, "NVIDIA-H100-80GB-HBM3"), HEAVY, id="a-device-by-its-node-label"),
        pytest.param(
            replica(2, "h100-80", "deepseek-v4-flash"), HEAVY, id="a-checkpoint-by-its-alias"
        ),
    ],
)
def test_every_branch_says_what_plan_says(
    plane: ControlPlane, made: dict[str, Any], why: str | None
) -> None:
    told = refused(plane, made)
    verdicts = {HEAVY: "weights-exceed", CROWDED: "concurrency-exceed"}
    assert planned(made).value == verdicts[why] if why else planned(made).fits
    assert why in told if why and told else told is None and why is None


# On a device of 79.2 GiB, with weights of 38.8: 41.8 GiB at low overhead, 44.8 at central.
TOO_LITTLE = ("52%", "52.5 %", "44GB", "41Gi", "42000MiB", "0.0401TiB", "44000000000")
ENOUGH = ("57.5%", "100%", "49GB", "46Gi", "47000 MiB", "0.05Ti", "49000000000")


def limited(amount: str) -> dict[str, Any]:
    model = {"checkpoint": FLASH, "maxContextTokens": 4096}
    return replica(4, "h100-80", model=model, hbm={"budget": amount})


@pytest.mark.parametrize("amount", TOO_LITTLE)
def test_a_budget_that_is_too_small_is_refused_in_every_unit(
    plane: ControlPlane, amount: str
) -> None:
    assert planned(limited(amount)) is HbmVerdict.WEIGHTS_EXCEED
    assert HEAVY in str(refused(plane, limited(amount)))


@pytest.mark.parametrize("amount", ENOUGH)
def test_a_budget_that_is_large_enough_is_allowed_in_every_unit(
    plane: ControlPlane, amount: str
) -> None:
    assert planned(limited(amount)).fits
    assert refused(plane, limited(amount)) is None


# What is allowed, for a condition to tell later.

FLAG = "--gpu-memory-utilization"
POD = {"containers": [{"name": "engine", "command": ["vllm", "serve"], "args": [f"{FLAG}=0.95"]}]}


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(
            replica(2, "h100-80", engine={"name": "vllm", "args": [FLAG, "0.95"]}), id="flag"
        ),
        pytest.param(
            replica(2, "h100-80", engine={"name": "vllm", "args": ["--max_num_seqs=3"]}),
            id="flag-with-underscores",
        ),
        pytest.param(
            replica(2, "h100-80", workload={"template": {"spec": POD}}), id="flag-in-the-template"
        ),
        pytest.param(
            replica(
                2,
                "h100-80",
                workload={
                    "template": {
                        "spec": {
                            "containers": [
                                {"command": ["sh", "-c", f"exec vllm serve x {FLAG} 0.9"]}
                            ]
                        }
                    }
                },
            ),
            id="flag-in-a-line-for-a-shell",
        ),
        pytest.param(
            replica(2, "h100-80", workload={"template": {"spec": {"containers": "none"}}}),
            id="a-template-that-makes-an-expression-err",
        ),
        pytest.param(replica(2, "a-device-of-tomorrow"), id="unknown-device"),
        pytest.param(replica(2, "h100-80", "org/unknown"), id="unknown-checkpoint"),
        pytest.param(
            replica(2, "h100-80", model={"checkpoint": FLASH, "kvCacheDtype": "bf16"}),
            id="unknown-kv-layout",
        ),
        pytest.param(
            replica(2, "h100-80", engine={"name": "vllm", "version": "0.19"}),
            id="a-release-that-does-not-serve-it",
        ),
        pytest.param(replica(3, "h100-80"), id="a-layout-that-nobody-serves"),
    ],
)
def test_what_cel_cannot_tell_is_allowed(plane: ControlPlane, made: dict[str, Any]) -> None:
    assert refused(plane, made) is None


def test_other_arguments_do_not_hide_what_does_not_fit(plane: ControlPlane) -> None:
    engine = {"name": "vllm", "args": ["--trust-remote-code", "--port", "8000"]}
    assert HEAVY in str(refused(plane, replica(2, "h100-80", engine=engine)))


def test_without_a_table_everything_is_allowed(plane: ControlPlane) -> None:
    with another_table(plane, None):
        eventually(lambda: refused(plane, TOO_HEAVY) is None, what="the table is gone")


def test_with_an_empty_table_everything_is_allowed(plane: ControlPlane) -> None:
    with another_table(plane, {}):
        eventually(lambda: refused(plane, TOO_HEAVY) is None, what="the table is empty")


def test_with_a_table_of_nonsense_everything_is_allowed(plane: ControlPlane) -> None:
    nonsense = dict.fromkeys(admission.table(load())["data"], "nonsense")
    with another_table(plane, nonsense):
        eventually(lambda: refused(plane, TOO_HEAVY) is None, what="the table is nonsense")


# Who is told what.


def with_policy(made: Mapping[str, Any], policy: str | None) -> dict[str, Any]:
    changed = deepcopy(dict(made))
    changed["spec"]["hbm"].pop("policy")
    changed["spec"]["hbm"] |= {"policy": policy} if policy else {}
    return changed


@pytest.mark.parametrize("policy", ["Warn", None], ids=["warn", "default"])
def test_warn_tells_whoever_applies_and_lets_it_through(
    plane: ControlPlane, namespace: str, policy: str | None
) -> None:
    made = json.dumps(with_policy(TOO_HEAVY, policy))
    said = plane.kubectl.apply(made, "-n", namespace)
    assert "Warning: " in said.stderr
    assert "weights of 76.4 GiB per device are more than the 69.9 GiB" in said.stderr
    assert plane.get(collection(namespace))["items"]


def test_enforce_refuses_with_the_figures(plane: ControlPlane, namespace: str) -> None:
    said = plane.kubectl.attempt(
        "apply", "-n", namespace, "-f", "-", stdin=json.dumps(with_policy(TOO_HEAVY, "Enforce"))
    )
    assert said.status != 0
    assert "weights of 76.4 GiB per device are more than the 69.9 GiB" in said.stderr
    assert plane.get(collection(namespace))["items"] == []


def test_only_one_of_the_policies_speaks(plane: ControlPlane, namespace: str) -> None:
    warned = create(plane, namespace, with_policy(TOO_HEAVY, "Warn"))
    assert len(warned.warnings) == 1
    assert create(plane, namespace, with_policy(TOO_HEAVY, "Enforce")).warnings == ()


UNTOUCHED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("a-pause", {"spec": {"scaling": {"paused": True}}}),
    ("a-label", {"metadata": {"labels": {"a": "b"}}}),
    ("a-finalizer", {"metadata": {"finalizers": ["example.com/keep"]}}),
    ("an-objective", {"spec": {"objectives": {"ttft": "3s"}}}),
)
LOOKED_AT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("model", {"spec": {"model": {"maxContextTokens": 4096}}}),
    ("engine", {"spec": {"engine": {"version": "0.33.0"}}}),
    ("accelerator", {"spec": {"accelerator": {"product": "NVIDIA-H100-80GB-HBM3"}}}),
    ("parallelism", {"spec": {"parallelism": {"tensor": 2}}}),
    ("hbm", {"spec": {"hbm": {"concurrency": 2}}}),
    (
        "template",
        {"spec": {"workload": {"template": {"spec": {"containers": [{"args": ["-x"]}]}}}}},
    ),
)


@pytest.fixture
def overtaken(plane: ControlPlane, namespace: str) -> str:
    """The namespace of a V4Deployment, flash, that was allowed and which the table now refuses."""
    workload = {"template": {"spec": {"containers": [{"args": ["--trust-remote-code"]}]}}}
    made = replica(2, "h100-80", workload=workload)
    with another_table(plane, {}):
        eventually(
            lambda: create(plane, namespace, made, keep=True).accepted,
            what="it is created while nothing is known",
        )
    return namespace


def test_a_new_catalogue_blocks_nothing_but_a_change_of_memory(
    plane: ControlPlane, overtaken: str
) -> None:
    for name, patch in UNTOUCHED:
        assert change(plane, overtaken, "flash", patch).accepted, name
    for name, patch in LOOKED_AT:
        answer = change(plane, overtaken, "flash", patch)
        assert not answer.accepted, name
        assert HEAVY in answer.message, name


def test_a_count_in_automatic_is_answered_with_the_field_that_counts(
    plane: ControlPlane, namespace: str
) -> None:
    made = replica(4, "h100-80", replicas=3)
    (warning,) = create(plane, namespace, made).warnings
    assert "replicas is not looked at in mode Automatic: set scaling.minReplicas" in warning


@pytest.mark.parametrize("mode", ["Recommend", "Disabled"])
def test_a_count_in_another_mode_is_nothing_to_warn_of(
    plane: ControlPlane, namespace: str, mode: str
) -> None:
    made = replica(4, "h100-80", replicas=3, scaling={"mode": mode})
    answer: Answer = create(plane, namespace, made)
    assert answer.accepted
    assert answer.warnings == ()


@pytest.mark.parametrize("name", HBM_POLICIES)
def test_the_server_finds_no_fault_in_the_expressions(plane: ControlPlane, name: str) -> None:
    path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{name}"

    def checked() -> dict[str, Any] | None:
        status: dict[str, Any] = plane.get(path).get("status", {})
        return status if "typeChecking" in status else None

    assert eventually(checked, what="its types are checked")["typeChecking"] == {}


def test_the_committed_policies_are_those_of_the_code() -> None:
    assert Path(POLICIES).read_text() == admission.text()
