"""The media store: where bytes live. One Protocol; its docstrings are the contract.

A *source* is an upload's bytes as they arrived; there is one per upload, and it goes when the upload is over. A
*result* has a key, `<upload id>/<name>`, and stays until somebody deletes it. Neither is ever seen half written.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
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

    def receive(self, upload_id: str) -> AbstractAsyncContextManager[Incoming]:
        """Take in a source. Left without `commit`, nothing of it remains."""

    def fetch(self, key: str, scratch: Path) -> AbstractAsyncContextManager[Path]:
        """The source as a local file, below `scratch` or wherever it is already. Read only."""

    async def store(self, path: Path, upload_id: str, name: str, on_bytes: Callable[[int], None]) -> str:
        """Keep a local file as a result; its key. `path` may be moved away. `on_bytes` hears of bytes as they go.
        Storing the same name again replaces it whole."""

    async def discard_source(self, upload_id: str) -> None:
        """Delete the upload's source, whole or partial; silent when there is none."""

    async def discard_results(self, upload_id: str) -> None:
        """Delete the upload's results, whole or partial; silent when there are none."""

    async def has_source(self, upload_id: str) -> bool:
        """Whether a whole source is there."""

    async def check(self) -> None:
        """Returns when the store can be written to."""

    async def free_bytes(self) -> int | None:
        """Bytes that can still be taken in; None when the store knows no limit."""

    def url(self, key: str) -> str:
        """A URL for a result, that works without credentials until it expires."""

    async def sources(self) -> list[str]:
        """The upload ids that have a source, whole or partial: what a sweep goes through."""
