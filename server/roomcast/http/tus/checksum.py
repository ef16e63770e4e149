"""Verify the checksum of a chunk before its bytes are appended to the upload."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from roomcast.errors import TooLarge
from roomcast.http.intake.pipeline import Chunks
from roomcast.http.tus.protocol import ALGORITHMS, Checksum, ChecksumMismatch
from roomcast.media.contract import Data
from roomcast.runtime.files import disk_error, run_in_thread_shielded

_READ_BYTES = 1 << 20


@asynccontextmanager
async def verified(
    chunks: AsyncIterable[Data], checksum: Checksum | None, *, max_bytes: int, folder: Path
) -> AsyncIterator[AsyncIterable[Data]]:
    """Return the chunks after their checksum has been verified; without a checksum, return them as they are.

    Until then they are stored in an unnamed file in `folder`, which the system deletes if the process dies. Raises
    `ChecksumMismatch`, and `TooLarge` for more than `max_bytes`.
    """
    if checksum is None:
        yield chunks
        return
    with _unnamed_file(folder) as file:
        digest, size = ALGORITHMS[checksum.algorithm](), 0
        async for chunk in chunks:
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge(f"The chunk has more than the {max_bytes} bytes that are left.")
            await run_in_thread_shielded(lambda chunk=chunk: _add(file, digest, chunk))  # type: ignore[misc]
        if digest.digest() != checksum.digest:
            raise ChecksumMismatch("The chunk does not have the declared checksum.")
        await run_in_thread_shielded(lambda: file.seek(0))
        yield _read(file)


def _unnamed_file(folder: Path) -> Any:
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise disk_error(error) from error


def _add(file: BinaryIO, digest: Any, chunk: Data) -> None:
    file.write(chunk)
    digest.update(chunk)


async def _read(file: BinaryIO) -> Chunks:
    while chunk := await run_in_thread_shielded(lambda: file.read(_READ_BYTES)):
        yield chunk
