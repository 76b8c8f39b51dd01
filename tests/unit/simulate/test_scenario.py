from pathlib import Path

import pytest
import yaml

from v4operator.model.deployment import Key
from v4operator.model.problem import InputError
from v4operator.model.reading import Engine
from v4operator.simulate.events import CrashEvent, FaultEvent, QuotaEvent
from v4operator.simulate.member import Faults
from v4operator.simulate.scenario import read_scenario

FULL = """
speed: 40
fleets:
- namespace: demo
  name: chat
  engine: sglang
  model: deepseek-ai/DeepSeek-V4-Flash
  profile: flash-fp8-4xh200
  slowness: 2
  replicas: 4
  quota: 6
  maxRunning: 128
  kvCapacityTokens: 2000000
  contextTokens: 131072
  startUp: {seconds: 480, variation: 0.2, seed: 3}
  objectives: {ttftSeconds: 2, interTokenLatencySeconds: 0.0333, attainment: 0.99}
  traffic:
    rate: [[0, 3], [600, 9]]
    repeatSeconds: 1200
    prompt: {meanTokens: 1200, variation: 0.8}
    output: {meanTokens: 300}
    cachedRatio: 0.25
    seed: 7
  events:
  - {at: 900, replica: chat-2, speedFactor: 0.5}
  - {at: 950, replica: chat-1, stalled: true, metricsLost: true}
  - {at: 1000, replica: chat-3, crash: true, restartSeconds: 60}
  - {at: 1100, quota: 5}
"""
SMALL = """
fleets:
- name: chat
  engine: vllm
  model: m
  profile: pro-fp4-8xb200
  replicas: 1
  startUp: {seconds: 60}
  objectives: {ttftSeconds: 2, interTokenLatencySeconds: 0.0333, attainment: 0.99}
"""


def test_a_full_scenario_is_read_as_written() -> None:
    scenario = read_scenario(FULL, where="s.yaml")
    (fleet,) = scenario.fleets
    spec = fleet.spec
    assert scenario.speed == 40
    assert (spec.key, spec.engine, spec.replicas) == (Key("demo", "chat"), Engine.SGLANG, 4)
    assert (spec.quota, spec.context_tokens) == (6, 131_072)
    assert spec.profile.max_running == 128
    assert spec.profile.kv_capacity_tokens == 2_000_000
    assert spec.profile.step.base_seconds == pytest.approx(0.0056)
    assert (spec.start_up.seconds, spec.start_up.variation) == (480, 0.2)
    assert spec.objective.inter_token_latency_seconds == 0.0333
    assert spec.traffic is not None
    assert [spec.traffic.rate.at(at) for at in (300, 900, 1500)] == [6, 9, 6]
    assert (spec.traffic.cached_ratio, spec.traffic.seed) == (0.25, 7)
    assert fleet.events == (
        FaultEvent(at=900, replica="chat-2", faults=Faults(speed_factor=0.5)),
        FaultEvent(at=950, replica="chat-1", faults=Faults(stalled=True, metrics_lost=True)),
        CrashEvent(at=1000, replica="chat-3", restart_seconds=60),
        QuotaEvent(at=1100, quota=5),
    )


def test_what_is_left_out_has_defaults() -> None:
    scenario = read_scenario(SMALL, where="s.yaml")
    (fleet,) = scenario.fleets
    assert scenario.speed == 1
    assert (fleet.spec.key, fleet.spec.traffic, fleet.spec.quota) == (
        Key("default", "chat"),
        None,
        None,
    )
    assert fleet.spec.profile.kv_capacity_tokens == 1_500_000
    assert fleet.events == ()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        pytest.param("engine", "sglan", "fleets[0].engine: found 'sglan'", id="engine"),
        pytest.param("engine", "sglan", "did you mean 'sglang'?", id="nearest engine"),
        pytest.param("profile", "flash", "fleets[0].profile", id="profile"),
        pytest.param("replicas", -1, "fleets[0].replicas: found -1", id="negative count"),
        pytest.param("replicas", 1.5, "a whole number", id="fraction"),
        pytest.param("replicas", True, "found True", id="truth as number"),
        pytest.param("replicas", float("nan"), "a finite number", id="nan"),
        pytest.param("model", "", "fleets[0].model: found ''", id="empty text"),
        pytest.param("name", None, "fleets[0].name: found nothing", id="missing"),
        pytest.param("startUp", 5, "fleets[0].startUp: found 5; allowed: a mapping", id="mapping"),
        pytest.param("events", 5, "allowed: a list", id="list"),
        pytest.param("startup", {}, "did you mean 'startUp'?", id="unknown field"),
        pytest.param("traffic", {"rate": 4}, "fleets[0].traffic.rate: found 4", id="rate"),
        pytest.param("traffic", {"rate": [[0]]}, "fleets[0].traffic.rate", id="point"),
        pytest.param("events", [{"at": 1}], "fleets[0].events[0].replica", id="event"),
        pytest.param(
            "events",
            [{"at": 1, "replica": "a", "stalled": 1}],
            "fleets[0].events[0].stalled: found 1; allowed: true or false",
            id="flag",
        ),
    ],
)
def test_a_mistake_is_named_with_its_path(path: str, value: object, said: str) -> None:
    document = yaml.safe_load(SMALL)
    document["fleets"][0][path] = value
    with pytest.raises(InputError) as refused:
        read_scenario(yaml.safe_dump(document), where="s.yaml")
    assert said in str(refused.value)
    assert "s.yaml" in str(refused.value)


def test_two_fleets_of_one_name_are_refused() -> None:
    document = yaml.safe_load(SMALL)
    document["fleets"] *= 2
    with pytest.raises(InputError, match="found 'default/chat'; allowed: each namespace"):
        read_scenario(yaml.safe_dump(document), where="s.yaml")


@pytest.mark.parametrize("text", ["{", "5", "a: b: c"], ids=["cut", "number", "not yaml"])
def test_a_file_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_scenario(text, where=str(tmp_path / "s.yaml"))
