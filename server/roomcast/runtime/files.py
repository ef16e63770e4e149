"""File operations off the event loop. Their `OSError`s become `DiskFull` or `StorageError`."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from roomcast.errors import DiskFull, RoomcastError, StorageError
from roomcast.runtime.tasks import finish_despite_cancel

T = TypeVar("T")
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_EXHAUSTED_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


async def run_in_thread(work: Callable[[], T]) -> T:
    """Return the result of `work`, which runs in a thread. Raise `DiskFull` or `StorageError` for its `OSError`s."""
    try:
        return await asyncio.get_running_loop().run_in_executor(None, work)
    except OSError as error:
        raise disk_error(error) from error


async def run_in_thread_shielded(work: Callable[[], T]) -> T:
    """Do as `run_in_thread` does, but return only when the thread has: a cancelled caller must not race with it."""
    loop = asyncio.get_running_loop()
    try:
        # A future and not a task: the event loop's shutdown, which cancels all tasks, leaves it alone.
        return await finish_despite_cancel(lambda: loop.run_in_executor(None, work))
    except OSError as error:
        raise disk_error(error) from error


def is_exhaustion(error: BaseException) -> bool:
    """Return whether an error was caused by a lack of file descriptors, memory or processes, which may pass."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in _EXHAUSTED_ERRNOS):
            return True
        if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CANTOPEN:
            return True  # SQLite opens its journal for each transaction
        cause = cause.__cause__ or cause.__context__
    return False


def expected_error(error: Exception) -> RoomcastError | None:
    """Return the error that an attempt is reported to have failed with: its own, or `DiskFull` if the disk was full.
    Return None for an exception that was not expected."""
    if isinstance(error, OSError) and error.errno in _FULL_ERRNOS:
        return disk_error(error)
    return error if isinstance(error, RoomcastError) else None


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading. Raise `OSError` if it is a link, a pipe or anything else that is not a file's own bytes.

    For results: the program that wrote them has read untrusted bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "It is not a regular file.", str(path))


def write_at(descriptor: int, chunks: Sequence[bytes | bytearray | memoryview], position: int) -> int:
    """Write at most 1,024 chunks, one after the other, from `position` on. Return the position after them."""
    stop = position + sum(map(len, chunks))
    position += os.pwritev(descriptor, chunks, position)
    if position < stop:  # a disk that is nearly full writes some of it, and refuses the rest
        rest = memoryview(b"".join(chunks))[position - stop :]
        while rest:
            count = os.pwrite(descriptor, rest, position)
            rest, position = rest[count:], position + count
    return position


def make_private_directory(path: Path) -> None:
    """Make the directory unless it exists, and close it to other users of the machine.

    One that belongs to another user, or that all users share (such as `/tmp`), keeps its mode.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_mode & 0o077 and found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX:
        path.chmod(0o700)


def create_durably(path: Path, content: bytes) -> None:
    """Create a file with this content that only this user can read, complete and on the disk when it appears.

    If it exists, do nothing: of several processes that create it at once, the first one's counts.
    """
    part = path.with_suffix(f".{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            path.hardlink_to(part)
    finally:
        part.unlink()
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the entries of the directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_error(error: OSError) -> RoomcastError:
    """Return the error to raise instead of an `OSError` of the disk."""
    if error.errno in _FULL_ERRNOS:
        return DiskFull("The disk is full.")
    return StorageError("The disk could not be read or written.")
