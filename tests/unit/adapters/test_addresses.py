from __future__ import annotations

import socket

import pytest

from v4operator.adapters.addresses import AddressPolicy, AddressRefused, places_of


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "192.168.0.9", "100.64.0.1", "8.8.8.8", "fd12::1", "2600::1"]
)
def test_addresses_of_hosts_are_allowed(host: str) -> None:
    assert AddressPolicy().refusal(host) is None


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd00:ec2::254", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "no address of a host"),
        ("::", "no address of a host"),
        ("255.255.255.255", "no address of a host"),
        ("240.0.0.1", "no address of a host"),
    ],
)
def test_other_addresses_are_refused_with_their_kind(host: str, kind: str) -> None:
    assert AddressPolicy().refusal(host) == f"address {host} refused: {kind}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_allowed_where_the_settings_say_so(host: str) -> None:
    assert AddressPolicy(allow_loopback=True).refusal(host) is None


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "localhost", ""])
def test_what_is_not_a_plain_address_is_refused(host: str) -> None:
    assert AddressPolicy(allow_loopback=True).refusal(host) == (
        f"address {host!r} refused: not a plain IP address"
    )


@pytest.mark.parametrize("host", ["10.0.0.1", "::ffff:10.0.0.1"])
def test_a_refused_place_is_refused_by_address_and_port_in_every_spelling(host: str) -> None:
    policy = AddressPolicy(refused=frozenset({("10.0.0.1", 6443)}))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    stream = (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    with pytest.raises(AddressRefused, match="port 6443 refused: the API server's"):
        policy.open_socket((*stream, (host, 6443)))
    with policy.open_socket((*stream, (host, 30000))) as opened:
        assert opened.family is family


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("https://127.0.0.1:6443", {("127.0.0.1", 6443)}),
        ("https://10.0.0.1", {("10.0.0.1", 443)}),
        ("http://[fd12::1]", {("fd12::1", 80)}),
        ("https://no-such-host.invalid", set()),
    ],
    ids=["port", "https", "ipv6", "unknown-name"],
)
async def test_the_places_of_a_server_are_its_addresses_with_the_port(
    url: str, places: set[tuple[str, int]]
) -> None:
    assert await places_of(url) == places


def test_a_socket_is_made_for_an_allowed_address_only() -> None:
    stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    with AddressPolicy().open_socket((*stream, ("10.0.0.1", 80))) as opened:
        assert opened.family is socket.AF_INET
    with pytest.raises(AddressRefused, match=r"address 127\.0\.0\.1 refused: loopback"):
        AddressPolicy().open_socket((*stream, ("127.0.0.1", 80)))
