"""The media store: where bytes live. Three Protocols; their docstrings are the contract.

A *source* is the file of an upload as it was received. Its name is `uploads.model.source_key`, and it is deleted when
the upload has ended. A *result* is a file that the workers made. It is stored as `<folder>/<name>`, and stays until it
is deleted. The folder is the upload's own (`uploads.model.results_folder`), or one of two in it: `download`, for a file
that is handed out unchanged and never displayed, and `segments`, for a film's segments, initialization segments and
playlists, which viewers may play while the film is still being compressed.

No reader ever sees a source or a result that is half written.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from roomcast.media.byte_ranges import ByteRange

Data = bytes | bytearray | memoryview
"""Bytes of a source. Valid until the call that passes them returns: the caller may then reuse the memory."""


@dataclass(frozen=True)
class DiskFile:
    """A result that is a file on this machine."""

    path: Path


@dataclass(frozen=True)
class InlineFile:
    """The bytes of a result: a small one that refers to its siblings by relative URLs."""

    content: bytes


@dataclass(frozen=True)
class Redirect:
    """A result that the client can fetch from another URL."""

    url: str


ServedFile = DiskFile | InlineFile | Redirect
"""How the web process answers a request for a result."""


class StagedSource(Protocol):
    """A source that is being received."""

    async def write(self, *chunks: Data) -> None:
        """Append at most 1,024 chunks. Raise `DiskFull` or `StorageError` if the store cannot take them."""

    async def commit(self) -> str:
        """Make the source complete and durable. Return its key."""


class SparseSource(Protocol):
    """A complete source as a local, read-only file, whose bytes are fetched as they are needed."""

    path: Path
    """The file, which has the source's full size, and zeros where nothing was fetched yet."""

    size: int
    """Of the source, in bytes."""

    @property
    def is_complete(self) -> bool:
        """Whether the file has all bytes of the source."""

    async def fill(self, ranges: Iterable[ByteRange]) -> None:
        """Fetch these bytes, in so far as the file does not have them yet. They are all of one version of the source,
        but are not compared with a checksum of it.

        Raise `StorageError` for bytes behind the end, and if the source was replaced after it was opened; `NotFound`
        if it was deleted.
        """

    async def fill_all(self) -> None:
        """Fetch all bytes that the file does not have yet. If it has none, they are compared with the checksum of the
        source, as `MediaStore.fetch` does."""


class MediaStore(Protocol):
    """Sources and results. Every failure is `DiskFull` or `StorageError`; an unknown key is `NotFound`."""

    deployment_location: str
    """Where `claim_deployment` writes the id, for people: "the file …" or "the object …"."""

    origins: tuple[str, ...]
    """The origins, other than the server's, of the results' URLs and of those that parts are sent to."""

    @property
    def bucket(self) -> str | None:
        """The name of the bucket that holds the results, or None if they are local files."""

    def receive(self, name: str) -> AbstractAsyncContextManager[StagedSource]:
        """Receive a source. If the context is left without `commit`, everything written is deleted."""

    def fetch(self, key: str, scratch: Path) -> AbstractAsyncContextManager[Path]:
        """Give a local, read-only file of the source for the duration of the context. A copy is made in `scratch` if
        the store is remote."""

    def open_source(self, key: str, scratch: Path) -> AbstractAsyncContextManager[SparseSource]:
        """Give a source, of which parts can be read without fetching all of it, for the duration of the context. The
        file is in `scratch` if the store is remote; otherwise it is complete."""

    def fetch_result(self, key: str, scratch: Path) -> AbstractAsyncContextManager[Path]:
        """Give a local, read-only file of the result with this key for the duration of the context. A copy is made in
        `scratch` if the store is remote: that must not be used for two results of the same name at once."""

    async def store(
        self, path: Path, folder: str, name: str, on_bytes: Callable[[int], None], *, filename: str | None = None
    ) -> str:
        """Store a local file as the result `name` in `folder`, replacing one that is there. Return its key: of the
        object in the bucket, or the path below the folder of all results.

        Several workers may store the same segment at once. Their bytes are interchangeable, so the last one stays, and
        one that was stored stays when another worker's call fails or is cancelled.

        `path` may be moved away. `on_bytes` is called on the event loop with the number of further bytes stored.
        `filename` is the name of the client's file: a bucket that serves the result by itself tells it to browsers.
        """

    async def discard_source(self, name: str) -> None:
        """Delete a source, complete or not. Do nothing if there is none."""

    async def discard_results(self, folder: str) -> None:
        """Delete the results in an upload's folder, complete or not. Do nothing if there are none.

        Of the folders below it only `download` and `segments` are deleted: others may belong to another upload, whose
        client chose that folder.
        """

    async def discard_segments(self, folder: str, *, beginning: str = "") -> None:
        """Delete what is stored in the folder `segments` of an upload's folder, complete or not, and no other result.

        With `beginning`, delete only what has a name that begins with it. Do nothing if there is nothing.
        """

    async def has_results(self, folder: str) -> bool:
        """Return whether anything is stored in an upload's folder or below it."""

    async def has_source(self, name: str) -> bool:
        """Return whether the complete source is stored."""

    async def copy_source(self, key: str, name: str) -> None:
        """Make a complete source `name` of the bytes of another one. Raise `NotFound` if that does not exist."""

    async def list_sources(self) -> dict[str, float]:
        """Map the names of all sources, complete or not, to the Unix times at which something was last added to them,
        by the store's clock. Names are in alphabetical order."""

    async def sweep(self, older_than_seconds: float) -> int:
        """Delete what was begun longer ago than that and is not complete. Return how many files or objects.

        The time must be longer than any upload takes: one that is still going on would fail.
        """

    async def check_writable(self) -> None:
        """Raise `StorageError` unless the store can be written to now."""

    async def free_bytes(self) -> int | None:
        """Return how many more bytes the store can take, or None if it has no known limit."""

    def url(self, key: str, *, longer: float = 0.0) -> str:
        """Return a URL for the result with this key. It needs no credentials and expires, so many seconds `longer` from
        now than others: a film has to be valid until it has been watched. Relative URLs in a playlist or a storyboard
        lead from it to the siblings of the result."""

    def download_url(self, key: str) -> str:
        """Return a URL like `url`, from which browsers save the result under the name of the client's file."""

    def server_url(self, key: str, *, longer: float = 0.0) -> str:
        """Return a URL like `url` that always leads to the server, whose answer may be newer than what is stored: a
        playlist that grows. It expires when `url_signer.UrlSigner.expires_at` says."""

    def urls_expire_at(self) -> float | None:
        """Return the Unix time until which URLs that are made now are valid, or None if they do not expire."""

    async def serve(self, key: str, *, disposition: str | None = None) -> ServedFile:
        """Return how to answer a request for the result `<folder>/<name>`, on the route that `url` may point to.

        With a `disposition`, a redirect leads to a response with that `Content-Disposition` header.
        """

    async def claim_deployment(self, mine: str) -> str:
        """Return the id of the ledger that this store belongs to. If it has none yet, write `mine` and return it."""


class WriteChunks(Protocol):
    """Writes the next bytes of a source, at most 1,024 chunks. Raises `DiskFull` or `StorageError`."""

    async def __call__(self, *chunks: Data) -> None: ...


class AppendChunks(WriteChunks, Protocol):
    """Writes the next bytes of a source that is received in several requests."""

    @property
    def stored(self) -> int:
        """How many bytes from the start of the source outlive this process, should it be killed now."""


OnChunk = Callable[[bytes], Awaitable[None]]
"""Is called with the next bytes of a source."""


class ResumableSources(Protocol):
    """Sources that are received in several requests, by any of several processes, with pauses between them.

    Writes are positional and all writers of a source have the same bytes, so a stale writer that is still running
    cannot corrupt it. What was received is deleted by `MediaStore.discard_source`; until it is complete, it is an
    incomplete source like any other. The failures are those of `MediaStore`.
    """

    async def received_bytes(self, name: str) -> int:
        """Return how many bytes from the start are durable, whether the source is complete or not. 0 if there is no
        source."""

    def append(self, name: str, offset: int) -> AbstractAsyncContextManager[AppendChunks]:
        """Write from `offset` on, which is at most `received_bytes`. When the context is left, also by an exception,
        everything written is durable, unless the store fails."""

    async def read_head(self, name: str, count: int) -> bytes:
        """Return the first bytes that were received, at most `count`."""

    async def complete(self, name: str, on_chunk: OnChunk | None = None, *, concat: Sequence[str] = ()) -> str:
        """Make a complete source of what was received under `name`, or under the names `concat` in that order. Return
        its key.

        `on_chunk` is called with all of its bytes, in order. A call that is repeated after a success succeeds again.
        Raise `NotFound` if nothing was received.
        """

    async def discard_incomplete(self, name: str) -> None:
        """Delete what was received and is not part of a complete source, if there is any. A complete source stays."""


@dataclass(frozen=True)
class PresignedParts:
    """What a client needs to send a file itself.

    `urls[n]` accepts by PUT exactly the bytes from `n * part_size` to before `(n + 1) * part_size`, or to the end of
    the file. `token` identifies the multipart upload in later calls.
    """

    part_size: int
    urls: list[str]
    token: str


@dataclass(frozen=True)
class PartETag:
    """A part as the client reports it: its number, from 1, and the `ETag` header that it got for it."""

    number: int
    etag: str


@dataclass(frozen=True)
class StoredPart:
    """A part that the bucket has. `size` in bytes."""

    number: int
    etag: str
    size: int


class PresignedUploads(Protocol):
    """Sources that clients send to the bucket themselves, by presigned URLs.

    Every failure of the store is `DiskFull` or `StorageError`; an unknown token or source is `NotFound`.
    """

    async def begin(self, name: str, size: int) -> PresignedParts:
        """Begin a source of `size` bytes, at least 1. Raise `Malformed` for an empty one."""

    async def list_parts(self, name: str, token: str) -> list[StoredPart]:
        """Return the parts that the bucket has so far, by number."""

    async def verify(self, name: str, token: str, parts: Sequence[PartETag], *, size: int) -> None:
        """Raise `Malformed` unless `parts` are the parts in the bucket and make up `size` bytes. Missing parts can
        still be sent."""

    async def complete(self, name: str, token: str, parts: Sequence[PartETag], *, size: int) -> str:
        """Make a complete source of the parts. Return its key.

        Raise `Malformed` as `verify` does; the parts then stay. A call that is repeated after a success succeeds again.
        """

    async def abort(self, name: str, token: str) -> None:
        """Delete the parts. Do nothing if there are none."""

    def read_chunks(self, key: str) -> AsyncGenerator[bytes, None]:
        """Yield all bytes of the source, in chunks of at most 1 MiB."""
