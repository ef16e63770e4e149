"""A file to be sent: whether it can be, what is in it, and its bytes, a few at a time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from roomcast.client.errors import LOCAL_FILE, RoomcastError
from roomcast.errors import Code

T = TypeVar("T")

_READ_BYTES = 512 * 1024


@dataclass(frozen=True)
class Source:
    """A file that is there and holds something; `size` in bytes."""

    path: Path
    size: int

    async def md5(self) -> str:
        """Of all its bytes, as hex."""
        digest = hashlib.md5(usedforsecurity=False)
        async with aclosing(self.chunks(0)) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    async def chunks(self, offset: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from `offset` on; raises when they are not as many as there were."""
        left = self.size - offset
        with await locally(lambda: self.path.open("rb")) as file:
            await locally(lambda: file.seek(offset))
            while left:
                chunk = await locally(lambda: file.read(min(_READ_BYTES, left)))  # noqa: B023  (it is awaited at once)
                if not chunk:
                    raise RoomcastError(LOCAL_FILE, "The file became shorter while it was read.")
                left -= len(chunk)
                yield chunk


async def source_at(path: Path) -> Source:
    """The file at `path`; raises what stands in the way of sending it."""
    size = await locally(lambda: _size(path))
    if size == 0:
        raise RoomcastError(Code.UNREADABLE_MEDIA.value, "The file is empty.")
    return Source(path, size)


def _size(path: Path) -> int:
    with path.open("rb") as file:  # a directory, or what may not be read, says so here
        return file.seek(0, 2)


async def locally(call: Callable[[], T]) -> T:
    """What a call of the file system returns, off the event loop; its errors are `LOCAL_FILE`."""
    try:
        return await asyncio.to_thread(call)
    except OSError as error:
        raise RoomcastError(LOCAL_FILE, f"{error.strerror or error}.") from error
