"""What the demonstration plays on: a real control plane, the operator, and emulated engines.

Everything is installed with the commands of the quick start, from the manifests as they are. Only
the operator's image is not pulled: it runs as a process, with its ServiceAccount's token.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.emulated_pods import EmulatedPods, emulated_pods
from tests.rig.build import path_of
from tests.rig.component import Component
from tests.rig.plane import ControlPlane

from v4operator.crdgen import admission

OPERATOR_NAMESPACE = admission.NAMESPACE
ROOT = Path(__file__).parents[2]
FLEET_NAMESPACE = "default"  # so that no command needs -n
_ACCOUNT = "v4-operator"
_NODES = 3  # of eight GPUs: room for six replicas
_COMMAND_SECONDS = 60.0
_COLUMNS = 120  # of what the commands print


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """How a command ended, and what a person saw."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The cluster as its user has it: a terminal with kubectl, and requests to the engines."""

    plane: ControlPlane
    engines: EmulatedPods
    operator: Component

    def run(self, *words: str) -> Printed:
        """What a person types, in the root of the checkout; both outputs, as on a terminal."""
        done = subprocess.run(  # noqa: S603 - the rig's kubectl
            (path_of("kubectl"), *words),
            env=self._environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        return Printed(status=done.returncode, text=done.stdout.rstrip())

    def operator_url(self) -> str | None:
        """Where the operator listens, once it does."""
        self.operator.check()
        lines = [json.loads(line) for line in self.operator.log.read_text().splitlines()]
        port = next((line["port"] for line in lines if line.get("event") == "started"), None)
        return None if port is None else f"http://127.0.0.1:{port}"

    def start_operator(self) -> None:
        """With the token that a kubelet would give its pod; its account must be there."""
        self.plane.service_account_kubeconfig(OPERATOR_NAMESPACE, _ACCOUNT)
        self.operator.start()

    def _environment(self) -> dict[str, str]:
        """`kubectl v4` is found beside this Python, as a plugin on the PATH is."""
        return {
            "HOME": str(self.plane.folder),
            "KUBECONFIG": str(self.plane.admin_kubeconfig),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.defpath)),
            "COLUMNS": str(_COLUMNS),
        }


@contextmanager
def stage() -> Iterator[Stage]:
    """Everything but the operator's start; nothing is left of it when the block ends."""
    with ControlPlane() as plane:
        plane.add_nodes(_NODES)
        with emulated_pods(plane, FLEET_NAMESPACE) as engines:
            made = Stage(plane, engines, _operator(plane))
            try:
                yield made
            finally:
                made.operator.terminate()


def _operator(plane: ControlPlane) -> Component:
    kubeconfig = plane.folder / f"{OPERATOR_NAMESPACE}.{_ACCOUNT}.kubeconfig"
    return Component(
        "operator",
        (
            *(sys.executable, "-m", "v4operator", "run"),
            *("--kubeconfig", str(kubeconfig), "--lease-namespace", OPERATOR_NAMESPACE),
            *("--listen-port", "0", "--log-format", "json"),
        ),
        log=plane.folder / "operator.log",
        environment={
            "HOME": str(plane.folder),
            "PYTHONPATH": str(ROOT / "operator"),
            "V4_ALLOW_LOOPBACK": "true",  # that is where the rig's pods are
        },
    )
