"""The command line of each server of a control plane, and the reason for each unusual flag."""

from dataclasses import dataclass
from pathlib import Path

from tests.rig.access import Server
from tests.rig.addresses import Block

_HERE = Path(__file__).parent
# Enough for stories that make hundreds of objects at once; the defaults (20 to 100) are for
# clusters whose API server is not idle.
_CLIENT_RATE = ("--kube-api-qps=500", "--kube-api-burst=1000")

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the parts of one control plane lie and listen."""

    folder: Path
    block: Block
    api_port: int
    etcd_port: int
    etcd_peer_port: int

    @property
    def server(self) -> Server:
        """The API server; it signs its own certificate, whose file carries the authority too."""
        return Server(
            url=f"https://{self.block.host}:{self.api_port}",
            ca_file=self.folder / "certificates" / "apiserver.crt",
        )

    @property
    def signing_key(self) -> Path:
        """Signs ServiceAccount tokens."""
        return self.folder / "signing-key.pem"

    @property
    def tokens(self) -> Path:
        """Static tokens of the rig's own users."""
        return self.folder / "tokens.csv"

    @property
    def audit_log(self) -> Path:
        """What the API server was asked."""
        return self.folder / "audit.log"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of one of the rig's own users."""
        return self.folder / f"{user}.kubeconfig"


def etcd(layout: Layout) -> Command:
    """One member; what it holds need not survive the machine."""
    client = f"http://{layout.block.host}:{layout.etcd_port}"
    peer = f"http://{layout.block.host}:{layout.etcd_peer_port}"
    return (
        "--unsafe-no-fsync",
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
    )


def kube_apiserver(layout: Layout) -> Command:
    """RBAC, real ServiceAccount tokens, every request in the audit log before it is answered."""
    return (
        f"--etcd-servers=http://{layout.block.host}:{layout.etcd_port}",
        f"--bind-address={layout.block.host}",
        f"--advertise-address={layout.block.host}",
        f"--secure-port={layout.api_port}",
        f"--cert-dir={layout.server.ca_file.parent}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.signing_key}",
        f"--service-account-signing-key-file={layout.signing_key}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        # Would hold every pod back until the controller manager has made an account for it.
        "--disable-admission-plugins=ServiceAccount",
        # A loopback address is refused as an endpoint of the `kubernetes` Service.
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/16",
        f"--audit-policy-file={_HERE / 'audit-policy.yaml'}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=4096",  # MB: never rotated while a test reads it
    )


def kube_controller_manager(layout: Layout) -> Command:
    """All controllers: the node life cycle one takes the not-ready taint off."""
    return (
        f"--kubeconfig={layout.kubeconfig('kube-controller-manager')}",
        "--controllers=*",
        "--leader-elect=false",
        "--secure-port=0",
        f"--service-account-private-key-file={layout.signing_key}",
        f"--root-ca-file={layout.server.ca_file}",
        "--horizontal-pod-autoscaler-sync-period=2s",  # 15 s by default: stories with an HPA wait
        *_CLIENT_RATE,
    )


def kube_scheduler(layout: Layout) -> Command:
    """The default profile."""
    return (
        f"--kubeconfig={layout.kubeconfig('kube-scheduler')}",
        "--leader-elect=false",
        "--secure-port=0",
        *_CLIENT_RATE,
    )


def kwok(layout: Layout) -> Command:
    """Moves every node and pod through `stages.yaml`; pods get loopback addresses.

    Killed and started again it waits for its own leases to run out before it touches a node: 40 s.
    """
    return (
        f"--kubeconfig={layout.kubeconfig('kwok')}",
        f"--config={_HERE / 'stages.yaml'}",
        "--manage-all-nodes=true",
        f"--cidr={layout.block.pods}",
        f"--node-ip={layout.block.host}",
        "--node-lease-duration-seconds=40",
    )


# In the order of their start.
COMMANDS = {
    "etcd": etcd,
    "kube-apiserver": kube_apiserver,
    "kube-controller-manager": kube_controller_manager,
    "kube-scheduler": kube_scheduler,
    "kwok": kwok,
}
# Who they are at the API server.
USERS = ("kube-controller-manager", "kube-scheduler", "kwok")
