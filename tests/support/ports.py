"""Ports for programs that cannot choose one themselves."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a port of this machine that nothing else gets until this process ends.

    A socket that does not listen stays bound to it. The kernel then gives the port to no program that asks for any
    port, but a program that names it can listen there, because both set SO_REUSEADDR (socket(7), ip(7)).
    """
    held = _bound(0)
    port: int = held.getsockname()[1]
    held.detach()  # it is closed when the process ends
    return port


class HeldPort:
    """Keeps the port of a program that has ended, from `hold` until `release`, for its next start."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def hold(self, port: int) -> None:
        """Keep a port, unless another program was faster; 0 stands for none."""
        if port and self._descriptor is None:
            with suppress(OSError):
                self._descriptor = _bound(port).detach()

    def release(self) -> None:
        """Give the port up. Do nothing if none is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound
