"""Limit the open connections of a port, in all and of one network address."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import Sized
from itertools import islice

_MAX_EXAMINED = 256
"""Connections that are examined to find one that can be closed."""


class Connections:
    """The open connections of a port, few enough that the process always has a file descriptor for one more.

    At a limit, a new connection closes an older one that waits for a request, which its client can open again. If there
    is none, the new connection is in excess: `is_excess`. The limit of an address applies to connections that have not
    authenticated: behind a proxy, all of them have the proxy's address.

    A protocol whose attribute `idle` is true waits for a request.
    """

    def __init__(self, max_connections: int | None = None, max_per_address: int | None = None) -> None:
        self._max_connections = math.inf if max_connections is None else max_connections
        self._max_per_address = math.inf if max_per_address is None else max_per_address
        self._open: dict[asyncio.Transport, str] = {}
        """All connections, and the network of each that counts for it."""
        self._closable: dict[asyncio.Transport, None] = {}
        """Those that may wait for a request."""
        self._networks: dict[str, dict[asyncio.Transport, None]] = {}
        """Those that have not authenticated, by their network."""
        self._over_total: set[asyncio.Transport] = set()
        self._over_address: set[asyncio.Transport] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: asyncio.Transport, address: str) -> None:
        """Count a new connection of a client with this network address."""
        name = network(address)
        of_network = self._networks.setdefault(name, {})
        if not self._make_room(self._open, self._closable, self._max_connections):
            self._over_total.add(connection)
        if not self._make_room(of_network, of_network, self._max_per_address):
            self._over_address.add(connection)
        self._open[connection] = name
        self._closable[connection] = None
        self._networks.setdefault(name, of_network)[connection] = None

    def remove(self, connection: asyncio.Transport) -> None:
        """Stop counting a connection that is closed. One that is not counted is ignored."""
        self.exempt(connection)
        self._open.pop(connection, None)
        self._closable.pop(connection, None)
        self._over_total.discard(connection)

    def exempt(self, connection: asyncio.Transport) -> None:
        """Stop counting a connection for its address: it has authenticated."""
        name = self._open.get(connection, "")
        if of_network := self._networks.get(name):
            of_network.pop(connection, None)
            if not of_network:
                del self._networks[name]
        self._over_address.discard(connection)

    def on_upgrade(self, connection: asyncio.Transport) -> None:
        """Handle the change of a connection to a WebSocket: from now on, the limits of sessions apply to it."""
        self.exempt(connection)
        self._closable.pop(connection, None)

    def is_excess(self, connection: asyncio.Transport) -> bool:
        """Return whether the connection exceeds a limit, so that its requests must be refused."""
        return connection in self._over_total or connection in self._over_address

    def _make_room(self, counted: Sized, candidates: dict[asyncio.Transport, None], limit: float) -> bool:
        """Close idle connections until one more is within the limit. Return whether it is. (Usually one is closed, but
        some may be in excess themselves.)"""
        while len(counted) >= limit:
            if not self._close_idle(candidates):
                return False
        return True

    def _close_idle(self, candidates: dict[asyncio.Transport, None]) -> bool:
        """Close one of the connections that waits for a request, the oldest first. Return whether there was one."""
        for connection in list(islice(candidates, _MAX_EXAMINED)):
            if getattr(connection.get_protocol(), "idle", False):
                self.remove(connection)
                connection.abort()
                return True
            candidates[connection] = candidates.pop(connection)  # the others are examined first next time
        return False


def network(address: str) -> str:
    """Return the network that limits count: the address itself, or the /64 network of an IPv6 address, which is one
    client's."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
