"""Work on the disk off the event loop, its errors in our words."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from roomcast.errors import DiskFull, RoomcastError, StorageError
from roomcast.media.contract import Data

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
    done = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(done)
    except OSError as error:
        raise disk_error(error) from error
    except asyncio.CancelledError:
        with suppress(OSError):
            await done
        raise


def write_at(descriptor: int, chunks: Sequence[Data], position: int) -> int:
    """Write the chunks, 1,024 at most, one after the other from `position` on; the position behind them."""
    stop = position + sum(map(len, chunks))
    position += os.pwritev(descriptor, chunks, position)
    if position < stop:  # a disk that is nearly full takes a part, and refuses the rest
        rest = memoryview(b"".join(chunks))[position - stop :]
        while rest:
            count = os.pwrite(descriptor, rest, position)
            rest, position = rest[count:], position + count
    return position


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
