"""Ports for programs that cannot choose one themselves."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port of this machine that nothing else gets until this process ends.

    A socket that does not listen stays bound to it. The kernel then gives the port to no program that asks for any
    port, but a program that names it can listen there, because both set SO_REUSEADDR (socket(7), ip(7)).
    """
    held = _bound(0)
    port: int = held.getsockname()[1]
    held.detach()  # it is closed when the process ends
    return port


def hold_port(port: int) -> int | None:
    """Keep the port of a program that has ended for its next start; return the file descriptor that holds it, or None
    if another program was faster."""
    try:
        return _bound(port).detach()
    except OSError:
        return None


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound
