"""Where the API server is and how to show who one is: in the cluster, or by a kubeconfig.

Tokens do not last: what was read is read again after a minute, as client-go does, and at once when
the server has refused it. Certificates are read once; a new authority needs a restart.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import SERVICE_HOST_ENV_NAME, InClusterConfigLoader
from kubernetes.aio.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, load_kube_config
from yaml import YAMLError

from v4operator.adapters.kube_errors import Unavailable
from v4operator.runtime.ports import Clock

log = structlog.get_logger()

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a pod's token and authority."""

_READ_AGAIN_SECONDS = 60.0
"""client-go's period for a token file. A bound token is replaced long before it expires."""

_TOKEN = "BearerToken"
"""The name under which the client library keeps what goes into the Authorization header."""

_Read = Callable[[Configuration], Awaitable[None]]


class Credentials:
    """Keeps a configuration's token fresh. One for each connection."""

    def __init__(self, configuration: Configuration, read: _Read, clock: Clock) -> None:
        self.configuration = configuration
        self._read = read
        self._clock = clock
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        # The library asks this before each request that carries a token.
        configuration.refresh_api_key_hook = self._refresh  # type: ignore[assignment]

    async def read(self) -> None:
        """Read for the first time.

        Raises:
            Unavailable: there is nothing usable to read; the message says what is missing.
        """
        try:
            await self._read_now()
        except _UNREADABLE as error:
            raise Unavailable(f"no access to a cluster: {error}") from None

    async def renewed(self) -> bool:
        """Read again because the server refused the token; whether there is another one now."""
        before = self.configuration.api_key.get(_TOKEN)
        self._read_at = float("-inf")
        await self._refresh(self.configuration)
        return self.configuration.api_key.get(_TOKEN) != before

    async def _refresh(self, configuration: Configuration) -> None:
        """Read again if it is time. What cannot be read leaves the old token, which may do yet."""
        del configuration  # the library hands over what is known here
        async with self._reading:
            if self._clock.now() < self._read_at + _READ_AGAIN_SECONDS:
                return
            try:
                await self._read_now()
            except _UNREADABLE as error:
                self._read_at = self._clock.now()
                log.warning("credentials_not_read", reason=type(error).__name__)

    async def _read_now(self) -> None:
        await self._read(self.configuration)
        self._read_at = self._clock.now()
        keys: dict[str, Any] = self.configuration.api_key
        if _TOKEN in keys:
            keys[_TOKEN] = keys[_TOKEN].strip()  # a file may end in a newline, a header may not


_UNREADABLE = (ConfigException, OSError, ValueError)
"""What reading raises for files that are missing, empty or not what they should be."""

_NO_KUBECONFIG = (ConfigException, YAMLError, AttributeError, KeyError, TypeError)
"""What the client library raises for a kubeconfig of another shape. Its messages quote the entry,
token included, so they are not passed on."""


async def access(
    clock: Clock,
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    service_account: Path = SERVICE_ACCOUNT,
) -> Credentials:
    """Read a kubeconfig if one is named, else the pod's service account, else the usual kubeconfig.

    Raises:
        Unavailable: there is nothing usable to read; the message says what is missing.
    """
    configuration = Configuration()
    if kubeconfig is None and os.environ.get(SERVICE_HOST_ENV_NAME):
        read = _service_account(service_account)
    else:
        read = _kubeconfig(kubeconfig, context)
    credentials = Credentials(configuration, read, clock)
    await credentials.read()
    return credentials


def _service_account(folder: Path) -> _Read:
    async def read(configuration: Configuration) -> None:
        loader = InClusterConfigLoader(  # type: ignore[no-untyped-call]
            token_filename=str(folder / "token"),
            cert_filename=str(folder / "ca.crt"),
            try_refresh_token=False,
        )
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]

    return read


def _kubeconfig(path: Path | None, context: str | None) -> _Read:
    file = KUBE_CONFIG_DEFAULT_LOCATION if path is None else str(path)

    async def read(configuration: Configuration) -> None:
        try:
            await load_kube_config(  # type: ignore[no-untyped-call]
                config_file=file,
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
        except _NO_KUBECONFIG as error:
            kind = type(error).__name__
            chosen = f"context {context!r}" if context else "current context"
            raise ConfigException(f"{file}, {chosen}: no usable kubeconfig ({kind})") from None

    return read
