"""The embedded media store: a directory.

    <root>/incoming/<name>[.part]         sources
    <root>/media/<folder>/<name>          results (`.<name>.part` while they are being stored)
    <root>/work/                          the workers' scratch, emptied at start
    <root>/deployment                     the id of the ledger that the sources belong to

A file appears under its name only whole: written beside it, fsynced, renamed, and the directory fsynced.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from roomcast.errors import NotFound
from roomcast.media.contract import DOWNLOAD, Data, LocalFile
from roomcast.media.directory_resumable import DirectoryResumableSources
from roomcast.media.url_signer import UrlSigner
from roomcast.runtime.files import disk_error, run_in_thread, run_in_thread_shielded, sync_directory, write_at

_COPY_BYTES = 1 << 20


class DirectoryMediaStore:
    """See `roomcast.media.contract.MediaStore`, the contract."""

    def __init__(self, root: Path, signer: UrlSigner) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._media = root / "media"
        self._signer = signer
        self._deployment = root / "deployment"
        self.deployment_name = f"the file {self._deployment}"
        self.resumable = DirectoryResumableSources(self._incoming)
        for directory in (self._incoming, self._media):
            directory.mkdir(parents=True, exist_ok=True)

    @property
    def bucket(self) -> None:
        return None

    @asynccontextmanager
    async def receive(self, name: str) -> AsyncIterator[_IncomingFile]:
        part = self._incoming / f"{name}.part"
        file = _open_part(part)
        incoming = _IncomingFile(file, part, self._incoming / name)
        try:
            yield incoming
        finally:
            await run_in_thread_shielded(lambda: _close_part(file, part))

    @asynccontextmanager
    async def fetch(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        path = self._incoming / key
        if not path.is_file():
            raise NotFound("The source is gone.")
        yield path

    async def store(self, path: Path, folder: str, name: str, on_bytes: Callable[[int], None]) -> str:
        loop = asyncio.get_running_loop()
        target = self._media / folder / name

        def hear(count: int) -> None:
            loop.call_soon_threadsafe(on_bytes, count)

        await run_in_thread_shielded(lambda: _place(path, target, self._media, hear))
        return f"{folder}/{name}"

    async def discard_source(self, name: str) -> None:
        def work() -> None:
            for path in (self._incoming / name, self._incoming / f"{name}.part"):
                path.unlink(missing_ok=True)

        await run_in_thread_shielded(work)

    async def discard_results(self, folder: str) -> None:
        def work() -> None:
            for below in (self._media / folder / DOWNLOAD, self._media / folder):
                _delete_files(below)

        await run_in_thread_shielded(work)

    async def has_results(self, folder: str) -> bool:
        return await run_in_thread((self._media / folder).exists)

    async def has_source(self, name: str) -> bool:
        return (self._incoming / name).is_file()

    async def sweep(self, older_than_seconds: float) -> int:
        return await run_in_thread(lambda: _sweep(self._root, time.time() - older_than_seconds))

    async def check(self) -> None:
        await run_in_thread(lambda: _try_out(self._incoming / f".check.{os.getpid()}"))

    async def free_bytes(self) -> int | None:
        return (await run_in_thread(lambda: shutil.disk_usage(self._root))).free

    def url(self, key: str) -> str:
        return self._signer.url(key)

    async def serve(self, key: str) -> LocalFile:
        root = self._media.resolve()
        path = root / key
        # Resolved it must still be what was asked for: no way leads out of the upload's folder.
        if not path.is_relative_to(root) or path.resolve() != path or not path.is_file():
            raise NotFound("There is no such file.")
        return LocalFile(path)

    async def sources(self, *, older_than_seconds: float = 0.0) -> list[str]:
        def work() -> list[str]:
            before = time.time() - older_than_seconds
            touched: dict[str, float] = {}
            for path in self._incoming.iterdir():
                if not path.name.startswith("."):
                    with suppress(FileNotFoundError):
                        name = path.name.removesuffix(".part")
                        touched[name] = max(path.stat().st_mtime, touched.get(name, 0.0))
            return sorted(name for name, at in touched.items() if not older_than_seconds or at < before)

        return await run_in_thread(work)

    async def deployment(self, mine: str) -> str:
        return await run_in_thread(lambda: _claimed(self._deployment, mine))


class _IncomingFile:
    """See `roomcast.media.contract.Incoming`."""

    def __init__(self, file: BinaryIO, part: Path, target: Path) -> None:
        self._file = file
        self._part = part
        self._target = target
        self._size = 0

    async def write(self, *chunks: Data) -> None:
        self._size = await run_in_thread_shielded(lambda: write_at(self._file.fileno(), chunks, self._size))

    async def commit(self) -> str:
        def work() -> None:
            os.fsync(self._file.fileno())
            self._part.rename(self._target)
            sync_directory(self._target.parent)

        await run_in_thread_shielded(work)
        return self._target.name


def _open_part(part: Path) -> BinaryIO:
    try:
        return part.open("wb", buffering=0)
    except OSError as error:
        raise disk_error(error) from error


def _close_part(file: BinaryIO, part: Path) -> None:
    file.close()
    part.unlink(missing_ok=True)


def _delete_files(folder: Path) -> None:
    """Delete the files in a folder, and the folder if nothing else is in it."""
    try:
        for path in list(folder.iterdir()):
            if not path.is_dir():
                path.unlink(missing_ok=True)
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


def _place(path: Path, target: Path, root: Path, hear: Callable[[int], None]) -> None:
    """Move `path` to `target`, below `root`, in one step that survives power loss; across file systems by a copy beside
    it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    size = path.stat().st_size
    try:
        path.rename(part)
        hear(size)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(path, part, hear)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.rename(target)
    for folder in target.parents:
        sync_directory(folder)
        if folder == root:
            break


def _copy(path: Path, part: Path, hear: Callable[[int], None]) -> None:
    with path.open("rb") as source, part.open("wb") as copy:
        while data := source.read(_COPY_BYTES):
            copy.write(data)
            hear(len(data))


def _sweep(root: Path, before: float) -> int:
    partial = [*root.glob("incoming/*.part"), *(root / "media").rglob("*.part")]
    stale = [part for part in partial if _is_partial(part) and part.stat().st_mtime < before]
    for part in stale:
        part.unlink(missing_ok=True)
    return len(stale)


def _is_partial(path: Path) -> bool:
    """Whether a file whose name says so is a part of one: a client's own file may be called anything, but for the
    first dot."""
    return path.is_file() and (path.name.startswith(".") or path.parent.name != DOWNLOAD)


def _claimed(path: Path, mine: str) -> str:
    """What is written in the file: `mine`, if there was none."""
    if not path.exists():
        part = path.with_name(f".{path.name}.{mine}.{os.getpid()}")
        part.write_text(f"{mine}\n")
        with suppress(FileExistsError):  # of several processes that start at once, the first one's counts
            path.hardlink_to(part)
        part.unlink(missing_ok=True)
    return path.read_text().strip()


def _try_out(path: Path) -> None:
    path.write_bytes(b"x")
    path.unlink()
