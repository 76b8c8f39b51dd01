"""Whom the operator trusts as a Prometheus and what it shows there, over real TLS connections."""

from __future__ import annotations

import ssl
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import yaml
from aiohttp import web

from v4operator.adapters.prometheus import PrometheusClient, PrometheusError
from v4operator.adapters.prometheus_entries import PrometheusEntry, load_entries
from v4operator.model.problem import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}


def _openssl(*arguments: str) -> None:
    command = ("openssl", *arguments)  # whichever the system has
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class _Authority:
    """A throw-away authority that signs for 127.0.0.1."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.certificate, self._key = folder / f"{name}.crt", folder / f"{name}.key"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", str(self._key), "-out", str(self.certificate), "-subj", f"/CN={name}"),
        )

    def sign(self, name: str) -> tuple[Path, Path]:
        """Certificate and key."""
        stem = self.folder / f"{self.name}-{name}"
        key, request, certificate = (stem.with_suffix(end) for end in (".key", ".csr", ".crt"))
        extension = stem.with_suffix(".ext")
        extension.write_text("subjectAltName=IP:127.0.0.1\n")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}"),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-out", str(certificate), "-CAcreateserial"),
            *("-CA", str(self.certificate), "-CAkey", str(self._key), "-extfile", str(extension)),
        )
        return certificate, key


@pytest.fixture
def ours(tmp_path: Path) -> _Authority:
    return _Authority(tmp_path, "ours")


@pytest.fixture
def other(tmp_path: Path) -> _Authority:
    return _Authority(tmp_path, "other")


@asynccontextmanager
async def _serving(authority: _Authority, clients: _Authority | None = None) -> AsyncIterator[str]:
    """The URL of a server that `authority` vouches for; it asks for certificates by `clients`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.sign("server"))
    if clients is not None:
        context.load_verify_locations(clients.certificate)
        context.verify_mode = ssl.CERT_REQUIRED

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(_EMPTY)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _asked(client: PrometheusClient) -> str:
    """`answered`, or the reason."""
    try:
        await client.query("up", at=1.0)
    except PrometheusError as error:
        return str(error)
    return "answered"


async def test_only_the_authority_of_the_entry_is_trusted(
    ours: _Authority, other: _Authority
) -> None:
    async with _serving(ours) as url:
        outcomes = []
        for file in (ours.certificate, other.certificate, None):
            entry = PrometheusEntry(name="main", url=url, ca_file=file)
            async with PrometheusClient(entry) as client:
                outcomes.append(await _asked(client))
    assert outcomes[0] == "answered"
    assert all("certificate verify failed" in outcome for outcome in outcomes[1:])


async def test_a_client_certificate_is_shown(ours: _Authority) -> None:
    certificate, key = ours.sign("client")
    async with _serving(ours, clients=ours) as url:
        bare = PrometheusEntry(name="main", url=url, ca_file=ours.certificate)
        shown = bare.model_copy(update={"certificate_file": certificate, "key_file": key})
        async with PrometheusClient(bare) as without, PrometheusClient(shown) as having:
            outcomes = [await _asked(without), await _asked(having)]
    assert outcomes[0] != "answered"
    assert outcomes[1] == "answered"


async def test_rotated_files_count_at_the_next_query(
    ours: _Authority, other: _Authority, tmp_path: Path
) -> None:
    authority, certificate, key = (tmp_path / name for name in ("ca", "certificate", "key"))

    def mount(by: _Authority) -> None:
        signed, signed_key = by.sign("client")
        authority.write_bytes(by.certificate.read_bytes())
        certificate.write_bytes(signed.read_bytes())
        key.write_bytes(signed_key.read_bytes())

    mount(other)
    async with _serving(ours, clients=ours) as url:
        entry = PrometheusEntry(
            name="main", url=url, ca_file=authority, certificate_file=certificate, key_file=key
        )
        async with PrometheusClient(entry) as client:
            before = await _asked(client)
            mount(ours)
            after = await _asked(client)
            certificate.write_text("half a file")
            broken = await _asked(client)
            key.unlink()
            gone = await _asked(client)
    assert "certificate verify failed" in before
    assert (after, broken, gone) == ("answered", "answered", "answered")


@pytest.mark.parametrize("field", ["caFile", "certificateFile", "keyFile"])
def test_a_missing_file_is_refused_at_the_start_by_its_name(tmp_path: Path, field: str) -> None:
    entries = tmp_path / "prometheus.yaml"
    entry = {"name": "main", "url": "https://prometheus:9090", field: str(tmp_path / "none")}
    entries.write_text(yaml.safe_dump({"prometheus": [entry]}))
    with pytest.raises(InputError, match=rf"prometheus\.0\.{field}: found .*/none"):
        load_entries(entries)


def test_a_file_that_is_no_certificate_is_refused_without_its_contents(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("s3cret")
    entries = tmp_path / "prometheus.yaml"
    entry = {"name": "main", "url": "https://prometheus:9090", "caFile": str(file)}
    entries.write_text(yaml.safe_dump({"prometheus": [entry]}))
    with pytest.raises(InputError, match=r"prometheus\.0: found unusable certificates") as caught:
        load_entries(entries)
    assert "s3cret" not in str(caught.value)
