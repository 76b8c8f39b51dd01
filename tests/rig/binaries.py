"""Which servers the rig is made of, how each is built, and where it lies in the user's cache.

Knows no subprocess: `build.py` makes what is missing, everything else only asks for paths.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parent / "tools"
# Settings of every build: the tool chain at hand and the committed versions, or an error; static
# binaries without symbols or paths of the machine, a third smaller.
ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
# Without these the API server reports itself as a development version.
_KUBERNETES = {"gitVersion": "v1.37.2", "gitMajor": "1", "gitMinor": "37"}
# By convention this names a folder with these three (controller-runtime's envtest).
ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
_ASSETS = ("etcd", "kube-apiserver", "kubectl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tools module, and the main packages built from it by the name of the binary."""

    name: str
    packages: dict[str, str]
    link_flags: str = "-s -w"

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum lie."""
        return TOOLS / self.name

    @property
    def flags(self) -> tuple[str, ...]:
        """What `go build` is given besides the package."""
        return ("-trimpath", "-ldflags", self.link_flags)


def _kubernetes_link_flags() -> str:
    at = "k8s.io/component-base/version"
    return " ".join(["-s -w", *(f"-X {at}.{key}={value}" for key, value in _KUBERNETES.items())])


ALL = (
    Tool(
        name="kubernetes",
        packages={
            "etcd": "go.etcd.io/etcd/server/v3",
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
            "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        },
        link_flags=_kubernetes_link_flags(),
    ),
    Tool(name="kwok", packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Tool(
        name="prometheus",
        packages={
            "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
            "promtool": "github.com/prometheus/prometheus/cmd/promtool",
        },
    ),
    Tool(
        name="alertmanager",
        packages={
            "alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager",
            "amtool": "github.com/prometheus/alertmanager/cmd/amtool",
        },
    ),
)


def cache() -> Path:
    """The user's cache folder of the rig; shared by every clone."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "v4-operator-rig"


def fingerprint(tool: Tool, go_version: str) -> str:
    """Changes with whatever changes the binary: versions, sums, tool chain, flags."""
    digest = hashlib.sha256()
    for part in (
        (tool.folder / "go.mod").read_bytes(),
        (tool.folder / "go.sum").read_bytes(),
        go_version.encode(),
        repr((tool.flags, sorted(ENVIRONMENT.items()))).encode(),
    ):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def asset(binary: str) -> Path | None:
    """The binary where KUBEBUILDER_ASSETS has it."""
    folder = os.environ.get(ASSETS_VARIABLE)
    path = Path(folder) / binary if folder and binary in _ASSETS else None
    return path if path and path.is_file() else None
