"""The entry and the exit of a process, web or worker: event loop, signals, log format, ready line, exit deadline."""

from __future__ import annotations

import asyncio
import errno
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from roomcast.errors import RoomcastError

log = structlog.get_logger(__name__)

STOP_SECONDS = 24.0
"""How long a process may take to end after SIGTERM. Heroku, for one, sends SIGKILL after 30 seconds."""


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
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def exit_deadline(seconds: float) -> None:
    """End this process with exit code 1 after `seconds`, whatever hangs. Its leases expire and other processes take
    over its uploads."""

    def give_up() -> None:
        faulthandler.dump_traceback()
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


@contextmanager
def listen_errors(host: str, port: int) -> Iterator[None]:
    """Raise an `OSError` of opening a port as a `RoomcastError` with a sentence that says what to change."""
    try:
        yield
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                reason = "Another program uses this port. Stop it, or choose another port."
            case errno.EACCES:
                reason = "This user may not open it. Choose a port of 1024 or more."
            case errno.EADDRNOTAVAIL:
                reason = "This machine has no such address."
            case _:
                reason = f"{error.strerror or error}."
        raise RoomcastError(f"The port {port} of {host} cannot be opened. {reason}") from error


def print_ready(line: str) -> None:
    """Print the one line on standard output that tells a person, or a parent process, that this process is ready."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def print_start_error(reason: str) -> int:
    """Print why the process cannot start to standard error. Return the exit code."""
    sys.stderr.write(f"Roomcast cannot start:\n{reason}\n")
    return 2


def log_context(upload_id: str, **more: object) -> AbstractContextManager[None]:
    """Add the upload's id, and `more`, to every log line of this task and its children until the context is left."""
    return structlog.contextvars.bound_contextvars(upload=upload_id, **more)


def configure_logging(level: str) -> None:
    """Log from `level` on to standard error, one JSON object per line. Libraries log only warnings and errors."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Local variables may contain secrets.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("roomcast", "roomcast_workers"):
        logging.getLogger(ours).setLevel(level.upper())
    log_warnings()


def configure_logging_beside_application(level: str) -> None:
    """Log to the application's handlers, or to its structlog; if it has configured neither, as `configure_logging`."""
    if logging.getLogger().handlers or structlog.is_configured():
        log_to_application()
    else:
        configure_logging(level)


def log_to_application() -> None:
    """Pass what is logged on to the `logging` module, whose levels and handlers are the application's.

    An application that has configured structlog gets it there.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            # A traceback of rich would show local variables, which may contain secrets.
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def log_warnings() -> None:
    """Log Python warnings as events: the first one of each line of code.

    Python itself would write them to standard error as they are, and remember the text of each. A library's warning may
    quote what a client has sent: control characters, and as many different texts as it likes.
    """
    lines: set[tuple[str, int]] = set()

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        if (filename, lineno) not in lines:
            lines.add((filename, lineno))
            where = f"{filename}:{lineno}"
            log.warning("python_warning", category=category.__name__, reason=str(message)[:500], where=where)

    warnings.showwarning = show
    if not sys.warnoptions:
        warnings.simplefilter("always")  # the only action that remembers nothing and ignores nothing
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
