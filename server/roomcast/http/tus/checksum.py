"""A piece that comes with its checksum: put aside, and handed on once it is known to be right."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from roomcast.errors import TooLarge
from roomcast.http.intake.pipeline import Chunks
from roomcast.http.tus.protocol import ALGORITHMS, Checksum, ChecksumMismatch
from roomcast.runtime.files import disk_error, run_in_thread_shielded

_READ_BYTES = 1 << 20


@asynccontextmanager
async def checked(chunks: Chunks, checksum: Checksum | None, *, most: int, folder: Path) -> AsyncIterator[Chunks]:
    """The chunks, if they are as the checksum says; `ChecksumMismatch` otherwise, and `TooLarge` above `most` bytes.
    Until then they wait in a file in `folder` that has no name and goes with us."""
    if checksum is None:
        yield chunks
        return
    with _unnamed_file(folder) as file:
        digest, size = ALGORITHMS[checksum.algorithm](), 0
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise TooLarge(f"More bytes came than the {most} that are left.")
            await run_in_thread_shielded(lambda chunk=chunk: _keep(file, digest, chunk))  # type: ignore[misc]
        if digest.digest() != checksum.digest:
            raise ChecksumMismatch("The bytes are not those that the checksum is of.")
        await run_in_thread_shielded(lambda: file.seek(0))
        yield _contents(file)


def _unnamed_file(folder: Path) -> Any:
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise disk_error(error) from error


def _keep(file: BinaryIO, digest: Any, chunk: bytes) -> None:
    file.write(chunk)
    digest.update(chunk)


async def _contents(file: BinaryIO) -> Chunks:
    while chunk := await run_in_thread_shielded(lambda: file.read(_READ_BYTES)):
        yield chunk
