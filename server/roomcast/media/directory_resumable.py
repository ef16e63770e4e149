"""Sources in a directory that come in pieces: the same `<name>.part` as any other, kept between two requests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

from roomcast.errors import NotFound
from roomcast.media.contract import Data, See, Write
from roomcast.runtime.files import disk_error, run_in_thread_shielded, sync_directory, write_at

_READ_BYTES = 1 << 20


class DirectoryResumableSources:
    """See `roomcast.media.contract.ResumableSources`, the contract."""

    def __init__(self, incoming: Path) -> None:
        self._incoming = incoming

    async def received(self, name: str) -> int:
        with self._open(name) as file:
            return await run_in_thread_shielded(lambda: _durable_size(file)) if file else 0

    @asynccontextmanager
    async def append(self, name: str, offset: int) -> AsyncIterator[Write]:
        descriptor = _opened(self._part(name))
        position = offset

        async def write(*chunks: Data) -> None:
            nonlocal position
            position = await run_in_thread_shielded(lambda: write_at(descriptor, chunks, position))

        try:
            yield write
        finally:
            await run_in_thread_shielded(lambda: _close_durably(descriptor, self._incoming))

    async def head(self, name: str, count: int) -> bytes:
        with self._open(name) as file:
            return await run_in_thread_shielded(lambda: file.read(count)) if file else b""

    async def complete(self, name: str, see: See | None = None, *, of: Sequence[str] = ()) -> str:
        if of and not (self._incoming / name).is_file():
            await self._join(name, of, see)
        elif see:
            await self._show(name, see)
        await run_in_thread_shielded(lambda: _make_whole(self._part(name), self._incoming / name))
        return name

    async def _join(self, name: str, of: Sequence[str], see: See | None) -> None:
        async with self.append(name, 0) as write:

            async def see_and_write(data: bytes) -> None:
                if see:
                    await see(data)
                await write(data)

            for part in of:
                await self._show(part, see_and_write)

    async def _show(self, name: str, see: See) -> None:
        with self._open(name) as file:
            if file is None:
                raise NotFound("The source is gone.")
            while data := await run_in_thread_shielded(lambda: file.read(_READ_BYTES)):
                await see(data)

    def _part(self, name: str) -> Path:
        return self._incoming / f"{name}.part"

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO | None]:
        """The file that holds what was received. It may become whole while we look for it: hence the order."""
        whole, part = self._incoming / name, self._part(name)
        for path in (whole, part, whole):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise disk_error(error) from error
            with file:
                yield file
            return
        yield None


def _opened(part: Path) -> int:
    """Opened here and not in a thread: nobody would close a file that a cancelled caller did not get to see."""
    try:
        return os.open(part, os.O_CREAT | os.O_WRONLY, 0o666)
    except OSError as error:
        raise disk_error(error) from error


def _durable_size(file: BinaryIO) -> int:
    """What a process that died has written may be in memory alone: it counts when it is on the disk."""
    os.fsync(file.fileno())
    return os.fstat(file.fileno()).st_size


def _close_durably(descriptor: int, directory: Path) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(directory)


def _make_whole(part: Path, target: Path) -> None:
    """Rename, unless it was done before."""
    if target.is_file():
        return
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(target)
    sync_directory(target.parent)
