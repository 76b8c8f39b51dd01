"""The emulated texts against recordings of the real engines, and against our own readers."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from v4operator.api.manifest import load_text
from v4operator.catalogue import load
from v4operator.estimate.live_hbm import live
from v4operator.model.deployment import Key
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines import read
from v4operator.simulate.exposition import VERSIONS, Exposition
from v4operator.simulate.fleet import Fleet
from v4operator.simulate.member import FleetSpec, StartUp
from v4operator.simulate.profiles import PROFILES
from v4operator.simulate.replica import Replica
from v4operator.simulate.scenario import read_scenario
from v4operator.simulate.traffic import Lengths, Rate, Traffic
from v4operator.simulate.truth import Objective

RECORDED = Path(__file__).parents[2] / "data" / "expositions"
START = 1_795_435_200.0

# Families of the recordings that an emulated replica does not have, and why.
LEFT_OUT = {
    Engine.SGLANG: {
        r"sglang:http_.*": "the HTTP front end: nothing about load that other families lack",
        r"sglang:.*routing_key.*": "sticky routing, off unless asked for",
        r"sglang:dp_attention_.*": "zero on a single data-parallel rank",
        r"sglang:(per_stage_req_latency|eviction_duration)_seconds": "inside the scheduler",
        r"sglang:evicted_tokens": "inside the prefix cache, which is not modelled",
        r"sglang:scheduler_(stage|process_cpu)_seconds": "CPU time of the scheduler",
        r"sglang:process_cpu_seconds": "CPU time of the front end",
        r"sglang:prefill_effective_tokens": "says what realtime_tokens says",
        r"sglang:uncached_prompt_tokens_histogram": "a length distribution nobody reads",
        r"sglang:startup_cuda_graph_time_seconds": "a part of startup_time_seconds",
        r"sglang:spec_verify_calls": "only with speculative decoding",
        r"sglang:num_paused_reqs": "only during weight updates",
    },
    Engine.VLLM: {
        r"python_.*|process_(?!start_time).*|http_.*": "the process and its HTTP front end",
        r"vllm:spec_decode_.*": "only with speculative decoding",
        r"vllm:iteration_tokens_total.*": "needs every single step; runs are evaluated whole",
        r"vllm:request_(params|max_num|num_preemptions|prefill_kv).*": "what clients asked for",
        r"vllm:request_(inference|prefill|decode)_time_seconds.*": "parts of e2e latency",
    },
}
RECORDINGS = [
    pytest.param(Engine.SGLANG, "sglang-0.5.23-collector-unified-load-5.txt", id="sglang, V4"),
    pytest.param(Engine.SGLANG, "sglang-0.5.23-cpu-after.txt", id="sglang, on a CPU"),
    pytest.param(Engine.VLLM, "vllm-0.33.0-logger-load-mtp1.txt", id="vllm 0.33, V4"),
    pytest.param(Engine.VLLM, "vllm-0.32.0-cpu-after.txt", id="vllm 0.32, on a CPU"),
]
# Labels that only some configurations have.
OPTIONAL_LABELS = {"simple_cpu_offload_num_blocks"}


def spec(engine: Engine) -> FleetSpec:
    return FleetSpec(
        key=Key("demo", "chat"),
        engine=engine,
        model="deepseek-ai/DeepSeek-V4-Flash",
        profile=PROFILES["flash-fp8-4xh200"],
        replicas=1,
        start_up=StartUp(seconds=480),
        objective=Objective(ttft_seconds=2, inter_token_latency_seconds=0.0333, attainment=0.99),
        traffic=Traffic(
            rate=Rate(points=((0, 4),)),
            prompt=Lengths(mean_tokens=1200, variation=0.8),
            output=Lengths(mean_tokens=300, variation=0.6),
            cached_ratio=0.2,
        ),
    )


def engine_of(fleet: Fleet) -> Replica:
    engine = fleet.members[0].engine
    assert engine is not None
    return engine


def text(engine: Engine, elapsed: float, *, stamped: bool = True) -> tuple[str, Replica]:
    fleet = Fleet(spec(engine), start=START)
    fleet.advance(START + elapsed)
    replica = engine_of(fleet)
    exposition = Exposition(fleet.spec, started_at=START, loading_seconds=480)
    return exposition.serving(replica.snapshot(), stamped=stamped), replica


def families(exposition: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(exposition)}


def shape(family: Metric, *, without: set[str]) -> dict[str, set[frozenset[str]]]:
    """Sample name -> the sets of label names it comes with."""
    found: dict[str, set[frozenset[str]]] = {}
    for sample in family.samples:
        found.setdefault(sample.name, set()).add(frozenset(sample.labels) - without)
    return found


@pytest.mark.parametrize(("engine", "file"), RECORDINGS)
def test_families_have_the_recorded_names_types_help_and_labels(engine: Engine, file: str) -> None:
    ours = families(text(engine, 400)[0])
    recorded = families((RECORDED / file).read_text(encoding="utf-8"))
    for name in ours.keys() & recorded.keys():
        assert ours[name].type == recorded[name].type, name
        assert ours[name].documentation == recorded[name].documentation, name
        assert shape(ours[name], without=OPTIONAL_LABELS) == shape(
            recorded[name], without=OPTIONAL_LABELS
        ), name


@pytest.mark.parametrize(("engine", "file"), RECORDINGS)
def test_what_is_left_out_is_listed_with_a_reason(engine: Engine, file: str) -> None:
    ours = families(text(engine, 400)[0])
    recorded = families((RECORDED / file).read_text(encoding="utf-8"))
    missing = {
        name
        for name in recorded.keys() - ours.keys()
        if not any(re.fullmatch(pattern, name) for pattern in LEFT_OUT[engine])
    }
    assert missing == set()


@pytest.mark.parametrize("engine", list(VERSIONS))
def test_no_family_is_invented(engine: Engine) -> None:
    recorded: set[str] = set()
    for file in RECORDED.glob(f"{engine}-*.txt"):
        recorded |= families(file.read_text(encoding="utf-8")).keys()
    assert families(text(engine, 400)[0]).keys() - recorded == set()


@pytest.mark.parametrize(("engine", "file"), RECORDINGS)
def test_histograms_have_the_recorded_buckets(engine: Engine, file: str) -> None:
    def edges(exposition: str) -> dict[str, set[str]]:
        return {
            family.name: {s.labels["le"] for s in family.samples if "le" in s.labels}
            for family in text_string_to_metric_families(exposition)
            if family.type == "histogram"
        }

    ours = edges(text(engine, 400)[0])
    recorded = edges((RECORDED / file).read_text(encoding="utf-8"))
    # Length buckets of vLLM follow the context limit, which the CPU recording had at 2048.
    lengths = {"vllm:request_prompt_tokens", "vllm:request_generation_tokens"}
    for name in (ours.keys() & recorded.keys()) - lengths:
        assert ours[name] == recorded[name], name


def test_our_own_reader_sees_the_truth_of_an_sglang_replica() -> None:
    exposition, replica = text(Engine.SGLANG, 400)
    reading = read(exposition.encode())
    assert isinstance(reading, EngineReading)
    snapshot = replica.snapshot()
    assert reading.engine is Engine.SGLANG
    assert reading.model_name == "deepseek-ai/DeepSeek-V4-Flash"
    assert reading.running_requests == snapshot.logged.running
    assert reading.waiting_requests == snapshot.logged.waiting
    assert reading.kv_usage_ratio == pytest.approx(snapshot.logged.held_tokens / 4e6, abs=0.006)
    assert reading.kv_capacity_tokens == 4_000_000
    assert reading.decode_tokens_total == snapshot.counters.decode_tokens
    assert reading.prefill_tokens_total == snapshot.counters.prefill_tokens
    assert reading.timestamp == pytest.approx(START + 400, abs=0.001)


def test_our_own_reader_sees_the_truth_of_a_vllm_replica() -> None:
    exposition, replica = text(Engine.VLLM, 400)
    reading = read(exposition.encode())
    assert isinstance(reading, EngineReading)
    counters, load = replica.snapshot().counters, replica.snapshot().load
    assert reading.engine is Engine.VLLM
    assert reading.running_requests == load.running
    assert reading.kv_usage_ratio == load.held_tokens / 4_000_000
    assert reading.num_gpu_blocks == 4_000_000 // 256
    assert reading.decode_tokens_total == counters.decode_tokens + counters.prefill_emitted
    assert reading.prompt_tokens_total == counters.prompt_tokens
    assert reading.finished_requests_total == counters.finished


def test_every_sample_carries_the_clock_or_none_does() -> None:
    stamped, _ = text(Engine.SGLANG, 100)
    bare, _ = text(Engine.SGLANG, 100, stamped=False)
    samples = [line for line in stamped.splitlines() if not line.startswith("#")]
    assert {line.rsplit(" ", 1)[1] for line in samples} == {str(round((START + 100) * 1000))}
    assert [line.rsplit(" ", 1)[0] for line in samples] == [
        line for line in bare.splitlines() if not line.startswith("#")
    ]


def test_sglang_counts_generated_tokens_at_the_end_of_a_request_only() -> None:
    early, _ = text(Engine.SGLANG, 2)
    assert "sglang:generation_tokens_total" not in families(early)
    late, replica = text(Engine.SGLANG, 400)
    (sample,) = families(late)["sglang:generation_tokens"].samples
    counters = replica.snapshot().counters
    assert sample.value == counters.finished_output_tokens
    assert sample.value < counters.decode_tokens + counters.prefill_emitted


def test_while_warming_up_sglang_shows_constants_only() -> None:
    exposition = Exposition(spec(Engine.SGLANG), started_at=START, loading_seconds=480)
    shown = families(exposition.loading(START + 478))
    assert "sglang:max_total_num_tokens" in shown
    assert "sglang:num_running_reqs" not in shown
    assert shown["sglang:startup_time_seconds"].samples[-1].value == 480


def test_an_idle_replica_reads_zero_not_absent() -> None:
    quiet = replace(spec(Engine.VLLM), traffic=None)
    fleet = Fleet(quiet, start=START)
    fleet.advance(START + 60)
    exposition = Exposition(quiet, started_at=START, loading_seconds=480)
    reading = read(exposition.serving(engine_of(fleet).snapshot()).encode())
    assert isinstance(reading, EngineReading)
    assert (reading.running_requests, reading.decode_tokens_total) == (0, 0)


@pytest.mark.parametrize("name", ["flash-chat", "pro-agents"])
def test_what_the_engines_of_the_demo_report_is_what_their_deployment_makes_of_them(
    name: str,
) -> None:
    story = files("v4operator.cli.demo") / "story"
    scenario = read_scenario((story / "scenario.yaml").read_text(encoding="utf-8"), where="story")
    demo = next(each.spec for each in scenario.fleets if each.spec.key.name == name)
    fleet = Fleet(demo, start=START)
    fleet.advance(START + 60)
    (deployment,) = load_text((story / f"{name}.yaml").read_text(encoding="utf-8"), name)
    exposition = Exposition(demo, started_at=START, loading_seconds=480)
    reading = read(exposition.serving(engine_of(fleet).snapshot()).encode())
    assert isinstance(reading, EngineReading)
    reading = replace(reading, version=VERSIONS[demo.engine], version_reason=None)
    found = live(reading, deployment.memory, load())
    assert isinstance(found, LiveHbm)
    assert found.findings == ()
