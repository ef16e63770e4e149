"""Tests for the guard that keeps processes and network sockets out of the unit tests."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable

import pytest
import uvloop


async def _serve() -> None:
    await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)


async def _connect() -> None:
    await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", 9)


async def _start() -> None:
    await asyncio.create_subprocess_exec("true")


def _connect_a_socket() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", 9))


PROCESSES = {
    "subprocess": lambda: subprocess.run(["true"], check=True),
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "fork": os.fork,
    "asyncio": lambda: asyncio.run(_start()),
    "uvloop": lambda: uvloop.run(_start()),
}
SOCKETS = {
    "socket": _connect_a_socket,
    "asyncio-server": lambda: asyncio.run(_serve()),
    "asyncio-client": lambda: asyncio.run(_connect()),
    "uvloop-server": lambda: uvloop.run(_serve()),
    "uvloop-client": lambda: uvloop.run(_connect()),
}


@pytest.mark.parametrize("start", PROCESSES.values(), ids=PROCESSES.keys())
def test_guard_refuses_a_process_in_a_unit_test(start: Callable[[], object], violations: list[str]) -> None:
    with pytest.raises(Exception, match=r"^This unit test starts a process \(.*\): move it to tests/integration/\.$"):
        start()
    assert violations
    violations.clear()


@pytest.mark.parametrize("use", SOCKETS.values(), ids=SOCKETS.keys())
def test_guard_refuses_a_network_socket_in_a_unit_test(use: Callable[[], object], violations: list[str]) -> None:
    with pytest.raises(Exception, match=r"^This unit test uses a network socket \(.*\): move it to tests/integration/"):
        use()
    assert violations
    violations.clear()


def test_guard_allows_a_socket_pair(violations: list[str]) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
    assert violations == []
