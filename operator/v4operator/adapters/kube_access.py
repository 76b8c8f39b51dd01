"""Where the API server is and how to show who one is: in the cluster, or by a kubeconfig.

Tokens and certificates do not last: what was read is read again after a minute, as client-go does,
and a token at once when the server has refused it. A new authority joins those that are trusted.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import structlog
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import SERVICE_HOST_ENV_NAME, InClusterConfigLoader
from kubernetes.aio.config.kube_config import (
    KUBE_CONFIG_DEFAULT_LOCATION,
    list_kube_config_contexts,
    load_kube_config,
)
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


_Stamp = tuple[str, int, int]
"""A file as it was read: its path, time of change and size."""


class Credentials:
    """Keeps a configuration's token and certificates fresh. One for each connection."""

    def __init__(self, configuration: Configuration, read: _Read, clock: Clock) -> None:
        self.configuration = configuration
        self._read = read
        self._clock = clock
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._context: ssl.SSLContext | None = None
        self._loaded: tuple[_Stamp, ...] = ()
        # The library asks this before each request that carries a token.
        configuration.refresh_api_key_hook = self._hook  # type: ignore[assignment]

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
        await self.refresh()
        return self.configuration.api_key.get(_TOKEN) != before

    def attach(self, context: ssl.SSLContext) -> None:
        """Keep the certificates of `context`, which has just read them, those of the files."""
        self._context, self._loaded = context, tuple(self._stamps())

    async def refresh(self) -> None:
        """Read again if it is time. What cannot be read leaves the old token, which may do yet."""
        async with self._reading:
            if self._clock.now() < self._read_at + _READ_AGAIN_SECONDS:
                return
            try:
                await self._read_now()
            except _UNREADABLE as error:
                self._read_at = self._clock.now()
                log.warning("credentials_not_read", reason=type(error).__name__)

    async def _hook(self, configuration: Configuration) -> None:
        del configuration  # the library hands over what is known here
        await self.refresh()

    def _stamps(self) -> Iterator[_Stamp]:
        configuration = self.configuration
        files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
        for file in files:
            if file:
                status = Path(file).stat()
                yield str(file), status.st_mtime_ns, status.st_size

    def _reload(self) -> None:
        """Certificates that changed; for connections that are made from now on.

        Raises:
            OSError: they are missing or not what they should be.
        """
        stamps = tuple(self._stamps())
        if self._context is None or stamps == self._loaded:
            return
        configuration = self.configuration
        if configuration.ssl_ca_cert:
            self._context.load_verify_locations(configuration.ssl_ca_cert)
        if configuration.cert_file:
            self._context.load_cert_chain(configuration.cert_file, configuration.key_file)
        self._loaded = stamps
        log.info("certificates_read_again")

    async def _read_now(self) -> None:
        await self._read(self.configuration)
        self._reload()
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


def chosen_namespace(*, kubeconfig: Path | None = None, context: str | None = None) -> str:
    """The namespace that kubectl takes where none is named; `default` where none is chosen."""
    file = KUBE_CONFIG_DEFAULT_LOCATION if kubeconfig is None else str(kubeconfig)
    if not _is_there(file):
        return _NO_NAMESPACE  # `access` says so
    try:
        contexts, current = list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
        chosen = current if context is None else {c["name"]: c for c in contexts}[context]
        return str(chosen["context"].get("namespace") or _NO_NAMESPACE)
    except (*_NO_KUBECONFIG, *_UNREADABLE):
        return _NO_NAMESPACE  # `access` says what is wrong with the file


_NO_NAMESPACE = "default"


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
        if not _is_there(file):
            raise ConfigException(f"there is no kubeconfig {file}")
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


def _is_there(files: str) -> bool:
    """Whether any of the files of a KUBECONFIG exists; the library prints a warning where not."""
    return any(Path(file).expanduser().is_file() for file in files.split(os.pathsep))
