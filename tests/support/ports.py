"""Ports for programs that cannot choose one themselves."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port of this machine that nothing else gets until this process ends."""
    port, _ = held_port()  # the descriptor is closed when the process ends
    return port


def held_port() -> tuple[int, int]:
    """Return a port of this machine, and a descriptor: nothing else gets the port until that is closed.

    A socket that does not listen stays bound to it. The kernel then gives the port to no program that asks for any
    port, but a program that names it can listen there, because both set SO_REUSEADDR (socket(7), ip(7)).
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    return port, held.detach()
