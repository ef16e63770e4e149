"""Read a local file that is uploaded: its size, its MD5 and its bytes."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from roomcast.client.errors import LOCAL_FILE, ClientError
from roomcast.errors import Code

T = TypeVar("T")

_READ_BYTES = 512 * 1024


@dataclass(frozen=True)
class LocalFile:
    """A readable file that is not empty. `size` is in bytes."""

    path: Path
    size: int

    async def md5(self) -> str:
        """Return the MD5 of the file as hexadecimal digits."""
        digest = hashlib.md5(usedforsecurity=False)
        async with aclosing(self.chunks(0)) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    async def chunks(self, offset: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `offset` on. Raises `LOCAL_FILE` when the file became shorter."""
        left = self.size - offset
        with await run_file_io(lambda: self.path.open("rb")) as file:
            await run_file_io(lambda: file.seek(offset))
            while left:
                chunk = await run_file_io(lambda: file.read(min(_READ_BYTES, left)))  # noqa: B023  (it is awaited at once)
                if not chunk:
                    raise ClientError(LOCAL_FILE, "The file became shorter while it was read.")
                left -= len(chunk)
                yield chunk


async def open_source(path: Path) -> LocalFile:
    """Return the file at `path`. Raises `LOCAL_FILE` when it cannot be read, `UNREADABLE_MEDIA` when it is empty."""
    size = await run_file_io(lambda: _size(path))
    if size == 0:
        raise ClientError(Code.UNREADABLE_MEDIA.value, "The file is empty.")
    return LocalFile(path, size)


def _size(path: Path) -> int:
    if stat.S_ISFIFO(path.stat().st_mode):  # opening it would wait for a program that writes to it
        raise OSError(errno.ESPIPE, "This is a pipe, which has no size")
    with path.open("rb") as file:  # raises for a directory or an unreadable file
        return file.seek(0, 2)


async def run_file_io(call: Callable[[], T]) -> T:
    """Run a call of the file system in a thread. Its errors are raised as `LOCAL_FILE`."""
    try:
        return await asyncio.to_thread(call)
    except OSError as error:
        raise ClientError(LOCAL_FILE, f"{error.strerror or error}.") from error
