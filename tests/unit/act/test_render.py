from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from tests.fleets import deployment as made
from tests.fleets import scaling

from v4operator.act.render import fresh, render_deployment, render_service
from v4operator.model.deployment import Deployment, Rollout
from v4operator.model.layout import Layout

UID = "a1"
LIMITS = {"nvidia.com/gpu": "4"}


def memory_of(**changes: Any) -> Deployment:
    base = made()
    return replace(base, memory=replace(base.memory, **changes))


def template(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "engine", "image": "sglang", **container}]}}


def rendered(
    deployment: Deployment,
    pod: dict[str, Any],
    resource: str | None = "nvidia.com/gpu",
    limit: int | None = None,
) -> dict[str, Any]:
    return render_deployment(
        deployment, pod, uid=UID, device_resource=resource, settled=fresh(deployment, limit)
    )


def engine_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["spec"]["template"]["spec"]["containers"][0]
    return found


def test_the_count_is_never_part_of_what_is_applied() -> None:
    assert "replicas" not in rendered(made(), template())["spec"]


def test_the_service_selects_routable_pods_and_the_deployment_does_not_look_at_the_label() -> None:
    document = rendered(made(), template())
    labels = document["spec"]["template"]["metadata"]["labels"]
    service = render_service(made(), uid=UID)["spec"]["selector"]
    assert service.items() <= labels.items()
    assert service["v4serving.dev/routable"] == "true"
    assert "v4serving.dev/routable" not in document["spec"]["selector"]["matchLabels"]
    assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_a_rollout_needs_no_spare_device_and_has_time_for_three_starts() -> None:
    spec = rendered(made(), template())["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert spec["progressDeadlineSeconds"] == 3 * 480


def test_the_owner_is_the_v4deployment_and_blocks_nothing() -> None:
    (owner,) = rendered(made(), template())["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("V4Deployment", UID, True)
    assert "blockOwnerDeletion" not in owner


def test_a_rollout_with_spare_devices_is_asked_for() -> None:
    surging = replace(made(), rollout=Rollout(max_surge=2, max_unavailable=0))
    strategy = rendered(surging, template())["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 2, "maxUnavailable": 0}


@pytest.mark.parametrize(
    ("engine", "layout", "limit", "flag"),
    [
        ("sglang", Layout(tensor=4), 52, "--max-running-requests 52"),
        ("sglang", Layout(tensor=1, data=4), 2, "--max-running-requests 4"),
        ("vllm", Layout(tensor=4), 52, "--max-num-seqs 52 --shutdown-timeout 600"),
        ("vllm", Layout(tensor=1, data=4), 50, "--max-num-seqs 13 --shutdown-timeout 600"),
    ],
    ids=["SGLang", "at least one for each rank", "vLLM", "vLLM counts by rank"],
)
def test_an_engine_is_told_how_many_requests_keep_the_objective(
    engine: str, layout: Layout, limit: int, flag: str
) -> None:
    deployment = memory_of(engine=engine, layout=layout)
    line = " ".join(engine_of(rendered(deployment, template(), limit=limit))["args"])
    assert line.endswith(flag)


def test_a_limit_that_a_person_wrote_is_not_written_again() -> None:
    own = memory_of(engine_args=("--max-running-requests", "8"))
    args = engine_of(rendered(own, template(), limit=52))["args"]
    assert args.count("--max-running-requests") == 1
    assert "52" not in args


@pytest.mark.parametrize(("grace", "drain"), [(60, "15"), (40, None)], ids=["short", "too short"])
def test_the_engines_own_drain_ends_within_the_grace_period_of_the_template(
    grace: int, drain: str | None
) -> None:
    pod = template()
    pod["spec"]["terminationGracePeriodSeconds"] = grace
    args = engine_of(rendered(memory_of(engine="vllm"), pod))["args"]
    told = dict(pairwise(args)).get("--shutdown-timeout")
    assert told == drain


@pytest.mark.parametrize(
    ("drain_seconds", "grace_seconds"),
    [(300.0, 600 + 15 + 30), (1200.5, 1201 + 15 + 30)],
    ids=["a shorter drain restarts nothing", "a longer one"],
)
def test_the_grace_period_is_longer_than_drain_and_pre_stop_together(
    drain_seconds: float, grace_seconds: int
) -> None:
    pace = scaling(drain_timeout_seconds=drain_seconds)
    document = rendered(made(scaling=pace), template())
    pod = document["spec"]["template"]["spec"]
    assert engine_of(document)["lifecycle"]["preStop"] == {"sleep": {"seconds": 15}}
    assert pod["terminationGracePeriodSeconds"] == grace_seconds


def test_what_a_template_says_is_left_alone_and_the_template_is_not_changed() -> None:
    own = {
        "command": ["serve.sh"],
        "args": ["--mine"],
        "ports": [{"containerPort": 9}],
        "resources": {"limits": {"amd.com/gpu": "8"}},
        "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
        "startupProbe": {"tcpSocket": {"port": 9}},
        "readinessProbe": {"tcpSocket": {"port": 9}},
    }
    pod = template(**own)
    pod["spec"]["terminationGracePeriodSeconds"] = 7
    pod["metadata"] = {"labels": {"team": "a"}}
    before = deepcopy(pod)
    document = rendered(made(), pod)
    assert pod == before
    assert engine_of(document) == {**pod["spec"]["containers"][0]}
    assert document["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 7
    assert document["spec"]["template"]["metadata"]["labels"]["team"] == "a"


@pytest.mark.parametrize(
    ("resource", "resources", "limits"),
    [
        ("nvidia.com/gpu", {}, LIMITS),
        ("nvidia.com/gpu", {"limits": {"cpu": "8"}}, {"cpu": "8", **LIMITS}),
        ("nvidia.com/gpu", {"limits": {"nvidia.com/gpu": "8"}}, {"nvidia.com/gpu": "8"}),
        (None, {}, None),
    ],
    ids=["none given", "only a processor", "given", "no device plugin known"],
)
def test_a_container_asks_for_the_devices_of_one_replica(
    resource: str | None, resources: dict[str, Any], limits: dict[str, str] | None
) -> None:
    document = rendered(made(), template(resources=resources), resource)
    assert engine_of(document)["resources"].get("limits") == limits


@pytest.mark.parametrize(
    ("engine", "version", "path"),
    [
        ("sglang", None, "/ready"),
        ("sglang", "0.5.23", "/ready"),
        ("sglang", "v0.6.0.post1", "/ready"),
        ("sglang", "0.5.9", "/health"),
        ("vllm", "0.33.0", "/health"),
        ("nim", None, "/v1/health/ready"),
    ],
)
def test_probes_ask_what_the_engine_answers_cheaply(
    engine: str, version: str | None, path: str
) -> None:
    container = engine_of(rendered(memory_of(engine=engine, engine_version=version), template()))
    assert container["readinessProbe"]["httpGet"]["path"] == path
    start = container["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] >= 3 * 480
    assert "livenessProbe" not in container


def test_a_template_without_containers_is_left_for_the_server_to_refuse() -> None:
    assert "containers" not in rendered(made(), {})["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("changes", "command", "args"),
    [
        (
            {"layout": Layout(tensor=4), "max_context_tokens": 262_144},
            ["python3", "-m", "sglang.launch_server"],
            (
                "--model-path deepseek-ai/DeepSeek-V4-Flash --host 0.0.0.0 --port 30000 "
                "--enable-metrics --tp 4 --context-length 262144"
            ),
        ),
        (
            {"layout": Layout(tensor=2, data=4, pipeline=2, expert=True)},
            ["python3", "-m", "sglang.launch_server"],
            (
                "--model-path deepseek-ai/DeepSeek-V4-Flash --host 0.0.0.0 --port 30000 "
                "--enable-metrics --tp 8 --dp 4 --enable-dp-attention --pp 2 --ep 8"
            ),
        ),
        (
            {"layout": Layout(tensor=4), "kv_cache_dtype": "fp8", "weight_bytes": 1},
            ["python3", "-m", "sglang.launch_server"],
            "--host 0.0.0.0 --port 30000 --enable-metrics --tp 4 --kv-cache-dtype fp8_e4m3",
        ),
        (
            {
                "engine": "vllm",
                "layout": Layout(tensor=1, data=4, pipeline=2, expert=True),
                "max_context_tokens": 131_072,
                "kv_cache_dtype": "bf16",
            },
            ["vllm", "serve", "deepseek-ai/DeepSeek-V4-Flash"],
            (
                "--host 0.0.0.0 --port 30000 --tensor-parallel-size 1 --data-parallel-size 4 "
                "--pipeline-parallel-size 2 --enable-expert-parallel --max-model-len 131072 "
                "--kv-cache-dtype bfloat16 --shutdown-timeout 600"
            ),
        ),
        (
            {"engine": "vllm", "layout": Layout(tensor=4), "weight_bytes": 1},
            ["vllm", "serve"],
            "--host 0.0.0.0 --port 30000 --tensor-parallel-size 4 --shutdown-timeout 600",
        ),
        (
            {
                "layout": Layout(tensor=4),
                "engine_args": ("--tensor_parallel_size=2", "--model", "/weights"),
            },
            ["python3", "-m", "sglang.launch_server"],
            (
                "--host 0.0.0.0 --port 30000 --enable-metrics --tensor_parallel_size=2 "
                "--model /weights"
            ),
        ),
        ({"engine": "llamacpp", "engine_args": ("-ngl", "99")}, None, "-ngl 99"),
        ({"engine": "nim"}, None, None),
    ],
    ids=[
        "tensor parallel",
        "every kind of parallelism",
        "a fine-tune says where its weights are",
        "vLLM",
        "a fine-tune on vLLM",
        "what a person wrote wins",
        "an engine that is not rendered",
        "an engine without arguments",
    ],
)
def test_the_command_line_is_rendered_from_the_spec(
    changes: dict[str, Any], command: list[str] | None, args: str | None
) -> None:
    base = {"max_context_tokens": None, "kv_cache_dtype": None, "engine_args": ()}
    deployment = memory_of(**{**base, **changes})
    container = engine_of(rendered(replace(deployment, metrics_port=30000), template()))
    assert container.get("command") == command
    assert container.get("args") == (None if args is None else args.split(" "))


def test_the_same_spec_gives_the_same_template() -> None:
    assert rendered(made(), template()) == rendered(made(), template())
