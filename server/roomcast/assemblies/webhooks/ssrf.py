"""Guard against server-side request forgery: webhooks and imports may connect to public Internet addresses only."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import aiohttp

_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
            "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
"""IANA's special-purpose addresses (RFC 6890), and Azure's metadata server, which has a public address.

They are listed here because `is_global` depends on the version of Python: to 3.11.7, Oracle's metadata server
(192.0.0.192) is global.
"""

_NOT_PUBLIC_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")))
"""Of the global unicast addresses, those for protocols, documentation and tunnels (Teredo, 6to4)."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = frozenset({0x5EFE, 0x0200_5EFE})
"""The upper half of the interface id of addresses that a tunnel delivers to the IPv4 address in the lower half."""

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""An entry of `getaddrinfo`: family, type, protocol, canonical name, and the socket address."""


class NotPublic(OSError):
    """The address is not a public one, so no connection was made."""


def is_public(address: str) -> bool:
    """Return whether the address is on the public Internet: not private, loopback, link-local, multicast or reserved.

    An IPv4 address inside an IPv6 one is checked where packets would be sent on to it (mapped, NAT64, ISATAP).
    Addresses of the tunnels 6to4 and Teredo are not public.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip in _NAT64):
        ip = IPv4Address(ip.packed[-4:])  # another notation of the IPv4 address
    if isinstance(ip, IPv4Address):
        listed = not any(ip in network for network in _NOT_PUBLIC_V4)
    else:
        listed = ip in _GLOBAL_UNICAST and not any(ip in network for network in _NOT_PUBLIC_V6)
        if int.from_bytes(ip.packed[8:12], "big") in _ISATAP:
            listed = listed and is_public(str(IPv4Address(ip.packed[-4:])))
    return listed and ip.is_global and not ip.is_multicast and not ip.is_reserved


def public_socket(info: AddressInfo) -> socket.socket:
    """Return a socket for a connection to this address; raise `NotPublic` if the address is not public.

    aiohttp calls this with the resolved address that it connects to, so a name that resolves to another address later
    cannot bypass the check.
    """
    family, socket_type, protocol, _, address = info
    if not is_public(address[0]):
        raise NotPublic("The receiver's address is not on the public Internet.")
    return socket.socket(family, socket_type, protocol)


def guarded_session(
    *, private: bool, timeout: aiohttp.ClientTimeout, headers: dict[str, str], **options: Any
) -> aiohttp.ClientSession:
    """Return a client session that connects to public addresses, and with `private` to all others too.

    It has a connection for each request, stores no cookies, and inflates nothing: a few bytes could become a gigabyte.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(socket_factory=None if private else public_socket, force_close=True),
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "Roomcast", **headers},
        auto_decompress=False,
        **options,
    )
