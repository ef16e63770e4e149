"""Guard against server-side request forgery: webhooks may connect to public Internet addresses only."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

_NAT64 = IPv6Network("64:ff9b::/96")

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""An entry of `getaddrinfo`: family, type, protocol, canonical name, and the socket address."""


class NotPublic(OSError):
    """The address is not a public one, so no connection was made."""


def is_public(address: str) -> bool:
    """Return whether the address is public: not private, loopback, link-local, multicast, reserved or unspecified.

    IPv4 addresses inside IPv6 ones (mapped, NAT64, 6to4, Teredo) are checked too.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped or ip in _NAT64:
            ip = IPv4Address(ip.packed[-4:])  # another notation of the IPv4 address
        elif (tunnelled := ip.sixtofour or (ip.teredo and ip.teredo[1])) and not is_public(str(tunnelled)):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def public_socket(info: AddressInfo) -> socket.socket:
    """Return a socket for a connection to this address; raise `NotPublic` if the address is not public.

    aiohttp calls this with the resolved address that it connects to, so a name that resolves to another address later
    cannot bypass the check.
    """
    family, socket_type, protocol, _, address = info
    if not is_public(address[0]):
        raise NotPublic("The receiver's address is not on the public Internet.")
    return socket.socket(family, socket_type, protocol)
