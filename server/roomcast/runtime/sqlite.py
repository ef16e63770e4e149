"""One SQLite file in WAL mode: a thread that writes, a thread that reads, and a lock that keeps other processes out.

A durable commit costs an fsync. Writes that arrive while one is under way share the next transaction, so a busy
database needs far fewer fsyncs than it makes writes.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import structlog

from roomcast.errors import LedgerDiskFull, RoomcastError, StorageError
from roomcast.runtime.logs.outages import Availability

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]
OnDurable = Callable[[Any], None]
_Job = tuple[Work, OnDurable, asyncio.Future[Any]]

_MAX_BATCH = 256

_WRITABLE_AFTER_SECONDS = 5.0
"""For how long writes succeed before a full disk is over: one that changes little may succeed on it."""


class SqliteDatabase:
    """One file, open in this process only. Failures of SQLite are raised as `StorageError` or `LedgerDiskFull`."""

    def __init__(self, path: Path, migrate: Callable[[sqlite3.Connection], None]) -> None:
        """Open the file. `migrate` creates or migrates its tables; its exceptions close the file again."""
        self._lock = lock_file(path.with_suffix(".lock"))
        try:
            with closing(_connect(path)) as connection:
                migrate(connection)
                # `migrate` may refuse the file, so its journal mode, which is stored in it, is changed only now.
                connection.execute("PRAGMA journal_mode = WAL")
            availability = Availability("ledger_writes", str(path), quiet_seconds=_WRITABLE_AFTER_SECONDS)
            self._writer = _Thread(_connect(path), availability, read_only=False)
            self._reader = _Thread(_connect(path), availability, read_only=True)
        except sqlite3.Error as error:
            os.close(self._lock)
            raise _translated(error, f"The database {path} could not be opened: {error}.") from error
        except BaseException:
            os.close(self._lock)
            raise

    def write(
        self, work: Callable[[sqlite3.Connection], T], on_durable: Callable[[T], None] = lambda _: None
    ) -> asyncio.Future[T]:
        """Run `work` in a write transaction; the future resolves when its changes are durable.

        If `work` raises, its changes are undone. Just before the future resolves, `on_durable` is called with the
        result on the event loop, in the order of the transactions, even if the caller does not wait any more.
        """
        return self._writer.submit(work, on_durable)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work` in a read transaction, which sees every write whose future has resolved."""
        return self._reader.submit(work, lambda _: None)

    async def close(self) -> None:
        """Finish the pending work, then close the file."""
        await asyncio.gather(self._writer.close(), self._reader.close())
        os.close(self._lock)


class _Thread:
    """A thread with a connection of its own; it runs the jobs that have gathered in one transaction."""

    def __init__(self, connection: sqlite3.Connection, availability: Availability, *, read_only: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._availability = availability
        self._read_only = read_only
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._connection = connection
        if read_only:
            self._connection.execute("PRAGMA query_only = ON")
        else:
            self._connection.execute("PRAGMA synchronous = FULL")
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def submit(self, work: Work, on_durable: OnDurable) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((work, on_durable, future))
        return future

    async def close(self) -> None:
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                outcomes = self._read(batch) if self._read_only else self._write(batch)
            except Exception as error:  # noqa: BLE001 - it is raised in the callers, or they would wait for ever
                outcomes = [_translated(error) if isinstance(error, sqlite3.Error) else error] * len(batch)
            self._loop.call_soon_threadsafe(_resolve, batch, outcomes)
        self._connection.close()

    def _next_batch(self) -> list[_Job]:
        """Return the jobs that wait, at least one; an empty list ends the thread."""
        first = self._jobs.get()
        batch = [first] if first else []
        while batch and not self._jobs.empty() and len(batch) < _MAX_BATCH:
            following = self._jobs.get()
            if following is None:
                self._jobs.put(None)
                break
            batch.append(following)
        return batch

    def _read(self, batch: list[_Job]) -> list[Any]:
        self._connection.execute("BEGIN")
        try:
            return [_attempt(work, self._connection) for work, _, _ in batch]
        finally:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    def _write(self, batch: list[_Job]) -> list[Any]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._savepoint(work) for work, _, _ in batch]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            translated = _translated(error)
            if isinstance(translated, LedgerDiskFull):
                self._availability.failed(translated.message)
            return [translated] * len(batch)
        self._availability.succeeded()
        return outcomes

    def _savepoint(self, work: Work) -> Any:
        """Return the result of `work`, or its exception after undoing its changes."""
        self._connection.execute("SAVEPOINT one")
        outcome = _attempt(work, self._connection)
        if isinstance(outcome, BaseException):
            self._connection.execute("ROLLBACK TO one")
        self._connection.execute("RELEASE one")
        return outcome


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


def _attempt(work: Work, connection: sqlite3.Connection) -> Any:
    try:
        return work(connection)
    except sqlite3.Error as error:
        if _is_full(error):  # which has ended the transaction, so the works before it are undone
            raise
        return _translated(error)
    except Exception as error:  # noqa: BLE001 - it is raised in the caller
        return error


def _translated(error: sqlite3.Error, text: str = "The ledger could not be written.") -> RoomcastError:
    """Return the `RoomcastError` for SQLite's error, which becomes its cause, for the log."""
    translated = LedgerDiskFull("The disk is full.") if _is_full(error) else StorageError(text)
    translated.__cause__ = error
    return translated


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _resolve(batch: list[_Job], outcomes: list[Any]) -> None:
    for (_, on_durable, future), outcome in zip(batch, outcomes, strict=True):
        if not isinstance(outcome, BaseException):
            try:
                on_durable(outcome)
            except Exception:
                log.exception("listener_failed")  # the write stands, and the other futures must resolve
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def lock_file(path: Path) -> int:
    """Lock the file until the returned descriptor is closed or the process ends; raise `StorageError` if another
    process has locked it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StorageError(
            f"Another process uses the data directory {path.absolute().parent}. Stop that process, or choose another "
            "directory with ROOMCAST_DATA."
        ) from None
    return descriptor
