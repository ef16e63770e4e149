"""Back up and restore the data directory of a server without Redis and S3, also while the server runs.

A backup is a directory with the layout of the data directory. Its ledger is a snapshot at one moment, and every file
that the snapshot names is there: files are collected before and after the snapshot, and if one was received and deleted
in between, again. Files that never change are hard links where the file system allows it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from roomcast.errors import StorageError
from roomcast.ledger.contract import IncompatibleSchema
from roomcast.ledger.sqlite.schema import SQLITE_SCHEMA_VERSION
from roomcast.media.result_keys import SEGMENTS
from roomcast.runtime.files import make_private_directory
from roomcast.runtime.sqlite import lock_file

_LEDGER = "ledger.sqlite3"
_LOCK = "ledger.lock"
_MANIFEST = "backup.json"
"""Written last: a directory without it is no complete backup."""

_SINGLE_FILES = ("deployment", "url.secret")
_FOLDERS = ("incoming", "media")
_MAX_ROUNDS = 10

_SEGMENTS = """
SELECT uploads.id, record, result FROM segment_tasks JOIN uploads ON uploads.id = upload_id WHERE result IS NOT NULL
UNION ALL SELECT uploads.id, record, audio FROM segment_plans JOIN uploads ON uploads.id = upload_id
WHERE audio IS NOT NULL
"""


@dataclass(frozen=True)
class BackupSummary:
    """What was backed up or restored. `missing` names files that the ledger names and the data directory lacks."""

    uploads: int
    files: int
    missing: tuple[str, ...] = ()


def back_up(data: Path, destination: Path) -> BackupSummary:
    """Back up the data directory into a new or an empty directory, and verify the copy of the ledger.

    Raise `StorageError` or `OSError` if that is not possible.
    """
    if not (data / _LEDGER).is_file():
        raise StorageError(f"There is no ledger in {data}.")
    if destination.exists() and any(destination.iterdir()):
        raise StorageError(f"The directory {destination} is not empty.")
    make_private_directory(destination)
    for name in _SINGLE_FILES:
        with suppress(FileNotFoundError):
            shutil.copy2(data / name, destination / name)
    missing: set[str] | None = None
    for _ in range(_MAX_ROUNDS):
        _collect(data, destination)
        _copy_ledger(data / _LEDGER, destination / _LEDGER)
        _collect(data, destination)
        before, missing = missing, {name for name in _named_files(destination) if not (destination / name).is_file()}
        if not missing or missing == before:  # what is missing twice was not deleted just now
            break
    summary = BackupSummary(
        _count_uploads(destination / _LEDGER), _count_files(destination), tuple(sorted(missing or ()))
    )
    manifest = {"createdAt": time.time(), "schema": SQLITE_SCHEMA_VERSION, "uploads": summary.uploads}
    os.sync()
    (destination / _MANIFEST).write_bytes(orjson.dumps(manifest))
    os.sync()
    return summary


def restore_backup(source: Path, data: Path) -> BackupSummary:
    """Copy a backup into a data directory that is empty or does not exist.

    Raise `StorageError` or `OSError` if that is not possible. The ledger is copied last, so that no server starts with
    a part of the files.
    """
    if not (source / _MANIFEST).is_file():
        raise StorageError(f"The directory {source} is not a complete backup.")
    _verify(source / _LEDGER)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {path.name for path in data.iterdir()}
    not_empty = StorageError(f"The directory {data} is not empty. Move its content away, or restore to another one.")
    if found and _LOCK not in found:
        raise not_empty
    lock = lock_file(data / _LOCK)  # it raises an error if a server runs
    try:
        if found:
            raise not_empty
        make_private_directory(data)
        _collect(source, data)
        for name in _SINGLE_FILES:
            with suppress(FileNotFoundError):
                shutil.copy2(source / name, data / name)
        _replace_by_copy(source / _LEDGER, data / _LEDGER)
        os.sync()
    finally:
        os.close(lock)
    return BackupSummary(_count_uploads(data / _LEDGER), _count_files(data))


def _collect(source: Path, target: Path) -> None:
    """Add the sources and results of one directory to another. Those that are still growing are copied again."""
    for folder in _FOLDERS:
        for path in _files(source / folder):
            if path.name.startswith("."):
                continue
            copy = target / path.relative_to(source)
            growing = folder == "incoming" and path.suffix == ".part"
            with suppress(FileNotFoundError):  # it was deleted, or renamed because it is complete, just now
                if growing or not _is_same(path, copy):
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    _replace_by_copy(path, copy) if growing else _replace_by_link(path, copy)


def _is_same(path: Path, copy: Path) -> bool:
    """Return whether a complete file was copied already, and not replaced since."""
    try:
        found = copy.stat()
    except FileNotFoundError:
        return False
    current = path.stat()
    return (found.st_size, found.st_mtime_ns) == (current.st_size, current.st_mtime_ns)


def _replace_by_link(path: Path, copy: Path) -> None:
    partial = copy.with_name(f".{copy.name}.part")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(path)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        _replace_by_copy(path, copy)
    else:
        # Renaming a link over another one to the same file would leave both.
        copy.unlink(missing_ok=True)
        partial.rename(copy)


def _replace_by_copy(path: Path, copy: Path) -> None:
    partial = copy.with_name(f".{copy.name}.part")
    shutil.copy2(path, partial)
    partial.replace(copy)


def _copy_ledger(ledger: Path, copy: Path) -> None:
    """Copy the ledger as it is at one moment, with SQLite's online backup, and verify the copy."""
    partial = copy.with_name(f".{copy.name}.part")
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(partial)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    _verify(partial)
    partial.replace(copy)


def _verify(ledger: Path) -> None:
    """Raise `StorageError` unless the ledger is intact and of this schema version."""
    try:
        with closing(sqlite3.connect(ledger)) as connection:
            ((found,), *_) = connection.execute("PRAGMA integrity_check").fetchall()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise StorageError(f"The ledger {ledger} cannot be read: {error}.") from error
    if found != "ok":
        raise StorageError(f"The ledger {ledger} is damaged: {found}.")
    if version > SQLITE_SCHEMA_VERSION:
        raise IncompatibleSchema.newer("ledger", version, SQLITE_SCHEMA_VERSION)
    if version < SQLITE_SCHEMA_VERSION:
        raise StorageError("The ledger is of an earlier version. Start the server once, so that it is migrated.")


def _named_files(folder: Path) -> Iterator[str]:
    """Yield the path of each file that an upload in the ledger needs: sources still to be processed, results, and the
    segments of films that are being compressed."""
    with closing(sqlite3.connect(folder / _LEDGER)) as connection:
        for stage, record in connection.execute("SELECT stage, record FROM uploads WHERE stage <> 'cancelled'"):
            with suppress(
                orjson.JSONDecodeError, AttributeError, KeyError, TypeError
            ):  # a damaged record names nothing
                raw: dict[str, Any] = orjson.loads(record)
                if stage == "done":
                    yield from (f"media/{output['key']}" for output in raw["element"]["outputs"])
                elif raw["source"] and (stage != "failed" or raw["error"]["retryable"]):
                    yield f"incoming/{raw['source']['key']}"
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'segment_plans'").fetchone()
        # The tables are missing in the ledger of an earlier version with the same schema version.
        for upload_id, record, made in connection.execute(_SEGMENTS) if known else ():
            with suppress(orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
                upload = orjson.loads(record)
                folders = ("media", upload.get("prefix"), upload.get("folder"), upload_id, SEGMENTS)
                yield from ("/".join(filter(None, (*folders, name))) for name in _segment_names(orjson.loads(made)))


def _segment_names(made: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the files of a task's result, or of the sound."""
    for file in (*made.get("files", ()), *made.get("inits", ()), *made.get("segments", ())):
        yield file["name"]
    if "init" in made:
        yield made["init"]["name"]
    if made.get("file"):
        yield made["file"]


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in and below a folder, in which others may be deleting."""
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _count_uploads(ledger: Path) -> int:
    with closing(sqlite3.connect(ledger)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM uploads").fetchone()[0])


def _count_files(folder: Path) -> int:
    return sum(1 for name in _FOLDERS for _ in _files(folder / name))
