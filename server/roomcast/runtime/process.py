"""The entry and the exit of a process, web or worker: event loop, signals, port, exit deadline."""

from __future__ import annotations

import asyncio
import errno
import faulthandler
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import structlog

from roomcast.errors import RoomcastError

log = structlog.get_logger(__name__)

STOP_SECONDS = 24.0
"""How long a process may take to end after SIGTERM. Heroku, for one, sends SIGKILL after 30 seconds."""


EXIT_INTERRUPTED = 130
"""The exit code after Ctrl-C at a moment when the process cannot stop in good order."""

_PORTS_TRIED = 100


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop: uvloop's, or the standard one where uvloop is not available (Windows)."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def process_name() -> str:
    """Return a name for this process that is unique in a deployment: `<host>.<pid>`."""
    return f"{socket.gethostname()}.{os.getpid()}"


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT and SIGHUP set. A second SIGINT, as from a second Ctrl-C, ends the process
    at once. Its leases expire then, and its uploads are processed again.

    SIGHUP comes when the terminal is closed. Where it is ignored, as by `nohup`, it stays so.
    """
    stop = asyncio.Event()
    interrupts = 0

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            log.warning("stopped_at_once", note="Uploads in progress are processed again after the next start.")
            os._exit(EXIT_INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        loop.add_signal_handler(hangup, stop.set)
    return stop


def exit_deadline(seconds: float) -> None:
    """End this process with exit code 1 after `seconds`, even if something hangs. Its leases expire and other processes
    take over its uploads."""

    def give_up() -> None:
        faulthandler.dump_traceback()
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def bind_port(host: str, port: int) -> list[socket.socket]:
    """Return sockets that are bound to the port on every address of the host, and that do not listen yet.

    Port 0 is a free one, the same on each address. Raise `RoomcastError` with a sentence that says what to change.
    """
    bound: list[socket.socket] = []
    with listen_errors(host, port):
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, _, _, _, address in dict.fromkeys(infos):
                listener = socket.socket(family, socket.SOCK_STREAM)
                bound.append(listener)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                number = port or bound[0].getsockname()[1]
                listener.bind((address[0], number, *address[2:]))
                listener.setblocking(False)
        except OSError:
            for listener in bound:
                listener.close()
            raise
    return bound


@contextmanager
def listen_errors(host: str, port: int, *, variable: str = "PORT") -> Iterator[None]:
    """Raise an `OSError` of opening a port as a `RoomcastError` with a sentence that says what to change. `variable` is
    the setting of the port."""
    try:
        yield
    except socket.gaierror as error:
        raise RoomcastError(
            f"The host {host} is not known: {error.strerror}. Set HOST to an address of this machine."
        ) from error
    except UnicodeError as error:  # raised by Python itself for an empty label, and for one of more than 63 characters
        raise RoomcastError(
            f"The host {host} is not the name of a host. Set HOST to an address of this machine."
        ) from error
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                reason = f"Another program uses it. Stop that program, or try {_another(host, port, variable)}."
            case errno.EACCES | errno.EPERM:
                reason = f"This user may not open it. Set {variable} to a port of 1024 or more."
            case errno.EADDRNOTAVAIL:
                reason = "This machine has no such address. Set HOST to one that it has, such as 127.0.0.1."
            case _:
                reason = f"{error.strerror or error}."
        raise RoomcastError(f"The port {port} of {host} cannot be opened. {reason}") from error


def _another(host: str, port: int, variable: str) -> str:
    """Return what to type instead, with the next port that is free: `PORT=8001 make run`."""
    for candidate in range(port + 1, min(port + _PORTS_TRIED, 65535) + 1):
        try:
            with socket.create_server((host, candidate), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                break
        except OSError:
            continue
    else:
        return f"another {variable}"
    in_checkout = "MAKELEVEL" in os.environ and (Path(__file__).parents[3] / "Makefile").exists()
    return f"{variable}={candidate}{' make run' if in_checkout and variable == 'PORT' else ''}"


def log_context(upload_id: str, **more: object) -> AbstractContextManager[None]:
    """Add the upload's id, and `more`, to every log line of this task and its children until the context is left."""
    return structlog.contextvars.bound_contextvars(upload=upload_id, **more)
