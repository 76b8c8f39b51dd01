"""The operator's real `/metrics`: standalone, on two emulated fleets and a recorded llama.cpp.

promtool has nothing to say of it, and what it says of the fleets is what they did.
"""

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.contract.test_standalone import SCENARIO, Running, page, status, until
from tests.exported import EXPOSITIONS
from tests.rig.build import path_of

from v4operator.catalogue import load
from v4operator.report.metrics import FleetMetrics
from v4operator.report.problems import WORKLOAD_UNAVAILABLE as CODE

EMULATED = {"sglang": "flash", "vllm": "vflash"}
RECORDED = EXPOSITIONS / "llamacpp-0c1e570-cpu-during-01.txt"
TARGET = "targetRef: {apiVersion: emulated.v4serving.dev/v1, kind: Fleet, name: NAME}"
MANIFEST = """\
apiVersion: v4serving.dev/v1alpha1
kind: V4Deployment
metadata: {name: NAME}
spec:
  model: {checkpoint: deepseek-ai/DeepSeek-V4-Flash}
  engine: {name: ENGINE}
  accelerator: {product: h200-141, count: 4}
  workload: {WORKLOAD}
  scaling: {minReplicas: 2, maxReplicas: 8}
  objectives: {ttft: 2500ms, interTokenLatency: 30ms}
  cost: {devicePerHour: 3.25, budgetPerHour: 40}
"""
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Recorded(BaseHTTPRequestHandler):
    """A llama.cpp server that stands still."""

    def do_GET(self) -> None:
        body = RECORDED.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server has it
        """Say nothing."""


@pytest.fixture(scope="module")
def llamacpp() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorded) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("emulator")
    pattern = SCENARIO["fleets"][0]
    fleets = [{**pattern, "engine": e, "name": n, "replicas": 2} for e, n in EMULATED.items()]
    (folder / "scenario.json").write_text(json.dumps({"fleets": fleets}))
    running = Running(
        folder / "emulate.log", "emulate", str(folder / "scenario.json"), "--speed", "20"
    )
    yield running
    running.end()


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")


@pytest.fixture(scope="module")
def operator(
    tmp_path_factory: pytest.TempPathFactory, manifests: Path, emulator: Running, llamacpp: str
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("operator")
    for engine, name in EMULATED.items():
        write(manifests, name, engine, TARGET.replace("NAME", name))
    write(manifests, "lflash", "llamacpp", f'endpoints: ["{llamacpp}"]')
    running = Running(
        folder / "run.log",
        *("run", "--standalone", str(manifests), "--status-dir", str(folder / "status")),
        *("--scaling", "emulated", "--emulator", str(emulator.first_line()["control"])),
        *("--listen-port", "0", "--log-format", "json"),
    )
    try:
        for name in (*EMULATED.values(), "lflash"):
            until(partial(_fresh, folder, name), f"the replicas of {name}")
        yield running
    finally:
        running.end()


def write(manifests: Path, name: str, engine: str, workload: str) -> None:
    text = MANIFEST.replace("NAME", name).replace("ENGINE", engine)
    (manifests / f"{name}.yaml").write_text(text.replace("WORKLOAD", workload))


def _fresh(folder: Path, name: str) -> bool | None:
    told = status(folder, name)
    return True if told and told["observed"]["freshReplicas"] else None


@pytest.fixture
def text(operator: Running) -> str:
    """A scrape in which every engine that has the histograms has told of them."""

    def seen() -> str | None:
        found = page(operator, "/metrics")
        samples = read(found)
        moved = [
            figure(samples, "v4_slo_requests_total", name, slo, "met")
            for name in EMULATED.values()
            for slo in ("ttft", "inter-token-latency")
        ]
        return found if all(moved) else None

    return until(seen, "requests that kept their objective")


def read(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(samples: Samples, name: str, deployment: str, *values: str) -> float | None:
    """The sum of the series of a deployment that carry these label values."""
    wanted = {deployment, *values}
    found = [
        value
        for (sample, labels), value in samples.items()
        if sample == name and wanted <= {text for _, text in labels}
    ]
    return sum(found) if found else None


def test_promtool_has_nothing_to_say(text: str) -> None:
    ended = subprocess.run(
        [path_of("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_every_family_of_the_tables_is_described(text: str) -> None:
    described = {family.name: family for family in text_string_to_metric_families(text)}
    for family in FleetMetrics(load()).collect():
        assert family.documentation == described[_written(family.name, family.type)].documentation


def _written(name: str, kind: str) -> str:
    """In the older text format an info is a gauge of its full name."""
    return f"{name}_info" if kind == "info" else name


def test_promises_are_told_by_engines_that_have_histograms_and_by_no_other(text: str) -> None:
    samples = read(text)
    for name in EMULATED.values():
        assert figure(samples, "v4_slo_requests_total", name, "inter-token-latency", "met")
    assert figure(samples, "v4_slo_requests_total", "lflash") is None
    assert figure(samples, "v4_slo_objective_seconds", "lflash", "ttft") == 2.5


def test_an_edge_decides_and_a_bucket_around_the_objective_does_not(text: str) -> None:
    """2.5 s is an edge of vLLM's time to first token, 30 ms lies between two of its latencies."""
    samples = read(text)
    assert figure(samples, "v4_slo_requests_total", "vflash", "ttft", "undecided") == 0.0
    assert (
        figure(samples, "v4_slo_requests_total", "flash", "inter-token-latency", "undecided") == 0
    )


def test_money_is_the_price_of_the_devices(text: str) -> None:
    samples = read(text)
    for name in EMULATED.values():
        seconds = figure(samples, "v4_deployment_device_seconds_total", name)
        dollars = figure(samples, "v4_deployment_cost_dollars_total", name)
        assert seconds
        assert dollars == pytest.approx(seconds * 3.25 / 3600)
        assert figure(samples, "v4_deployment_cost_budget_dollars_per_hour", name) == 40.0


def test_tokens_and_scrapes_of_replicas_are_counted(text: str) -> None:
    samples = read(text)
    for name in EMULATED.values():
        assert figure(samples, "v4_replica_generated_tokens_total", name)
        assert figure(samples, "v4_replica_scrapes_total", name, "good")
        assert figure(samples, "v4_replica_scrapes_total", name, "failed") == 0.0


def test_an_engine_that_lacks_figures_says_which_and_exports_none_of_them(text: str) -> None:
    samples = read(text)
    assert figure(samples, "v4_replica_up", "lflash") == 1.0
    assert figure(samples, "v4_replica_missing_figure", "lflash", "time_to_first_token") == 1.0
    assert figure(samples, "v4_replica_preemptions_total", "lflash") is None
    assert figure(samples, "v4_deployment_hbm_live_bytes", "lflash") is None


def test_what_can_no_longer_be_looked_at_says_so_and_its_series_end_with_its_manifest(
    operator: Running, emulator: Running, manifests: Path
) -> None:
    """The last test of this file: it ends the emulator."""

    def told() -> Samples:
        return read(page(operator, "/metrics"))

    emulator.end()
    problem = until(
        lambda: figure(told(), "v4_deployment_problems", "vflash", CODE), "the problem to be told"
    )
    assert problem == 1.0
    (manifests / "vflash.yaml").unlink()
    until(lambda: True if not _of("vflash", told()) else None, "its series to end")
    until(
        lambda: {name for name, _ in _of("flash", told())} == {"v4_deployment_problems"} or None,
        "nothing but its problem to be told of the other",
    )
    assert {name for name, _ in told()} >= {"v4_build_info", "process_start_time_seconds"}


def _of(deployment: str, samples: Samples) -> Samples:
    named = ("v4deployment", deployment)
    return {series: value for series, value in samples.items() if named in series[1]}
