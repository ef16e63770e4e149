"""What both kinds of process do at their start and their end."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from roomcast.runtime.tasks import background

log = structlog.get_logger(__name__)

_CANCEL_AGAIN_SECONDS = 0.2

STOP_SECONDS = 24.0
"""How long a process may take to end after SIGTERM; a host that is kind waits a little longer."""


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop, or the standard one where there is no uvloop (Windows)."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def process_name() -> str:
    """What this process is called where others hear of it: its host and its number."""
    return f"{socket.gethostname()}.{os.getpid()}"


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def end_within(seconds: float) -> None:
    """Whatever hangs, this process is over by then. What it held lapses, and others take it up."""

    def give_up() -> None:
        faulthandler.dump_traceback()
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


async def stopped(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until they have ended, however they do.

    Once may not be enough: before Python 3.12, `asyncio.wait_for` swallows a cancellation that comes just when it is
    done, and the Redis client sends through it.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Do `work`, which goes on for good, until this is left. When it ends before that, the process ends."""
    task = background(work, name)
    try:
        yield
    finally:
        await stopped(task)


@asynccontextmanager
async def in_rounds(
    do: Callable[[], Awaitable[None]], seconds: float, news: asyncio.Event, *, failing: str
) -> AsyncIterator[None]:
    """Do something every so many seconds, and at once when there is `news`, until this is left. That it failed once is
    logged in the words of `failing`, and is no reason not to do it again."""

    async def go_on() -> None:
        while True:
            news.clear()
            try:
                await do()
            except Exception:
                log.exception(failing)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await news.wait()

    async with in_background(go_on(), getattr(do, "__qualname__", failing)):
        yield


def say(line: str) -> None:
    """The one line on standard output that tells a person, or a parent, that the process is ready."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def fail(why: str) -> int:
    """Say why the process cannot start; its exit code."""
    sys.stderr.write(f"Roomcast cannot start:\n{why}\n")
    return 2
