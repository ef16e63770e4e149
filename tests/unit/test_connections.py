"""The limits of open connections: a new one closes one that waits, and is in excess when none does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.transport.connections import Connections, network


class Connection(asyncio.Transport):
    """A connection that is only counted. `idle` is what its protocol says."""

    def __init__(self, *, idle: bool) -> None:
        super().__init__()
        self.idle = idle
        self.aborted = False

    def get_protocol(self) -> Any:
        return self

    def abort(self) -> None:
        self.aborted = True


def opened(connections: Connections, count: int, *, idle: bool, address: str = "192.0.2.1") -> list[Connection]:
    made = [Connection(idle=idle) for _ in range(count)]
    for connection in made:
        connections.add(connection, address)
    return made


def test_new_connection_closes_the_oldest_that_waits() -> None:
    connections = Connections(4)
    busy = opened(connections, 1, idle=False)
    waiting = opened(connections, 3, idle=True)
    (new,) = opened(connections, 1, idle=True, address="192.0.2.2")
    assert [connection.aborted for connection in (*busy, *waiting, new)] == [False, True, False, False, False]
    assert len(connections) == 4
    assert not connections.is_excess(new)


def test_connection_is_in_excess_when_no_other_waits() -> None:
    connections = Connections(3)
    busy = opened(connections, 3, idle=False)
    (new,) = opened(connections, 1, idle=True, address="192.0.2.2")
    assert connections.is_excess(new)
    assert not any(connections.is_excess(connection) for connection in busy)
    assert not any(connection.aborted for connection in busy)
    connections.remove(new)
    assert not connections.is_excess(new)
    connections.remove(busy[0])
    assert not connections.is_excess(opened(connections, 1, idle=True)[0])


def test_address_does_not_exceed_its_limit_and_others_are_not_affected() -> None:
    connections = Connections(100, max_per_address=2)
    opened(connections, 2, idle=False)
    (new,) = opened(connections, 1, idle=False)
    (other,) = opened(connections, 1, idle=False, address="192.0.2.2")
    assert connections.is_excess(new)
    assert not connections.is_excess(other)


def test_idle_connection_in_excess_does_not_make_room_for_another() -> None:
    connections = Connections(100, max_per_address=2)
    opened(connections, 2, idle=False)
    (excess,) = opened(connections, 1, idle=True)
    (new,) = opened(connections, 1, idle=False)
    assert excess.aborted
    assert connections.is_excess(new)


def test_limit_of_an_address_does_not_apply_to_authenticated_connections() -> None:
    connections = Connections(100, max_per_address=2)
    for connection in opened(connections, 2, idle=False):
        connections.exempt(connection)
    excess = opened(connections, 3, idle=False)[-1]
    assert connections.is_excess(excess)
    connections.exempt(excess)
    assert not connections.is_excess(excess)


def test_websocket_is_counted_and_never_closed() -> None:
    connections = Connections(2, max_per_address=1)
    sockets = []
    for _ in range(2):
        sockets += opened(connections, 1, idle=True)
        connections.on_upgrade(sockets[-1])
    (new,) = opened(connections, 1, idle=True)
    assert connections.is_excess(new)
    assert not any(socket.aborted for socket in sockets)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans()), max_size=40))
def test_counts_are_those_of_the_open_connections(steps: list[tuple[int, int, bool]]) -> None:
    connections = Connections(6, max_per_address=4)
    alive: list[Connection] = []
    for action, address, idle in steps:
        if action < 4 or not alive:
            alive += opened(connections, 1, idle=idle, address=str(address))
        elif action == 4:
            connections.remove(alive.pop(0))
        else:
            connections.exempt(alive[0])
        alive = [connection for connection in alive if not connection.aborted]
        assert len(connections) == len(alive)
        assert sum(not connections.is_excess(connection) for connection in alive) <= 6
    for connection in alive:
        connections.remove(connection)
    assert len(connections) == 0
    assert connections._networks == {}


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not:an:address", "not:an:address"),
    ],
)
def test_ipv6_clients_are_counted_by_their_network(address: str, counted: str) -> None:
    assert network(address) == counted
