"""A real Kubernetes control plane for tests.

It is etcd, API server, controllers, scheduler, and kwok in place of machines. Ready in seconds,
gone without a trace: its files lie in one temporary folder (kept with its logs where something
failed), its servers die with the test process.

Whether a container really runs is not its business: kwok only moves statuses (`stages.yaml`), and
whoever emulates an engine listens on the address that the pod was given. An emulated kubelet
watches pods, starts an engine on `status.podIP` when the containers run, tells it to stop when
`metadata.deletionTimestamp` appears, and deletes the pod with `gracePeriodSeconds=0` when it has.
A long `rig.v4serving.dev/stop-seconds` leaves it the time; at the end of the grace period kwok
deletes the pod all the same, and the engine is then to be killed.
"""

import shutil
import ssl
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from tests.rig import access, audit, nodes
from tests.rig.access import Server, ServiceAccountAccess
from tests.rig.addresses import Block, held_block
from tests.rig.build import path_of
from tests.rig.commands import COMMANDS, USERS, Layout
from tests.rig.component import Component
from tests.rig.kubectl import Kubectl
from tests.rig.waiting import eventually

ADMIN = "rig-admin"
_DEFAULT_TOKEN_SECONDS = 3600
# One page of the API server; a rig has no list that is longer than it can answer at once.
_REQUEST_SECONDS = 30.0
# In base64, as etcd's gateway wants it; asked for only because every answer tells the revision.
_ANY_KEY = "Lw=="


class ControlPlane:
    """A running control plane; a context manager."""

    def __init__(self) -> None:
        self.keep_files = False
        """Set where something failed: logs and audit log stay for a person to read."""
        self.ready_seconds = 0.0
        self._undo = ExitStack()
        self._components: dict[str, Component] = {}
        self._node_count = 0

    def __enter__(self) -> Self:
        start = time.monotonic()
        block = self._undo.enter_context(held_block())
        self.folder = Path(tempfile.mkdtemp(prefix="v4-operator-rig-"))
        api, etcd, etcd_peer = block.free_ports(3)
        self._layout = Layout(
            folder=self.folder,
            block=block,
            api_port=api,
            etcd_port=etcd,
            etcd_peer_port=etcd_peer,
        )
        try:
            self._start()
        except BaseException:
            self.keep_files = True
            self._end()
            raise
        self.ready_seconds = time.monotonic() - start
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.keep_files |= error is not None
        self._end()

    @property
    def server(self) -> Server:
        """Address and authority of the API server."""
        return self._layout.server

    @property
    def block(self) -> Block:
        """The rig's loopback addresses."""
        return self._layout.block

    @property
    def admin_kubeconfig(self) -> Path:
        """A kubeconfig with every right."""
        return self._layout.kubeconfig(ADMIN)

    @property
    def components(self) -> Mapping[str, Component]:
        """The servers by name, to be killed, stopped, continued and restarted."""
        return self._components

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as administrator."""
        return self.kubectl_as(self.admin_kubeconfig)

    def kubectl_as(self, kubeconfig: Path) -> Kubectl:
        """kubectl as another user."""
        return Kubectl(kubeconfig=kubeconfig, home=self.folder)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """What the API server holds at a path, as administrator.

        Raises:
            httpx.HTTPError: it did not answer, or not with success.
        """
        found: dict[str, Any] = self.api.get(path, params=query).raise_for_status().json()
        return found

    def wait_ready(self) -> None:
        """Until the API server says it is ready; for after it was killed and restarted.

        Raises:
            ComponentEndedError: it ended instead.
            NotInTimeError: it did not come.
        """
        eventually(self._is_ready, what="the API server is ready", not_yet=(httpx.HTTPError,))

    def forget_history(self) -> None:
        """Compact the store: watches can begin at the present only.

        The API server keeps a window of events of its own; restart it, too.
        """
        url = f"http://{self._layout.block.host}:{self._layout.etcd_port}/v3/kv"
        with httpx.Client(timeout=_REQUEST_SECONDS, trust_env=False) as etcd:
            answer = etcd.post(f"{url}/range", json={"key": _ANY_KEY}).raise_for_status()
            revision = answer.json()["header"]["revision"]
            etcd.post(f"{url}/compaction", json={"revision": revision}).raise_for_status()

    def audit(self) -> tuple[audit.AuditEntry, ...]:
        """Every request answered so far."""
        return tuple(audit.read(self._layout.audit_log))

    def add_nodes(
        self,
        count: int,
        *,
        gpus: int = 8,
        product: str = "NVIDIA-H200",
        memory_mebibytes: int = 143_771,
        labels: Mapping[str, str] | None = None,
    ) -> tuple[str, ...]:
        """Add nodes and wait until pods can be placed on them; their names.

        `memory_mebibytes` is per device, as the driver reports it (H200: nvidia-smi).
        """
        names = tuple(f"gpu-{self._node_count + number}" for number in range(count))
        self._node_count += count
        for name in names:
            made = nodes.node(
                name,
                gpus=gpus,
                product=product,
                memory_mebibytes=memory_mebibytes,
                labels=labels or {},
            )
            self.api.post("/api/v1/nodes", json=made).raise_for_status()
        for name in names:
            self._wait_usable(name)
        return names

    def delete_nodes(self, names: tuple[str, ...]) -> None:
        """Take nodes away; the pods on them go with them."""
        for name in names:
            self.api.delete(f"/api/v1/nodes/{name}").raise_for_status()

    def service_account_kubeconfig(
        self,
        namespace: str,
        name: str,
        *,
        bound_to: Mapping[str, str] | None = None,
    ) -> ServiceAccountAccess:
        """Access as an existing ServiceAccount, with its rights and no others.

        `bound_to` (apiVersion, kind, name, uid) ties the token to the life of a Pod or Secret.
        """
        stem = self.folder / f"{namespace}.{name}"
        token_file = stem.with_name(stem.name + ".token")
        token_file.write_text(self.service_account_token(namespace, name, bound_to=bound_to))
        kubeconfig = access.write_kubeconfig(
            stem.with_name(stem.name + ".kubeconfig"),
            self.server,
            name,
            {"tokenFile": str(token_file)},
        )
        return ServiceAccountAccess(kubeconfig=kubeconfig, token_file=token_file)

    def service_account_token(
        self, namespace: str, name: str, *, bound_to: Mapping[str, str] | None = None
    ) -> str:
        """A fresh token from the TokenRequest API."""
        spec: dict[str, Any] = {"expirationSeconds": _DEFAULT_TOKEN_SECONDS}
        if bound_to:
            spec["boundObjectRef"] = dict(bound_to)
        answer = self.api.post(
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            json={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        ).raise_for_status()
        token: str = answer.json()["status"]["token"]
        return token

    def resident_bytes(self) -> dict[str, int]:
        """Memory of each server now."""
        return {name: part.resident_bytes for name, part in self._components.items()}

    def _start(self) -> None:
        self._write_credentials()
        self._start_component("etcd")
        self._start_component("kube-apiserver")
        self.api = self._undo.enter_context(self._connect())
        self.wait_ready()
        for name in USERS:
            self._start_component(name)

    def _write_credentials(self) -> None:
        access.write_signing_key(self._layout.signing_key)
        self._tokens = access.write_tokens(self._layout.tokens, (ADMIN, *USERS))
        for user, token in self._tokens.items():
            access.write_kubeconfig(
                self._layout.kubeconfig(user), self.server, user, {"token": token}
            )

    def _start_component(self, name: str) -> None:
        component = Component(
            name,
            (path_of(name), *COMMANDS[name](self._layout)),
            log=self.folder / f"{name}.log",
            environment={"HOME": str(self.folder)},
        )
        self._components[name] = component
        component.start()

    def _wait_usable(self, node: str) -> None:
        eventually(
            lambda: nodes.usable(self.get(f"/api/v1/nodes/{node}")), what=f"node {node} is ready"
        )

    def _connect(self) -> httpx.Client:
        """Once the API server has written its certificate."""
        context = eventually(
            self._authority,
            what="the API server has made its certificate",
            not_yet=(FileNotFoundError, ssl.SSLError),
        )
        return httpx.Client(
            base_url=self.server.url,
            headers={"Authorization": f"Bearer {self._tokens[ADMIN]}"},
            verify=context,
            timeout=_REQUEST_SECONDS,
            trust_env=False,
        )

    def _authority(self) -> ssl.SSLContext:
        self._components["kube-apiserver"].check()
        return ssl.create_default_context(cafile=str(self.server.ca_file))

    def _is_ready(self) -> bool:
        for name in ("etcd", "kube-apiserver"):
            self._components[name].check()
        return self.api.get("/readyz").status_code == httpx.codes.OK

    def _end(self) -> None:
        for component in reversed(self._components.values()):
            component.kill()
        self._undo.close()
        if self.keep_files:
            print(f"\nrig: logs and audit log are kept in {self.folder}")  # noqa: T201 -- for a person
        else:
            shutil.rmtree(self.folder)
