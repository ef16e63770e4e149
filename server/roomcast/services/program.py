"""Start a program: read the settings, configure logging, and run until its exit code is known."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from roomcast.errors import DiskFull, RoomcastError
from roomcast.extensions.contract import ExtensionError
from roomcast.runtime.logs.announcements import print_start_error
from roomcast.runtime.logs.configuration import (
    LOG_FORMATS,
    LogFormat,
    configure_logging,
    configure_logging_beside_application,
)
from roomcast.runtime.process import EXIT_INTERRUPTED, new_loop
from roomcast.settings.settings import Settings, SettingsError, all_settings, load_settings
from roomcast.settings.variables.unknown import unknown_variables
from roomcast.tracing import configure_tracing, shut_down_tracing

log = structlog.get_logger(__name__)


def run_program(
    start: Callable[[Settings], Coroutine[Any, Any, int]],
    settings: Settings | None = None,
    *,
    service: str,
    beside_application: bool = False,
) -> int:
    """Run the coroutine that `start` returns and return its exit code. Without `settings`, load those of the
    environment. `service` is the name of the process in traces. `beside_application`:
    an application that has configured logging keeps its handlers.

    Wrong settings, an `OSError`, a `RoomcastError` and an error of SQLite are printed without a traceback.
    """
    try:
        settings = settings or load_settings()
    except SettingsError as error:
        return print_start_error(str(error), _log_format_of_environment())
    log_format = settings.server.log_format
    os.umask(0o077)  # media and the ledger are for no other user of the machine
    if beside_application:
        configure_logging_beside_application(settings.server.log, log_format)
    else:
        configure_logging(settings.server.log, log_format)
    warn_of_unknown_variables()
    try:
        configure_tracing(service)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(start(settings))
    except (OSError, RoomcastError, SettingsError, ExtensionError, sqlite3.Error) as error:
        return print_start_error(_sentence(error, settings), log_format)
    except KeyboardInterrupt:  # before the signal's own handler is there
        return EXIT_INTERRUPTED
    finally:
        shut_down_tracing()


def warn_of_unknown_variables() -> None:
    """Log each environment variable that looks like a setting and is none."""
    for variable, advice in unknown_variables(os.environ, {setting.variable for setting in all_settings()}):
        log.warning("unknown_setting", variable=variable, advice=advice)


def _log_format_of_environment() -> LogFormat:
    """Return the format of the log where settings are wrong, which the setting of the format may be itself."""
    return next((one for one in LOG_FORMATS if one == os.environ.get("ROOMCAST_LOG_FORMAT")), "auto")


def _sentence(error: Exception, settings: Settings) -> str:
    """Return what the operator can change, for an error at start."""
    data = settings.storage.data.absolute()
    full = isinstance(error, DiskFull) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    if full or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return f"The disk of the data directory {data} is full. Free some space, or choose another with ROOMCAST_DATA."
    if isinstance(error, FileExistsError | NotADirectoryError) and error.filename is not None:
        if Path(str(error.filename)).parent == data:
            return f"{error.filename} cannot be used: it must be a directory, and is a file. Remove that file."
        return f"The data directory {data} cannot be used: a file has this name. Set ROOMCAST_DATA to a directory."
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return (
            f"{error.filename} cannot be used: {error.strerror}. Let this user write to the data directory {data}, or "
            "choose another with ROOMCAST_DATA."
        )
    if isinstance(error, sqlite3.Error):
        return f"The database in the data directory {data} cannot be used: {error}."
    return str(error)
