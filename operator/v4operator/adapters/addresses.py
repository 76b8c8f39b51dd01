"""Which addresses the operator may connect to, checked on the very address that is connected to.

A manifest names engines, and whoever may write one could otherwise have the operator read the
cloud's metadata service or what listens on its own loopback. The check sits where the socket is
made, after every name has been resolved, so that no second answer of the DNS comes between.
"""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

_METADATA_V6 = IPv6Address("fd00:ec2::254")
"""The metadata service of AWS over IPv6: a private address, unlike its link-local IPv4 one."""

_AddressInfo = tuple[Any, Any, int, str, Any]


class AddressRefused(OSError):  # noqa: N818 - a refusal, told apart from a failure by its name
    """The policy does not allow this address; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What is allowed. Loopback only where engines run beside the operator (standalone mode).

    `refused` are places (address, port) that are nobody's engine, the API server's above all: a
    manifest that names one would have the operator read there what its author may not reach.
    """

    allow_loopback: bool = False
    refused: frozenset[tuple[str, int]] = frozenset()

    def refusal(self, host: str) -> str | None:
        """Why the numeric address `host` is not allowed; `None` where it is."""
        try:
            address = ip_address(host)
        except ValueError:
            return f"address {host!r} refused: not a plain IP address"
        kind = self._refused_kind(_unmapped(address))
        return None if kind is None else f"address {host} refused: {kind}"

    def open_socket(self, info: _AddressInfo) -> socket.socket:
        """Make the socket for an address that is about to be connected to.

        Raises:
            AddressRefused: the policy does not allow it.
        """
        family, kind, protocol, _, destination = info
        reason = self.refusal(destination[0]) or self._refused_place(*destination[:2])
        if reason is not None:
            raise AddressRefused(reason)
        return socket.socket(family, kind, protocol)

    def _refused_place(self, host: str, port: int) -> str | None:
        if (str(_unmapped(ip_address(host))), port) not in self.refused:
            return None
        return f"address {host} port {port} refused: the API server's"

    def _refused_kind(self, address: IPv4Address | IPv6Address) -> str | None:
        if address.is_loopback:
            return None if self.allow_loopback else "loopback"
        if address.is_link_local or address == _METADATA_V6:
            return "link-local"
        if address.is_multicast:
            return "multicast"
        if address.is_unspecified or address.is_reserved:
            return "no address of a host"
        return None


async def places_of(url: str) -> frozenset[tuple[str, int]]:
    """Every address, with the port, that the server at `url` has now; none if its name has none."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset((str(_unmapped(ip_address(to[0]))), port) for *_, to in found)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address written as IPv6 is judged as what it is."""
    return getattr(address, "ipv4_mapped", None) or address
