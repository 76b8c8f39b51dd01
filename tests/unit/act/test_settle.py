"""What a live template has settled on stays until the pods are replaced for another reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import deployment as made
from tests.fleets import scaling

from v4operator.act.render import BASIS_ANNOTATION, fingerprint, render_deployment
from v4operator.act.settle import LiveTemplate, settle
from v4operator.model.deployment import Deployment
from v4operator.model.layout import Layout

TEMPLATE: dict[str, Any] = {"spec": {"containers": [{"name": "engine", "image": "engine:1"}]}}
RESOURCE = "nvidia.com/gpu"


def of(**changes: Any) -> Deployment:
    base = made()
    return replace(base, memory=replace(base.memory, **changes))


def rendered(
    deployment: Deployment,
    live: dict[str, Any] | None,
    limit: Callable[[], int | None],
    template: dict[str, Any] = TEMPLATE,
) -> dict[str, Any]:
    """As the operator renders it with the Deployment `live` in the cluster."""
    held = live and LiveTemplate(
        annotations=live["metadata"].get("annotations", {}),
        pod_spec=live["spec"]["template"]["spec"],
    )
    basis = fingerprint(deployment, template, RESOURCE)
    settled = settle(deployment, held or None, basis=basis, admission_limit=limit)
    return render_deployment(
        deployment, template, uid="u", device_resource=RESOURCE, settled=settled
    )


def template_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["spec"]["template"]
    return found


def fitted(limit: int) -> Callable[[], int]:
    return lambda: limit


@pytest.mark.parametrize(
    "deployment",
    [of(), of(engine="vllm"), of(engine="vllm", layout=Layout(tensor=1, data=4)), of(engine="nim")],
    ids=["SGLang", "vLLM", "vLLM by rank", "an engine that is not rendered"],
)
def test_an_unchanged_spec_gives_the_same_template_whatever_was_learned_since(
    deployment: Deployment,
) -> None:
    first = rendered(deployment, None, fitted(50))
    slower = replace(deployment, scaling=scaling(drain_timeout_seconds=3600.0))
    for again in (deployment, slower):
        assert template_of(rendered(again, first, fitted(20))) == template_of(first)


def test_another_image_takes_the_limit_and_the_drain_time_of_today() -> None:
    first = rendered(of(), None, fitted(50))
    image = {"spec": {"containers": [{"name": "engine", "image": "engine:2"}]}}
    slower = replace(of(), scaling=scaling(drain_timeout_seconds=3600.0))
    spec = template_of(rendered(slower, first, fitted(20), image))["spec"]
    assert spec["terminationGracePeriodSeconds"] == 3600 + 15 + 30
    assert spec["containers"][0]["args"][-2:] == ["--max-running-requests", "20"]


def test_a_template_of_an_operator_that_noted_nothing_is_kept_as_it_is() -> None:
    first = rendered(of(), None, lambda: None)
    del first["metadata"]["annotations"]
    again = rendered(of(), first, fitted(20))
    assert template_of(again) == template_of(first)
    assert again["metadata"]["annotations"][BASIS_ANNOTATION] == fingerprint(
        of(), TEMPLATE, RESOURCE
    )


def test_a_live_template_without_a_grace_period_gets_the_usual_one() -> None:
    held = LiveTemplate(annotations={}, pod_spec={})
    found = settle(of(), held, basis="b", admission_limit=fitted(20))
    assert (found.grace_seconds, found.admission_limit) == (600 + 15 + 30, None)
