from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from v4operator.adapters.kube_access import Credentials, access, chosen_namespace
from v4operator.adapters.kube_errors import Unavailable

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from tests.conftest import FakeClock

_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files and the environment of a pod."""
    for name, value in _CLUSTER.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_text("an authority")
    return tmp_path


def _kubeconfig(folder: Path, **user: str) -> Path:
    config: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u"}},
            {"name": "y", "context": {"cluster": "c"}},
        ],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


async def _header(credentials: Credentials) -> str | None:
    """What the next request would show."""
    return await credentials.configuration.get_api_key_with_prefix("BearerToken")


async def test_a_pod_uses_its_service_account(clock: FakeClock, service_account: Path) -> None:
    credentials = await access(clock, service_account=service_account)
    configuration = credentials.configuration
    assert configuration.host == "https://10.0.0.1:443"
    assert configuration.ssl_ca_cert == str(service_account / "ca.crt")
    assert await _header(credentials) == "bearer first"


@pytest.mark.parametrize("how", ["service account", "kubeconfig"])
async def test_a_token_is_read_again_after_a_minute_and_not_before(
    clock: FakeClock, service_account: Path, how: str
) -> None:
    token = service_account / "token"
    kubeconfig = _kubeconfig(service_account, tokenFile=str(token))
    credentials = await access(
        clock,
        service_account=service_account,
        kubeconfig=kubeconfig if how == "kubeconfig" else None,
    )
    token.write_text("second\n")
    shown = []
    for seconds in (0.0, 59.0, 1.0):
        await clock.advance(seconds)
        shown.append((await _header(credentials) or "").split()[-1])
    assert shown == ["first", "first", "second"]


async def test_a_token_that_cannot_be_read_again_stays_until_it_can(
    clock: FakeClock, service_account: Path
) -> None:
    token = service_account / "token"
    credentials = await access(clock, service_account=service_account)
    shown = []
    for text in (None, "", "third"):
        token.unlink(missing_ok=True)
        if text is not None:
            token.write_text(text)
        await clock.advance(60.0)
        shown.append(await _header(credentials))
    assert shown == ["bearer first", "bearer first", "bearer third"]


async def test_a_refused_token_is_read_again_at_once(
    clock: FakeClock, service_account: Path
) -> None:
    credentials = await access(clock, service_account=service_account)
    assert not await credentials.renewed()
    (service_account / "token").write_text("second")
    assert await credentials.renewed()
    assert await _header(credentials) == "bearer second"


class Trusting:
    """A TLS context that takes whatever it is given, and keeps what that was."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def load_verify_locations(self, file: str) -> None:
        self.taken.append(os.path.basename(file))  # noqa: PTH119 - the library hands over texts

    def load_cert_chain(self, file: str, key: str) -> None:
        self.taken += [os.path.basename(each) for each in (file, key)]  # noqa: PTH119 - as above


async def test_a_new_authority_is_trusted_within_a_minute_and_read_once(
    clock: FakeClock, service_account: Path
) -> None:
    credentials, context = await access(clock, service_account=service_account), Trusting()
    credentials.attach(cast("ssl.SSLContext", context))
    await clock.advance(60.0)
    await credentials.refresh()
    assert context.taken == []
    (service_account / "ca.crt").write_text("an authority\nand its successor")
    for _ in range(3):
        await clock.advance(60.0)
        await credentials.refresh()
    assert context.taken == ["ca.crt"]


async def test_a_client_certificate_is_taken_with_its_key(clock: FakeClock, tmp_path: Path) -> None:
    files = {"client-certificate": tmp_path / "client.crt", "client-key": tmp_path / "client.key"}
    for file in files.values():
        file.write_text("first")
    path = _kubeconfig(tmp_path, **{name: str(file) for name, file in files.items()})
    path.write_text(path.read_text().replace("http://", "https://"))
    credentials, context = await access(clock, kubeconfig=path), Trusting()
    credentials.attach(cast("ssl.SSLContext", context))
    files["client-key"].write_text("the second")
    await clock.advance(60.0)
    await credentials.refresh()
    assert context.taken == ["client.crt", "client.key"]


async def test_many_requests_at_once_read_once(clock: FakeClock, service_account: Path) -> None:
    credentials = await access(clock, service_account=service_account)
    reads = 0
    read = credentials._read

    async def counted(configuration: Any) -> None:
        nonlocal reads
        reads += 1
        await read(configuration)

    credentials._read = counted
    await clock.advance(60.0)
    await asyncio.gather(*(_header(credentials) for _ in range(20)))
    assert reads == 1


async def test_a_context_without_a_user_shows_nothing(clock: FakeClock, tmp_path: Path) -> None:
    credentials = await access(clock, kubeconfig=_kubeconfig(tmp_path, token="t"), context="y")
    assert await _header(credentials) is None


@pytest.mark.parametrize(
    ("missing", "message"),
    [("token", "token file does not exist"), ("ca.crt", "certification file does not exist")],
)
async def test_a_pod_without_its_files_is_told_which_one(
    clock: FakeClock, service_account: Path, missing: str, message: str
) -> None:
    (service_account / missing).unlink()
    with pytest.raises(Unavailable, match=message):
        await access(clock, service_account=service_account)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{[",
        "[]",
        "secret",
        '{"users": [{"token": "secret"}], "clusters": [{"secret": 1}], "contexts": [{}]}',
    ],
    ids=["empty", "no YAML", "a list", "a word", "entries without a name"],
)
async def test_a_kubeconfig_that_is_none_is_named_and_not_quoted(
    clock: FakeClock, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(Unavailable, match=f"{path}, current context: no usable") as caught:
        await access(clock, kubeconfig=path)
    assert "secret" not in str(caught.value)


async def test_a_kubeconfig_that_is_not_there_is_one_error_and_no_warning(
    clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kubeconfig"
    assert chosen_namespace(kubeconfig=path) == "default"
    with pytest.raises(Unavailable, match=f"no access to a cluster: there is no kubeconfig {path}"):
        await access(clock, kubeconfig=path)
    assert caplog.records == []


def test_the_namespace_of_the_context_is_the_one_that_is_meant(tmp_path: Path) -> None:
    path = _kubeconfig(tmp_path)
    config = json.loads(path.read_text())
    config["contexts"][1]["context"]["namespace"] = "team"
    path.write_text(json.dumps(config))
    assert chosen_namespace(kubeconfig=path) == "default"
    assert chosen_namespace(kubeconfig=path, context="y") == "team"
    assert chosen_namespace(kubeconfig=path, context="z") == "default"


async def test_a_context_that_is_not_there_is_named(clock: FakeClock, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="context 'z': no usable kubeconfig"):
        await access(clock, kubeconfig=_kubeconfig(tmp_path, token="t"), context="z")
