"""The media store: where bytes live. One Protocol; its docstrings are the contract.

A *source* is an upload's bytes as they arrived, under the name that `events.source_name` gives; it goes when the upload
is over. A
*result* is `<folder>/<name>` wherever results are kept, and stays until somebody deletes it. Its folder is the upload's
own, which `events.results_folder` gives, or below that `download` for a file that is handed out as it came, and never
shown. Neither is ever seen half written.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import quote

from roomcast.uploads.sniff import OCTETS

_MIME = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4a": "audio/mp4",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".vtt": "text/vtt",
    ".webm": "video/webm",
    ".webp": "image/webp",
}


DOWNLOAD = "download"
"""The folder, in an upload's own, of a file that is handed out as it came."""


def is_download(key: str) -> bool:
    """Whether a result is a file of a client's own, which a browser must save and never show."""
    return PurePosixPath(key).parent.name == DOWNLOAD


def disposition(key: str) -> str:
    """The `Content-Disposition` of a result."""
    return f"attachment; filename*=UTF-8''{quote(PurePosixPath(key).name, safe='')}" if is_download(key) else "inline"


def mime_of(key: str) -> str | None:
    """The media type of a result, by its suffix; None when no result has that."""
    return OCTETS if is_download(key) else _MIME.get(PurePosixPath(key).suffix.lower())


@dataclass(frozen=True)
class LocalFile:
    """A result that lies on this machine."""

    path: Path


@dataclass(frozen=True)
class InlineFile:
    """A result that was read for the client: small, and naming its siblings by relative URLs."""

    content: bytes


@dataclass(frozen=True)
class Redirect:
    """A result that the client gets from another URL."""

    url: str


ServedFile = LocalFile | InlineFile | Redirect
"""How the web process hands out a result under its own link."""

Data = bytes | bytearray | memoryview
"""Bytes of a source. Whoever is given them does not look at them again after returning: their memory is used anew."""


class StagedSource(Protocol):
    """A source that is arriving."""

    async def write(self, *chunks: Data) -> None:
        """Append the chunks, 1,024 at most. `DiskFull` or `StorageError` when the store cannot take them."""

    async def commit(self) -> str:
        """Make the source whole and durable; its key."""


class MediaStore(Protocol):
    """Sources and results. Every failure is `DiskFull` or `StorageError`; an unknown key is `NotFound`."""

    @property
    def bucket(self) -> str | None:
        """The bucket that results are objects of; None where they are files."""

    def receive(self, name: str) -> AbstractAsyncContextManager[StagedSource]:
        """Take in a source. Left without `commit`, nothing of it remains."""

    def fetch(self, key: str, scratch: Path) -> AbstractAsyncContextManager[Path]:
        """The source as a local file, below `scratch` or wherever it is already. Read only."""

    async def store(self, path: Path, folder: str, name: str, on_bytes: Callable[[int], None]) -> str:
        """Keep a local file as a result in a folder; its key, which is the object's in its bucket, or the file's path
        below where results are kept. `path` may be moved away. `on_bytes` hears of bytes as they go. Storing the same
        name again replaces it whole."""

    async def discard_source(self, name: str) -> None:
        """Delete a source, whole or partial; silent when there is none."""

    async def discard_results(self, folder: str) -> None:
        """Delete the results in an upload's folder, whole or partial; silent when there are none. Of folders below it
        only `download` is the upload's: others may be another's, whose client named this one."""

    async def has_results(self, folder: str) -> bool:
        """Whether anything is stored in an upload's folder, or below it."""

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
        """A URL for the result that `store` gave this key. It works without credentials until it expires, and relative
        URLs in a playlist or a storyboard lead from it to its siblings."""

    async def serve(self, key: str) -> ServedFile:
        """The result `<folder>/<name>`, for the route under which `url` may have put it."""

    async def sources(self, *, older_than_seconds: float = 0.0) -> list[str]:
        """The names of all sources, whole or partial: what a sweep goes through. With `older_than_seconds`, of those
        to which nothing was added for so long."""

    deployment_name: str
    """What `deployment` is written in, for people."""

    async def deployment(self, mine: str) -> str:
        """The id of the ledger that this store belongs to, which is written in it: `mine`, if none was."""


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

    async def check_direct(self, name: str, token: str, parts: Sequence[DirectPart], *, size: int) -> None:
        """`Malformed` when the parts are not all that make up `size` bytes; what is missing may still be sent."""

    async def complete_direct(self, name: str, token: str, parts: Sequence[DirectPart], *, size: int) -> str:
        """Join the parts to a source; its key. `Malformed` when they are not all that make up `size` bytes."""

    async def abort_direct(self, name: str, token: str) -> None:
        """Delete the parts sent so far; silent when there are none."""

    async def read_head(self, key: str, count: int) -> bytes:
        """The source's first bytes, up to `count`."""

    def read_chunks(self, key: str) -> AsyncGenerator[bytes, None]:
        """The whole source, in pieces."""


class Write(Protocol):
    """Takes the next bytes of a source, in 1,024 chunks at most. `DiskFull` or `StorageError` when the store cannot."""

    async def __call__(self, *chunks: Data) -> None: ...


See = Callable[[bytes], Awaitable[None]]
"""Is shown bytes of a source."""


class ResumableSources(Protocol):
    """Sources that come in pieces: in many requests, to any of many processes, and with pauses between them.

    Every byte has its place, and whoever writes there writes the byte that belongs there. So when two write at once,
    one of them believed dead, neither does harm. What was received goes only by `MediaStore.discard_source`; until it
    is complete, it is a partial source like any other. Failures are the `MediaStore`'s.
    """

    async def received(self, name: str) -> int:
        """How many bytes from the start are here and durable, the source being complete or not; 0 without a source."""

    def append(self, name: str, offset: int) -> AbstractAsyncContextManager[Write]:
        """Write on from `offset`, which is no more than was received. All that was written is durable on leaving; when
        that is by an exception, the last of it may be missing."""

    async def head(self, name: str, count: int) -> bytes:
        """The first bytes of what was received, up to `count`."""

    async def complete(self, name: str, see: See | None = None, *, of: Sequence[str] = ()) -> str:
        """Make a whole source of all that was received under `name`, or under the names `of` one after the other; its
        key. On the way `see`, if there is one, is shown all of it, in order. Called again after it succeeded, it
        succeeds again. `NotFound` when nothing was received."""
