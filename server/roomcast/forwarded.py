"""Who called a trusted proxy, and by which address: `Forwarded` (RFC 7239) and `X-Forwarded-…`. Pure.

Every client can send these headers, so they count only in requests of the proxies in `ROOMCAST_TRUSTED_PROXIES`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from multidict import MultiMapping

ANY_PROXY = "*"
"""The value of `ROOMCAST_TRUSTED_PROXIES` that trusts every peer, and no proxy behind it."""

GetHeader = Callable[[str], str | None]
"""Returns all values of a header, by its lower-case name, joined by commas; None if it is absent."""

_MAX_HOPS = 32
_MAX_FORWARDED_CHARACTERS = 1024
_PEERS_REMEMBERED = 4096
_PAIR = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s";,]+)')
_ADDRESS = re.compile(r"\[(?P<v6>[0-9A-Fa-f:.]+)\](:[0-9]+)?|(?P<v4>[0-9.]+)(:[0-9]+)?|(?P<bare>[0-9A-Fa-f:.]+)")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ForwardedRequest(NamedTuple):
    """A request as its client made it. `scheme` and `host` are None where no trusted proxy names them; `prefix` is the
    path that the proxy removed, such as `/media`, or empty."""

    address: str
    scheme: str | None = None
    host: str | None = None
    prefix: str = ""


class TrustedProxies:
    """The proxies whose forwarded headers count: addresses and networks, or `["*"]` for every peer."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raise `ValueError` for an entry that is no address and no network."""
        listed = list(networks)
        self._any = ANY_PROXY in listed
        self._networks = [parse_network(entry) for entry in listed if entry != ANY_PROXY]
        self.trusts = lru_cache(_PEERS_REMEMBERED)(self._trusts)
        """Returns whether requests of this peer may name another client."""

    def client(self, peer: str, get: GetHeader) -> str:
        """Return the address of the client: the peer's, or the one that trusted proxies name.

        The addresses are read from the last to the first, because a client can put any in front of those that proxies
        add. The first one that is no trusted proxy is the client's. Behind `*` it is the last.
        """
        if not self.trusts(peer):
            return peer
        client = peer
        for hop in reversed(_hops(get)[-_MAX_HOPS:]):
            address = _address(hop)
            if address is None:
                break
            client = address
            if self._any or not self.trusts(address):
                break
        return client

    def resolve(self, peer: str, get: GetHeader) -> ForwardedRequest:
        """Return the request as the client made it."""
        if not self.trusts(peer):
            return ForwardedRequest(peer)
        if _sends_x_forwarded(get):
            scheme, host = _first(get("x-forwarded-proto")), _first(get("x-forwarded-host"))
        else:
            first = next(iter(forwarded_elements(get("forwarded") or "")), {})
            scheme, host = first.get("proto"), first.get("host")
        prefix = (_first(get("x-forwarded-prefix")) or "").rstrip("/")
        return ForwardedRequest(
            self.client(peer, get),
            scheme.lower() if scheme else None,
            host.lower() if host else None,
            prefix if _PREFIX.fullmatch(prefix) and not {".", ".."} & set(prefix.split("/")) else "",
        )

    def _trusts(self, peer: str) -> bool:
        if self._any:
            return True
        try:
            address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def parse_network(entry: str) -> Network:
    """Return the network of an address (`10.0.0.7`) or a network (`10.0.0.0/8`). Raise `ValueError` for other text."""
    try:
        return ipaddress.ip_network(entry)
    except ValueError:
        raise ValueError(
            f"The entry {entry!r} is neither an address nor a network. Examples are 10.0.0.7, 10.0.0.0/8 and ::1."
        ) from None


def joined_headers(headers: MultiMapping[str]) -> GetHeader:
    """Return a function that reads the headers of an aiohttp request."""
    return lambda name: ",".join(headers.getall(name, ())) or None


def environ_headers(environ: Mapping[str, str]) -> GetHeader:
    """Return a function that reads the headers of a WSGI environ."""
    return lambda name: environ.get(f"HTTP_{name.upper().replace('-', '_')}")


def forwarded_elements(value: str) -> list[dict[str, str]]:
    """Return the elements of a `Forwarded` header (RFC 7239), each as its parameters by lower-case name. The first one
    is of the proxy that the client called. Of a long header only the end is read."""
    elements = []
    for element in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', value[-_MAX_FORWARDED_CHARACTERS:]):
        pairs = {name.lower(): _unquoted(text) for name, text in _PAIR.findall(element)}
        if pairs:
            elements.append(pairs)
    return elements


def _hops(get: GetHeader) -> list[str]:
    """Return the addresses of the headers, the client's first. Most proxies pass a `Forwarded` header of the client on
    as it is, so `X-Forwarded-…` comes first."""
    if _sends_x_forwarded(get):
        return [hop.strip() for hop in (get("x-forwarded-for") or "").split(",") if hop.strip()]
    return [element.get("for", "") for element in forwarded_elements(get("forwarded") or "")]


def _sends_x_forwarded(get: GetHeader) -> bool:
    return any(get(f"x-forwarded-{name}") for name in ("for", "proto", "host"))


def _address(hop: str) -> str | None:
    """Return the address of a hop without its port; None for a name, an obfuscated one or `unknown`."""
    match = _ADDRESS.fullmatch(hop)
    if match is None:
        return None
    try:
        return str(ipaddress.ip_address(match["v6"] or match["v4"] or match["bare"]))
    except ValueError:
        return None


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _first(values: str | None) -> str | None:
    """Return the first of the values in a header that several proxies may have added to."""
    return values.partition(",")[0].strip() or None if values else None
