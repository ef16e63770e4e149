"""Work on the disk off the event loop, its errors in our words."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from server.upload.errors import DiskFull, RoomcastError, StorageError

T = TypeVar("T")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


async def off_loop(work: Callable[[], T]) -> T:
    """`work` in a thread, its errors in our words."""
    try:
        return await asyncio.get_running_loop().run_in_executor(None, work)
    except OSError as error:
        raise disk_error(error) from error


async def to_the_end(work: Callable[[], T]) -> T:
    """Like `off_loop`, but not left before it is over: a cancelled caller must not race with its own thread."""
    task = asyncio.ensure_future(off_loop(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(RoomcastError):
            await task
        raise


def sync_directory(path: Path) -> None:
    """Make the directory's entries durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_error(error: OSError) -> RoomcastError:
    """What the disk said, in our words."""
    if error.errno in _NO_ROOM:
        return DiskFull("The disk is full.")
    return StorageError("The media store failed.")
