"""One SQLite connection in a thread of its own, committing whatever has gathered in one transaction.

A durable commit costs an fsync. Callers that come while one is under way share the next, so a busy ledger pays for
far fewer fsyncs than it makes writes, and an idle one waits for nobody.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import structlog

from roomcast.errors import DiskFull, RoomcastError, StorageError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]
Then = Callable[[Any], None]
_Job = tuple[Work, Then, asyncio.Future[Any]]

_MOST_AT_ONCE = 256


class SqliteThread:
    """Runs functions of a connection in order, each whole or not at all, and answers on the event loop."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._read_only = read_only
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA busy_timeout = 5000")
        if read_only:
            self._connection.execute("PRAGMA query_only = ON")
        else:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def submit(
        self, work: Callable[[sqlite3.Connection], T], then: Callable[[T], None] = lambda _: None
    ) -> asyncio.Future[T]:
        """Run `work`; the future resolves when what it wrote is durable.

        `then` is called with the result on the event loop just before, in the order of submission, whether or not
        the caller still waits.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put((work, then, future))
        return future

    async def close(self) -> None:
        """Finish what was submitted, then close the connection."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while batch := self._gather():
            outcomes = self._read(batch) if self._read_only else self._write(batch)
            self._loop.call_soon_threadsafe(_resolve, batch, outcomes)
        self._connection.close()

    def _gather(self) -> list[_Job]:
        """What waits, at least one; empty when the thread is to end."""
        first = self._queue.get()
        batch = [first] if first else []
        while batch and not self._queue.empty() and len(batch) < _MOST_AT_ONCE:
            following = self._queue.get()
            if following is None:
                self._queue.put(None)
                break
            batch.append(following)
        return batch

    def _read(self, batch: list[_Job]) -> list[Any]:
        self._connection.execute("BEGIN")
        try:
            return [_attempt(work, self._connection) for work, _, _ in batch]
        finally:
            self._connection.execute("COMMIT")

    def _write(self, batch: list[_Job]) -> list[Any]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._savepoint(work) for work, _, _ in batch]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [_translated(error)] * len(batch)
        return outcomes

    def _savepoint(self, work: Work) -> Any:
        """`work`'s result, or its exception with its writes undone."""
        self._connection.execute("SAVEPOINT one")
        outcome = _attempt(work, self._connection)
        if isinstance(outcome, BaseException):
            self._connection.execute("ROLLBACK TO one")
        self._connection.execute("RELEASE one")
        return outcome


def _attempt(work: Work, connection: sqlite3.Connection) -> Any:
    try:
        return work(connection)
    except sqlite3.Error as error:
        return _translated(error)
    except Exception as error:  # noqa: BLE001  (whatever it is, it belongs to the caller)
        return error


def _translated(error: sqlite3.Error) -> RoomcastError:
    """SQLite's error in our words; the original stays its cause, for the log."""
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    ours = DiskFull("The disk is full.") if full else StorageError("The ledger could not be written.")
    ours.__cause__ = error
    return ours


def _resolve(batch: list[_Job], outcomes: list[Any]) -> None:
    for (_, then, future), outcome in zip(batch, outcomes, strict=True):
        if not isinstance(outcome, BaseException):
            try:
                then(outcome)
            except Exception:
                log.exception("listener failed")  # the write stands, and others wait for theirs
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
