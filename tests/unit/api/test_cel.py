"""What is refused, and what is not: one table, which the real API server is asked too.

`tests/e2e/test_crd.py` sends the same manifests to the server, whose answers come from the schema
and the CEL rules that are made from the same classes.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from v4operator.api.manifest import parse
from v4operator.catalogue import load
from v4operator.model.problem import InputError

VALID: dict[str, Any] = {
    "apiVersion": "v4serving.dev/v1alpha1",
    "kind": "V4Deployment",
    "metadata": {"name": "flash"},
    "spec": {
        "model": {"checkpoint": "deepseek-ai/DeepSeek-V4-Flash"},
        "engine": {"name": "vllm"},
        "accelerator": {"product": "h200-141", "count": 4},
        "workload": {"endpoints": ["http://engine:8000"]},
    },
}
CUSTOM = {"base": "deepseek-ai/DeepSeek-V4-Flash", "weightBytes": "160GB"}
NIGHT = {"name": "night", "start": "0 22 * * *", "duration": "9h", "minReplicas": 2}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A change to `VALID`; a field set to `None` is taken out.

    `field` is where the server finds the mistake, `message` a part of what it says, `path` where
    Python finds it.
    """

    name: str
    change: Mapping[str, Any]
    field: str = ""
    message: str = ""
    path: str = ""

    @property
    def manifest(self) -> dict[str, Any]:
        made = deepcopy(VALID)
        _change(made["spec"], self.change)
        return made


def _change(target: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if value is None:
            target.pop(key)
        elif isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _change(target[key], value)
        else:
            target[key] = deepcopy(value)


REFUSED = (
    Case(
        name="two-models",
        change={"model": {"custom": CUSTOM}},
        field="spec.model",
        message="exactly one of checkpoint and custom",
        path="spec.model",
    ),
    Case(
        name="no-model",
        change={"model": {"checkpoint": None}},
        field="spec.model",
        message="exactly one of checkpoint and custom",
        path="spec.model",
    ),
    Case(
        name="two-workloads",
        change={"workload": {"template": {"spec": {"containers": []}}}},
        field="spec.workload",
        message="exactly one of template, targetRef and endpoints",
        path="spec.workload",
    ),
    Case(
        name="no-workload",
        change={"workload": {"endpoints": None}},
        field="spec.workload",
        message="exactly one of template, targetRef and endpoints",
        path="spec.workload",
    ),
    Case(
        name="a-rollout-that-cannot-move",
        change={"workload": {"rollout": {"maxSurge": 0, "maxUnavailable": 0}}},
        field="spec.workload.rollout",
        message="maxSurge and maxUnavailable are not both 0",
        path="spec.workload.rollout",
    ),
    Case(
        name="minimum-above-maximum",
        change={"scaling": {"minReplicas": 5, "maxReplicas": 4}},
        field="spec.scaling.minReplicas",
        message="minReplicas <= maxReplicas",
        path="spec.scaling",
    ),
    Case(
        name="minimum-above-the-default-maximum",
        change={"scaling": {"minReplicas": 11}},
        field="spec.scaling.minReplicas",
        message="minReplicas <= maxReplicas",
        path="spec.scaling",
    ),
    Case(
        name="floor-above-maximum",
        change={"scaling": {"maxReplicas": 1, "schedules": [NIGHT]}},
        field="spec.scaling.schedules",
        message="minReplicas of each schedule <= maxReplicas",
        path="spec.scaling",
    ),
    Case(
        name="one-schedule-twice",
        change={"scaling": {"schedules": [NIGHT, NIGHT]}},
        field="spec.scaling.schedules[1]",
        message="Duplicate value",
        path="spec.scaling",
    ),
    Case(
        name="no-cron",
        change={"scaling": {"schedules": [NIGHT | {"start": "at ten"}]}},
        field="spec.scaling.schedules[0].start",
        message="should match",
        path="spec.scaling.schedules.0.start",
    ),
    Case(
        name="two-nodes",
        change={"accelerator": {"nodes": 2}},
        field="spec.accelerator.nodes",
        message="spans nodes",
        path="spec.accelerator",
    ),
    Case(
        name="layout-of-another-size",
        change={"parallelism": {"tensor": 2}},
        field="spec.parallelism",
        message="tensor x data x pipeline = accelerator.count",
        path="spec.parallelism",
    ),
    Case(
        name="data-does-not-divide",
        change={"parallelism": {"data": 3}},
        field="spec.parallelism",
        message="tensor x data x pipeline = accelerator.count",
        path="spec.parallelism",
    ),
    Case(
        name="pipeline-is-more",
        change={"parallelism": {"pipeline": 8}},
        field="spec.parallelism",
        message="tensor x data x pipeline = accelerator.count",
        path="spec.parallelism",
    ),
    Case(
        name="a-prometheus-that-is-not-asked",
        change={"metrics": {"prometheus": "main"}},
        field="spec.metrics",
        message="prometheus is named only where source is Prometheus",
        path="spec.metrics",
    ),
    Case(
        name="a-source-that-is-not-there",
        change={"metrics": {"source": "Graphite"}},
        field="spec.metrics.source",
        message="Unsupported value",
        path="spec.metrics.source",
    ),
    Case(
        name="a-gateway-without-a-queue",
        change={"demand": {"lostQuery": "sum(gateway_lost_total)"}},
        field="spec.demand.query",
        message="Required value",
        path="spec.demand.query",
    ),
    Case(
        name="a-query-that-asks-nothing",
        change={"demand": {"query": " \n"}},
        field="spec.demand.query",
        message="should match",
        path="spec.demand.query",
    ),
    Case(
        name="a-query-that-is-too-long",
        change={"demand": {"query": "x" * 2001}},
        field="spec.demand.query",
        message="may not be more than 2000",
        path="spec.demand.query",
    ),
    Case(
        name="an-address-for-a-prometheus",
        change={"demand": {"query": "up", "prometheus": "http://prometheus:9090"}},
        field="spec.demand.prometheus",
        message="should match",
        path="spec.demand.prometheus",
    ),
    Case(
        name="interval-too-long",
        change={"metrics": {"interval": "90s"}},
        field="spec.metrics.interval",
        message="between 1s and 60s",
        path="spec.metrics.interval",
    ),
    Case(
        name="interval-too-short",
        change={"metrics": {"interval": "500ms"}},
        field="spec.metrics.interval",
        message="between 1s and 60s",
        path="spec.metrics.interval",
    ),
    Case(
        name="no-time",
        change={"objectives": {"ttft": "0s"}},
        field="spec.objectives.ttft",
        message="more than 0",
        path="spec.objectives.ttft",
    ),
    Case(
        name="time-without-unit",
        change={"objectives": {"ttft": "2"}},
        field="spec.objectives.ttft",
        message="should match",
        path="spec.objectives.ttft",
    ),
    Case(
        name="time-as-number",
        change={"objectives": {"ttft": 2}},
        field="spec.objectives.ttft",
        message="must be of type string",
        path="spec.objectives.ttft",
    ),
    Case(
        name="everything-attained",
        change={"objectives": {"attainment": 1}},
        field="spec.objectives.attainment",
        message="should be less than 1",
        path="spec.objectives.attainment",
    ),
    Case(
        name="no-bytes",
        change={"model": {"checkpoint": None, "custom": CUSTOM | {"weightBytes": "0.0GB"}}},
        field="spec.model.custom.weightBytes",
        message="more than 0",
        path="spec.model.custom.weightBytes",
    ),
    Case(
        name="no-share",
        change={"hbm": {"budget": "0%"}},
        field="spec.hbm.budget",
        message="more than 0",
        path="spec.hbm.budget",
    ),
    Case(
        name="more-than-all",
        change={"hbm": {"budget": "101%"}},
        field="spec.hbm.budget",
        message="should match",
        path="spec.hbm.budget",
    ),
    Case(
        name="unknown-unit",
        change={"hbm": {"budget": "130gb"}},
        field="spec.hbm.budget",
        message="should match",
        path="spec.hbm.budget",
    ),
    Case(
        name="unknown-engine",
        change={"engine": {"name": "vlm"}},
        field="spec.engine.name",
        message='supported values: "sglang", "vllm"',
        path="spec.engine.name",
    ),
    Case(
        name="negative-count",
        change={"replicas": -1},
        field="spec.replicas",
        message="greater than or equal to 0",
        path="spec.replicas",
    ),
    Case(
        name="no-address",
        change={"workload": {"endpoints": ["engine:8000"]}},
        field="spec.workload.endpoints[0]",
        message="should match",
        path="spec.workload.endpoints.0",
    ),
    Case(
        name="no-devices",
        change={"accelerator": {"count": None}},
        field="spec.accelerator.count",
        message="Required value",
        path="spec.accelerator.count",
    ),
)

ACCEPTED = (
    Case(name="the-least", change={}),
    Case(
        name="a-rollout-with-spare-devices",
        change={"workload": {"rollout": {"maxSurge": 1, "maxUnavailable": 0}}},
    ),
    Case(name="fine-tune", change={"model": {"checkpoint": None, "custom": CUSTOM}}),
    Case(name="blank-before-the-unit", change={"hbm": {"budget": "130 GB"}}),
    Case(name="binary-unit", change={"hbm": {"budget": "0.1275Ti"}}),
    Case(name="bytes-without-unit", change={"hbm": {"budget": "139586437120"}}),
    Case(name="all-of-it", change={"hbm": {"budget": "100.0%"}}),
    Case(name="less-than-a-per-cent", change={"hbm": {"budget": "0.5%"}}),
    Case(name="two-units-of-time", change={"scaling": {"behavior": {"shrinkWindow": "1h30m"}}}),
    Case(name="a-fraction-of-time", change={"objectives": {"interTokenLatency": "0.5s"}}),
    Case(name="the-longest-interval", change={"metrics": {"interval": "1m"}}),
    Case(name="schedules", change={"scaling": {"schedules": [NIGHT, NIGHT | {"name": "day"}]}}),
    Case(name="layout", change={"parallelism": {"tensor": 2, "data": 2, "expert": True}}),
    Case(name="layout-that-is-left", change={"parallelism": {"data": 2}}),
    Case(name="minimum-is-maximum", change={"scaling": {"minReplicas": 3, "maxReplicas": 3}}),
    Case(
        name="template",
        change={"workload": {"endpoints": None, "template": {"spec": {"containers": []}}}},
    ),
    Case(name="a-count-in-automatic", change={"replicas": 3}),
    Case(
        name="a-gateway-beside-scraped-engines",
        change={
            "demand": {
                "query": "sum(gateway_queue)\n  + sum(router_queue)\n",
                "lostQuery": "sum(gateway_lost_total)",
                "prometheus": "main",
            }
        },
    ),
)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_mistake_is_refused_with_its_place(case: Case) -> None:
    with pytest.raises(InputError) as caught:
        parse(case.manifest, "file", load())
    assert case.path in [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_what_is_right_is_accepted(case: Case) -> None:
    assert str(parse(case.manifest, "file", load()).key) == "default/flash"
