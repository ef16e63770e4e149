"""The media store of one machine: a directory.

    <root>/incoming/<name>[.part]         sources (`.part` until they are complete)
    <root>/media/<folder>/<name>          results (`.<name>.<…>.part` while they are being copied)
    <root>/work/                          the workers' scratch files, emptied at the start
    <root>/deployment                     the id of the ledger that the sources belong to

A file gets its name only when it is complete: it is written beside it, fsynced, renamed, and the directory is fsynced.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from roomcast.errors import NotFound
from roomcast.media.byte_ranges import ByteRange, check_within
from roomcast.media.contract import AppendChunks, Data, DiskFile, OnChunk
from roomcast.media.result_keys import DOWNLOAD, SEGMENTS, SUBFOLDERS
from roomcast.media.url_signer import UrlSigner
from roomcast.runtime.files import (
    disk_error,
    open_regular,
    run_in_thread,
    run_in_thread_shielded,
    sync_directory,
    write_at,
)

_CHUNK_BYTES = 1 << 20

_T = TypeVar("_T")


class DirectoryMediaStore:
    """Stores sources and results as files. Implements `roomcast.media.contract.MediaStore`."""

    def __init__(self, root: Path, signer: UrlSigner) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._media = root / "media"
        self._signer = signer
        self._deployment = root / "deployment"
        self.origins: tuple[str, ...] = ()
        self.deployment_location = f"the file {self._deployment}"
        self.resumable = DirectoryResumableSources(self._incoming)
        for directory in (self._incoming, self._media):
            directory.mkdir(parents=True, exist_ok=True)

    @property
    def bucket(self) -> None:
        return None

    @asynccontextmanager
    async def receive(self, name: str) -> AsyncIterator[_StagedFile]:
        partial = self._incoming / f"{name}.part"
        file = _create(partial)
        try:
            yield _StagedFile(file, partial, self._incoming / name)
        finally:
            await run_in_thread_shielded(lambda: _close_and_delete(file, partial))

    @asynccontextmanager
    async def fetch(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        path = self._incoming / key
        if not path.is_file():
            raise NotFound("The source is not in the media store.")
        yield path

    @asynccontextmanager
    async def open_source(self, key: str, scratch: Path) -> AsyncIterator[_SourceFile]:
        async with self.fetch(key, scratch) as path:
            yield _SourceFile(path)

    @asynccontextmanager
    async def fetch_result(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        yield (await self.serve(key)).path

    async def store(
        self, path: Path, folder: str, name: str, on_bytes: Callable[[int], None], *, filename: str | None = None
    ) -> str:
        loop = asyncio.get_running_loop()
        target = self._media / folder / name

        def report(count: int) -> None:
            loop.call_soon_threadsafe(on_bytes, count)

        await run_in_thread_shielded(lambda: _move(path, target, self._media, report))
        return f"{folder}/{name}"

    async def discard_source(self, name: str) -> None:
        def work() -> None:
            for path in (self._incoming / name, self._incoming / f"{name}.part"):
                path.unlink(missing_ok=True)

        await run_in_thread_shielded(work)

    async def discard_results(self, folder: str) -> None:
        def work() -> None:
            for subfolder in SUBFOLDERS:
                _delete_files(self._media / folder / subfolder)
            _delete_files(self._media / folder)

        await run_in_thread_shielded(work)

    async def discard_segments(self, folder: str, *, beginning: str = "") -> None:
        def work() -> None:
            _delete_files(self._media / folder / SEGMENTS, beginning)
            # Without other results the upload has none.
            _delete_if_empty(self._media / folder)

        await run_in_thread_shielded(work)

    async def has_results(self, folder: str) -> bool:
        return await run_in_thread((self._media / folder).exists)

    async def has_source(self, name: str) -> bool:
        return (self._incoming / name).is_file()

    async def copy_source(self, key: str, name: str) -> None:
        await run_in_thread_shielded(lambda: _copy_durably(self._incoming / key, self._incoming / name))

    async def list_sources(self) -> dict[str, float]:
        def work() -> dict[str, float]:
            modified: dict[str, float] = {}
            for path in self._incoming.iterdir():
                if not path.name.startswith("."):
                    with suppress(FileNotFoundError):
                        name = path.name.removesuffix(".part")
                        modified[name] = max(path.stat().st_mtime, modified.get(name, 0.0))
            return dict(sorted(modified.items()))

        return await run_in_thread(work)

    async def sweep(self, older_than_seconds: float) -> int:
        return await run_in_thread(lambda: _sweep(self._root, time.time() - older_than_seconds))

    async def check_writable(self) -> None:
        def work() -> None:
            path = self._incoming / f".check.{os.getpid()}.{secrets.token_hex(4)}"
            path.write_bytes(b"x")
            path.unlink(missing_ok=True)

        await run_in_thread(work)

    async def free_bytes(self) -> int | None:
        return (await run_in_thread(lambda: shutil.disk_usage(self._root))).free

    def url(self, key: str, *, longer: float = 0.0) -> str:
        return self._signer.url(key, longer=longer)

    def download_url(self, key: str) -> str:
        return self._signer.download_url(key)

    def server_url(self, key: str, *, longer: float = 0.0) -> str:
        return self._signer.url(key, longer=longer)

    def urls_expire_at(self) -> float | None:
        return self._signer.expires_at()

    async def serve(self, key: str, *, disposition: str | None = None) -> DiskFile:
        root = self._media.resolve()
        path = root / key
        try:
            # The resolved path must be the one that was asked for: neither `..` nor a symbolic link leads out of the
            # store.
            if path.is_relative_to(root) and path.resolve() == path and path.is_file():
                return DiskFile(path)
        except (OSError, ValueError) as error:  # a name that is too long, or that has a NUL in it
            raise NotFound("There is no such file.") from error
        raise NotFound("There is no such file.")

    async def claim_deployment(self, mine: str) -> str:
        return await run_in_thread(lambda: _read_or_create(self._deployment, mine))


class _SourceFile:
    """A source that is a local file. Implements `roomcast.media.contract.SparseSource`."""

    is_complete = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    async def fill(self, ranges: Iterable[ByteRange]) -> None:
        check_within(ranges, self.size)

    async def fill_all(self) -> None:
        pass


class _StagedFile:
    """Writes a source to its `.part` file. Implements `roomcast.media.contract.StagedSource`."""

    def __init__(self, file: BinaryIO, partial: Path, target: Path) -> None:
        self._file = file
        self._partial = partial
        self._target = target
        self._size = 0

    async def write(self, *chunks: Data) -> None:
        self._size = await run_in_thread_shielded(lambda: write_at(self._file.fileno(), chunks, self._size))

    async def commit(self) -> str:
        def work() -> None:
            os.fsync(self._file.fileno())
            self._partial.rename(self._target)
            sync_directory(self._target.parent)

        await run_in_thread_shielded(work)
        return self._target.name


class _FileAppender:
    """Writes to a `.part` file from `stored` on. Implements `roomcast.media.contract.AppendChunks`."""

    def __init__(self, descriptor: int, stored: int) -> None:
        self._descriptor = descriptor
        self.stored = stored

    async def __call__(self, *chunks: Data) -> None:
        def work() -> None:
            self.stored = write_at(self._descriptor, chunks, self.stored)

        await run_in_thread_shielded(work)


class DirectoryResumableSources:
    """Keeps the `.part` file of a source between requests. Implements `roomcast.media.contract.ResumableSources`."""

    def __init__(self, incoming: Path) -> None:
        self._incoming = incoming

    async def received_bytes(self, name: str) -> int:
        with self._open(name) as file:
            return await run_in_thread_shielded(lambda: _durable_size(file)) if file else 0

    @asynccontextmanager
    async def append(self, name: str, offset: int) -> AsyncIterator[AppendChunks]:
        descriptor = _open_for_writing(self._partial(name))
        try:
            yield _FileAppender(descriptor, offset)
        finally:
            await run_in_thread_shielded(lambda: _close_durably(descriptor, self._incoming))

    async def read_head(self, name: str, count: int) -> bytes:
        with self._open(name) as file:
            return await run_in_thread_shielded(lambda: file.read(count)) if file else b""

    async def complete(self, name: str, on_chunk: OnChunk | None = None, *, concat: Sequence[str] = ()) -> str:
        if concat and not (self._incoming / name).is_file():
            await self._concatenate(name, concat, on_chunk)
        elif on_chunk:
            await self._read(name, on_chunk)
        await run_in_thread_shielded(lambda: _complete(self._partial(name), self._incoming / name))
        return name

    async def discard_incomplete(self, name: str) -> None:
        await run_in_thread_shielded(lambda: self._partial(name).unlink(missing_ok=True))

    async def _concatenate(self, name: str, names: Sequence[str], on_chunk: OnChunk | None) -> None:
        async with self.append(name, 0) as write:

            async def copy(data: bytes) -> None:
                if on_chunk:
                    await on_chunk(data)
                await write(data)

            for one in names:
                await self._read(one, copy)

    async def _read(self, name: str, on_chunk: OnChunk) -> None:
        with self._open(name) as file:
            if file is None:
                raise NotFound("The source is not in the media store.")
            while data := await run_in_thread_shielded(lambda: file.read(_CHUNK_BYTES)):
                await on_chunk(data)

    def _partial(self, name: str) -> Path:
        return self._incoming / f"{name}.part"

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO | None]:
        """Open what was received. It may be renamed, from partial to complete, between two tries: hence three."""
        complete, partial = self._incoming / name, self._partial(name)
        for path in (complete, partial, complete):
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


def _copy_durably(source: Path, target: Path) -> None:
    """Give a file, which never changes, a second name; copy it where the file system has one name for each file."""
    partial = target.with_name(f"{target.name}.part")
    try:
        partial.unlink(missing_ok=True)
        try:
            partial.hardlink_to(source)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(source, partial)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        partial.rename(target)
        sync_directory(target.parent)
    except FileNotFoundError as error:
        raise NotFound("The source is not in the media store.") from error
    except OSError as error:
        raise disk_error(error) from error


# The two functions that open a file run on the event loop and not in a thread: if the caller were cancelled while a
# thread opens one, nothing would close it.


def _create(path: Path) -> BinaryIO:
    try:
        return path.open("wb", buffering=0)
    except OSError as error:
        raise disk_error(error) from error


def _open_for_writing(path: Path) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_WRONLY, 0o666)
    except OSError as error:
        raise disk_error(error) from error


def _close_and_delete(file: BinaryIO, path: Path) -> None:
    file.close()
    path.unlink(missing_ok=True)


def _close_durably(descriptor: int, directory: Path) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(directory)


def _durable_size(file: BinaryIO) -> int:
    """Return the file's size after an fsync: what a process wrote before it was killed may be in memory only."""
    os.fsync(file.fileno())
    return os.fstat(file.fileno()).st_size


def _complete(partial: Path, target: Path) -> None:
    """Rename `partial` to `target`, unless that was done before."""
    if target.is_file():
        return
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(target)
    sync_directory(target.parent)


def _move(path: Path, target: Path, root: Path, report: Callable[[int], None]) -> None:
    """Move `path` to `target`, below `root`, in one step that survives a power loss, also if others do so meanwhile.
    To another file system it is copied, first to a `.part` file beside the target."""
    with open_regular(path) as source:
        os.fsync(source.fileno())
        try:
            _in_folder(target.parent, path, lambda: path.rename(target))
            report(os.fstat(source.fileno()).st_size)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
            try:
                _copy(source, _in_folder(target.parent, path, lambda: partial.open("xb")), report)
                partial.rename(target)
            finally:
                partial.unlink(missing_ok=True)
    for folder in target.parents:
        sync_directory(folder)
        if folder == root:
            break


def _in_folder(folder: Path, source: Path, store: Callable[[], _T]) -> _T:
    """Make the folder and return what `store` returns, which needs it and `source`.

    Both are repeated if the folder is gone by then: a deletion of the last file in it deletes the folder too.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return store()
        except FileNotFoundError:
            if not source.exists():
                raise


def _copy(source: BinaryIO, copy: BinaryIO, report: Callable[[int], None]) -> None:
    with copy:
        while data := source.read(_CHUNK_BYTES):
            copy.write(data)
            report(len(data))
        copy.flush()
        os.fsync(copy.fileno())


def _delete_files(folder: Path, beginning: str = "") -> None:
    """Delete the files in a folder whose names begin with `beginning`, also the incomplete ones, and the folder if it
    is then empty."""
    with suppress(FileNotFoundError):
        for path in list(folder.iterdir()):
            if path.name.startswith((beginning, f".{beginning}")) and not path.is_dir():
                path.unlink(missing_ok=True)
    _delete_if_empty(folder)


def _delete_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


def _sweep(root: Path, before: float) -> int:
    named_partial = [*root.glob("incoming/*.part"), *(root / "media").rglob("*.part")]
    stale = [path for path in named_partial if _is_partial(path) and path.stat().st_mtime < before]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def _is_partial(path: Path) -> bool:
    """Return whether a file named `*.part` is incomplete. A client's own file may have such a name too, but it is in a
    `download` folder and does not begin with a dot."""
    return path.is_file() and (path.name.startswith(".") or path.parent.name != DOWNLOAD)


def _read_or_create(path: Path, text: str) -> str:
    """Return the text of the file, which is created with `text` if there is none."""
    if not path.exists():
        partial = path.with_name(f".{path.name}.{text}.{os.getpid()}")
        partial.write_text(f"{text}\n")
        with suppress(FileExistsError):  # of several processes that start at once, the first one wins
            path.hardlink_to(partial)
        partial.unlink(missing_ok=True)
    return path.read_text().strip()
