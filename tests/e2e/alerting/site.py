"""Emulated fleets, the operator, Prometheus with the rules, Alertmanager and a receiver.

All as processes, twenty times as fast as real time: the emulated clock, and every duration of the
rules and of the notifications, which are rendered from the same table as those that people apply.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from tests.rig.addresses import Block
from tests.rig.alertmanager import alertmanager
from tests.rig.component import Component
from tests.rig.prometheus import Prometheus, prometheus
from tests.rig.waiting import eventually
from tests.rig.webhook import Receiver, receiver

from v4operator.rulegen.alertmanager import configuration, straight_to
from v4operator.rulegen.durations import Durations
from v4operator.rulegen.render import rule_file

SPEED = 20.0
NAMESPACE = "alerts"
SCENARIO = Path(__file__).parent / "scenario.yaml"
# Smallest and largest count of the fleets of the scenario; in Recommend, so that none is changed.
_BOUNDS = {"sick": (2, 6), "stalled": (2, 3), "swinging": (2, 6), "overloaded": (1, 2)}
_DOES_NOT_FIT = {"checkpoint": "deepseek-ai/DeepSeek-V4-Flash", "maxContextTokens": 36864}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What runs."""

    control: httpx.Client
    prometheus: Prometheus
    webhook: Receiver
    manifests: Path
    operator: Component

    def fault(self, replica: str, **faults: float | bool) -> float:
        """Make a replica ill, or well again; its fleet is named like it, without the number.

        Returns when, on the monotonic clock.
        """
        fleet = replica.rpartition("-")[0]
        path = f"/v1/fleets/{NAMESPACE}/{fleet}/replicas/{replica}/faults"
        self.control.put(path, json=faults).raise_for_status()
        return time.monotonic()

    def kill_operator(self) -> float:
        """End it at once; returns when."""
        self.operator.kill()
        return time.monotonic()

    def at(self, emulated_seconds: float) -> float:
        """The monotonic clock so long after the start of the scenario."""
        clock = self.control.get("/v1/clock").raise_for_status().json()
        return float(clock["origin"]) + emulated_seconds / SPEED

    def declare(self, name: str, hbm_concurrency: int, devices: int) -> float:
        """A V4-Flash on devices of 80 GB, with nothing that emulates it; returns when."""
        spec = {
            "model": _DOES_NOT_FIT,
            "engine": {"name": "vllm", "version": "0.33.0"},
            "accelerator": {"product": "h100-80", "count": devices},
            "hbm": {"concurrency": hbm_concurrency},
        }
        _declare(self.manifests, name, spec)
        return time.monotonic()


@contextmanager
def site(folder: Path, block: Block) -> Iterator[Site]:
    """Everything, ended whatever happens."""
    manifests = folder / "manifests"
    manifests.mkdir()
    for name, bounds in _BOUNDS.items():
        _declare(manifests, name, _served(*bounds))
    port = block.free_port()
    durations = Durations().faster(SPEED)
    (folder / "rules.yml").write_text(rule_file(durations))
    with (
        _process("emulate", folder, SCENARIO, "--speed", SPEED) as emulator,
        httpx.Client(base_url=_control(emulator), timeout=10.0, trust_env=False) as control,
        _process(
            "run", folder, *_operator(folder, str(control.base_url), block.host, port)
        ) as operator,
        receiver(block) as webhook,
        alertmanager(
            configuration(durations, straight_to(webhook.url)), folder=folder, block=block
        ) as manager,
        prometheus(
            _scraping(f"{block.host}:{port}", manager.url), folder=folder, block=block
        ) as server,
    ):
        yield Site(
            control=control,
            prometheus=server,
            webhook=webhook,
            manifests=manifests,
            operator=operator,
        )


@contextmanager
def _process(verb: str, folder: Path, *arguments: object) -> Iterator[Component]:
    command = (sys.executable, "-m", "v4operator", verb, *map(str, arguments))
    component = Component(verb, command, log=folder / f"{verb}.log", environment={})
    component.start()
    try:
        yield component
    finally:
        component.terminate()


def _control(emulator: Component) -> str:
    def told() -> str | None:
        emulator.check()
        line = emulator.log.read_text().partition("\n")[0]
        return str(json.loads(line)["control"])

    return eventually(told, what="the emulator is up", not_yet=(ValueError,))


def _operator(folder: Path, control: str, host: str, port: int) -> tuple[object, ...]:
    return (
        *("--standalone", folder / "manifests", "--status-dir", folder / "status"),
        *("--scaling", "emulated", "--emulator", control.rstrip("/"), "--log-format", "json"),
        *("--listen-host", host, "--listen-port", port),
    )


def _served(least: int, most: int) -> dict[str, object]:
    return {
        "model": {"checkpoint": "deepseek-ai/DeepSeek-V4-Pro", "maxContextTokens": 131072},
        "engine": {"name": "vllm", "version": "0.33.0"},
        "accelerator": {"product": "b200", "count": 8},
        "scaling": {"mode": "Recommend", "minReplicas": least, "maxReplicas": most},
    }


def _declare(folder: Path, name: str, spec: dict[str, object]) -> None:
    target = {"apiVersion": "emulated.v4serving.dev/v1", "kind": "Fleet", "name": name}
    resource = {
        "apiVersion": "v4serving.dev/v1alpha1",
        "kind": "V4Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**spec, "workload": {"targetRef": target}},
    }
    whole = folder / f".{name}"
    whole.write_text(yaml.safe_dump(resource))
    whole.rename(folder / f"{name}.yaml")


def _scraping(target: str, manager: str) -> str:
    """A scrape a second: twenty emulated seconds, a little more than the PodMonitor's interval."""
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {
                    "job_name": "v4-operator",
                    "honor_labels": True,
                    "static_configs": [{"targets": [target]}],
                }
            ],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [manager.removeprefix("http://")]}]}
                ]
            },
        }
    )
