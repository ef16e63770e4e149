"""Start a program: read the settings, configure logging, and run until its exit code is known."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

from roomcast.errors import RoomcastError
from roomcast.runtime.process import configure_logging, new_loop, print_start_error
from roomcast.settings import Settings, SettingsError, load_settings


def run_program(start: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """Run the coroutine that `start` returns and return its exit code.

    Wrong settings, and an `OSError` or a `RoomcastError`, are printed as one message without a traceback.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        return print_start_error(str(error))
    os.umask(0o077)  # media and the ledger are for nobody else on the machine
    configure_logging(settings.server.log)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(start(settings))
    except (OSError, RoomcastError) as error:
        return print_start_error(str(error))
