"""The ports that tests give to programs."""

from __future__ import annotations

import socket

import pytest

from tests.support.ports import HeldPort, free_port


def test_free_port_is_given_once_and_a_program_that_names_it_can_listen_there_again_and_again() -> None:
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    others = [socket.create_server(("127.0.0.1", 0)) for _ in range(50)]
    assert ports.isdisjoint(other.getsockname()[1] for other in others)
    port = ports.pop()
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)) as listener:
            socket.create_connection(listener.getsockname()).close()
    for other in others:
        other.close()


def test_port_of_a_program_that_has_ended_is_held_for_its_next_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    held = HeldPort()
    held.hold(address[1])
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(address)
    socket.create_server(address).close()
    held.release()
