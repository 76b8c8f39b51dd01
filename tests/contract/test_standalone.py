"""`run --standalone` as a user starts it: a process, on emulated engines, over real HTTP."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

_T = TypeVar("_T")
LIMIT_SECONDS = 60.0  # generous: a busy machine takes seconds to import
SCENARIO = {
    "fleets": [
        {
            "namespace": "default",
            "name": "flash",
            "engine": "sglang",
            "model": "deepseek-ai/DeepSeek-V4-Flash",
            "profile": "flash-fp4-4xh200",
            "replicas": 3,
            "startUp": {"seconds": 120},
            "objectives": {
                "ttftSeconds": 2.0,
                "interTokenLatencySeconds": 0.033,
                "attainment": 0.99,
            },
            "traffic": {
                "rate": [[0, 4]],
                "prompt": {"meanTokens": 1000},
                "output": {"meanTokens": 400},
            },
        }
    ]
}
MANIFEST = """\
apiVersion: v4serving.dev/v1alpha1
kind: V4Deployment
metadata: {name: NAME}
spec:
  model: {checkpoint: deepseek-ai/DeepSeek-V4-Flash}
  engine: {name: sglang}
  accelerator: {product: h200-141, count: 4}
  workload: {WORKLOAD}
  scaling: {minReplicas: MINIMUM, maxReplicas: 8}
"""
FLEET = "targetRef: {apiVersion: emulated.v4serving.dev/v1, kind: Fleet, name: flash}"


class Running:
    """A process of ours and what it wrote to standard error."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "v4operator", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def events(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{")
        return [line for line in lines if line["event"] == event]

    def first_line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


def until(look: Callable[[], _T | None], what: str) -> _T:
    """The first thing that `look` finds."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    pytest.fail(f"waited {LIMIT_SECONDS:.0f} s for {what}")


def status(folder: Path, name: str) -> dict[str, Any] | None:
    path = folder / "status" / f"default_{name}.json"
    if not path.exists():
        return None
    read: dict[str, Any] = json.loads(path.read_text())["status"]
    return read


def write(folder: Path, name: str, workload: str, minimum: int = 1) -> None:
    text = MANIFEST.replace("NAME", name).replace("WORKLOAD", workload)
    (folder / f"{name}.yaml").write_text(text.replace("MINIMUM", str(minimum)))


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[str]:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps(SCENARIO))
    running = Running(tmp_path / "emulate.log", "emulate", str(scenario), "--speed", "20")
    yield str(running.first_line()["control"])
    running.end()


@pytest.fixture
def operator(tmp_path: Path, emulator: str) -> Iterator[Running]:
    running = begin(tmp_path, emulator)
    yield running
    running.end()


def begin(tmp_path: Path, emulator: str) -> Running:
    manifests = tmp_path / "manifests"
    manifests.mkdir(exist_ok=True)
    return Running(
        tmp_path / "run.log",
        *("run", "--standalone", str(manifests), "--status-dir", str(tmp_path / "status")),
        *("--scaling", "emulated", "--emulator", emulator),
        *("--listen-port", "0", "--log-format", "json"),
    )


def page(operator: Running, path: str) -> str:
    started = until(lambda: next(iter(operator.events("started")), None), "the operator")
    with urllib.request.urlopen(f"http://127.0.0.1:{started['port']}{path}", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_a_manifest_takes_effect_an_edit_too_and_its_removal(
    tmp_path: Path, operator: Running
) -> None:
    manifests = tmp_path / "manifests"
    write(manifests, "flash", FLEET)

    seen = until(
        lambda: s if (s := status(tmp_path, "flash")) and s["observed"]["freshReplicas"] else None,
        "a fresh replica",
    )
    assert seen["readyReplicas"] == 3
    assert seen["hbm"]["verdict"] == "fits"

    write(manifests, "flash", FLEET, minimum=5)
    grown = until(
        lambda: s if (s := status(tmp_path, "flash")) and s["replicas"] == 5 else None,
        "five replicas",
    )
    assert grown["observedGeneration"] == 2

    metrics = page(operator, "/metrics")
    assert 'v4_deployment_spec_min_replicas{namespace="default",v4deployment="flash"} 5' in metrics
    assert page(operator, "/readyz") == "ok\n"
    assert page(operator, "/healthz") == "ok\n"

    (manifests / "flash.yaml").unlink()
    until(lambda: True if status(tmp_path, "flash") is None else None, "the status file to go")
    assert 'v4deployment="flash"' not in page(operator, "/metrics")


def test_one_bad_deployment_does_not_stop_the_others(tmp_path: Path, operator: Running) -> None:
    manifests = tmp_path / "manifests"
    write(manifests, "flash", FLEET)
    write(manifests, "dead", 'endpoints: ["http://127.0.0.1:9"]')
    (manifests / "broken.yaml").write_text("kind: V4Deployment\nspec: [")

    alive = until(
        lambda: s if (s := status(tmp_path, "flash")) and s["observed"]["freshReplicas"] else None,
        "a fresh replica",
    )
    dead = until(lambda: status(tmp_path, "dead"), "the status of the dead one")

    assert alive["observed"]["freshReplicas"] >= 1
    assert dead["observed"]["freshReplicas"] == 0
    refused = operator.events("manifest_refused")
    assert any("broken.yaml" in line["problem"] for line in refused)


def test_sigterm_ends_it_cleanly_and_every_decision_was_logged(
    tmp_path: Path, operator: Running
) -> None:
    write(tmp_path / "manifests", "flash", FLEET)
    until(lambda: status(tmp_path, "flash"), "a status")

    assert operator.end() == 0
    assert operator.events("stopping")
    assert all(line["sentence"] for line in operator.events("decision"))


def test_what_was_learned_and_decided_outlives_the_process_and_what_is_gone_does_not(
    tmp_path: Path, emulator: str, operator: Running
) -> None:
    for name in ("flash", "gone"):
        write(tmp_path / "manifests", name, FLEET)
    until(
        lambda: s if (s := status(tmp_path, "flash")) and s["readyReplicas"] else None,
        "a ready replica",
    )
    until(lambda: status(tmp_path, "gone"), "a status of the other")
    assert operator.end() == 0
    kept = {path.name for path in (tmp_path / "status").iterdir()}
    assert {"default_flash.learned", "default_gone.learned"} < kept
    (tmp_path / "manifests" / "gone.yaml").unlink()
    before = status(tmp_path, "flash")
    assert before is not None
    again = begin(tmp_path, emulator)
    until(lambda: True if status(tmp_path, "gone") is None else None, "the file to go")
    until(lambda: next(iter(again.events("decision")), None), "a decision")
    now = status(tmp_path, "flash")
    assert again.end() == 0
    assert now is not None
    since = [
        next(c["lastTransitionTime"] for c in each["conditions"] if c["type"] == "Ready")
        for each in (before, now)
    ]
    assert since[0] == since[1]
    assert not (tmp_path / "status" / "default_gone.learned").exists()


def test_scaling_needs_its_port_named(tmp_path: Path) -> None:
    running = Running(
        tmp_path / "run.log", "run", "--standalone", str(tmp_path), "--scaling", "emulated"
    )

    running.process.wait(LIMIT_SECONDS)

    assert running.end() == 2
    assert "--emulator" in running.log.read_text()
