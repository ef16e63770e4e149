"""The media store: where bytes live. One Protocol; its docstrings are the contract.

A *source* is an upload's bytes as they arrived, under the name that `events.source_name` gives; it goes when the upload
is over. A
*result* has a key, `<upload id>/<name>`, and stays until somebody deletes it. Neither is ever seen half written.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Incoming(Protocol):
    """A source that is arriving."""

    async def write(self, data: bytes | bytearray) -> None:
        """Append. `DiskFull` or `StorageError` when the store cannot take it."""

    async def commit(self) -> str:
        """Make the source whole and durable; its key."""


class MediaStore(Protocol):
    """Sources and results. Every failure is `DiskFull` or `StorageError`; an unknown key is `NotFound`."""

    def receive(self, name: str) -> AbstractAsyncContextManager[Incoming]:
        """Take in a source. Left without `commit`, nothing of it remains."""

    def fetch(self, key: str, scratch: Path) -> AbstractAsyncContextManager[Path]:
        """The source as a local file, below `scratch` or wherever it is already. Read only."""

    async def store(self, path: Path, upload_id: str, name: str, on_bytes: Callable[[int], None]) -> str:
        """Keep a local file as a result; its key. `path` may be moved away. `on_bytes` hears of bytes as they go.
        Storing the same name again replaces it whole."""

    async def discard_source(self, name: str) -> None:
        """Delete a source, whole or partial; silent when there is none."""

    async def discard_results(self, upload_id: str) -> None:
        """Delete the upload's results, whole or partial; silent when there are none."""

    async def has_source(self, name: str) -> bool:
        """Whether a whole source is there."""

    async def sweep(self, older_than_seconds: float) -> int:
        """Delete what was begun longer ago than that and never became whole; how many. Longer than any upload takes,
        or it is torn from under one."""

    async def check(self) -> None:
        """Returns when the store can be written to."""

    async def free_bytes(self) -> int | None:
        """Bytes that can still be taken in; None when the store knows no limit."""

    def url(self, key: str) -> str:
        """A URL for a result, that works without credentials until it expires."""

    async def sources(self) -> list[str]:
        """The names of all sources, whole or partial: what a sweep goes through."""


@dataclass(frozen=True)
class DirectParts:
    """What a client needs to send a file: `urls[n]` takes, by PUT, exactly the bytes from `n * part_size` to before
    `(n + 1) * part_size`, or to the end. `token` names the upload's parts in the calls that follow."""

    part_size: int
    urls: list[str]
    token: str


@dataclass(frozen=True)
class DirectPart:
    """A part that the client has sent: its number, from 1, and the `ETag` header of the answer."""

    number: int
    etag: str


@dataclass(frozen=True)
class SentPart:
    """A part that the bucket has. `size` in bytes."""

    number: int
    etag: str
    size: int


class DirectUploads(Protocol):
    """The server's side of sources that clients send to the store themselves, where a store can do that.

    Every failure of the store is `DiskFull` or `StorageError`; a token or source that is not there is `NotFound`.
    """

    async def begin_direct(self, name: str, size: int) -> DirectParts:
        """Open a source of `size` bytes, at least one."""

    async def sent_direct(self, name: str, token: str) -> list[SentPart]:
        """The parts that the store has so far."""

    async def complete_direct(self, name: str, token: str, parts: Sequence[DirectPart], *, size: int) -> str:
        """Join the parts to a source; its key. `Malformed` when they are not all that make up `size` bytes."""

    async def abort_direct(self, name: str, token: str) -> None:
        """Delete the parts sent so far; silent when there are none."""

    async def read_head(self, key: str, count: int) -> bytes:
        """The source's first bytes, up to `count`."""

    def read_chunks(self, key: str) -> AsyncGenerator[bytes, None]:
        """The whole source, in pieces."""
