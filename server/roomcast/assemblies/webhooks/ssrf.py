"""Which addresses a webhook may go to: the ones that the whole Internet can reach, and none of this network's own."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

_NAT64 = IPv6Network("64:ff9b::/96")

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""As `getaddrinfo` gives it; the last part begins with the address."""


class NotPublic(OSError):
    """A connection was refused before it was made."""


def is_public(address: str) -> bool:
    """Whether this is an address of the public Internet: none that is private, loopback, link-local, multicast,
    reserved or unspecified, in IPv4, IPv6, or IPv4 in any IPv6 dress."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped or ip in _NAT64:
            ip = IPv4Address(ip.packed[-4:])  # nothing but another way to write it
        elif (tunnelled := ip.sixtofour or (ip.teredo and ip.teredo[1])) and not is_public(str(tunnelled)):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def public_socket(info: AddressInfo) -> socket.socket:
    """A socket for a connection to this address; `NotPublic` when it may not go there.

    This is asked with the very address that will be connected to, after every name was resolved: a name that means
    something else by then gains nothing.
    """
    family, kind, protocol, _, address = info
    if not is_public(address[0]):
        raise NotPublic("The receiver's address is not on the public Internet.")
    return socket.socket(family, kind, protocol)
