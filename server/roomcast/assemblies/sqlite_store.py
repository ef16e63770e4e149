"""Records of the embedded server: one table a kind, in a SQLite file beside the ledger's.

The file has one owner, the process that holds the ledger's lock.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Generic

from roomcast.assemblies.store import Codec, R
from roomcast.errors import NotFound
from roomcast.runtime.sqlite import SqliteThread


class SqliteFile:
    """One file of records: a thread that writes, and one that reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = SqliteThread(path, read_only=False)
        self.reader = SqliteThread(path, read_only=True)

    async def close(self) -> None:
        """Finish what was begun, and let go of the file."""
        await asyncio.gather(self.writer.close(), self.reader.close())


class SqliteRecordStore(Generic[R]):
    """See `roomcast.assemblies.store.Records`, the contract. `name` is that of the table."""

    def __init__(self, file: SqliteFile, name: str, kind: type[R], *, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._name = name
        self._codec = Codec(kind)
        self._clock = clock
        connection = sqlite3.connect(file.path)
        connection.executescript(
            f"CREATE TABLE IF NOT EXISTS {name} (id TEXT PRIMARY KEY, its_group TEXT NOT NULL,"
            " created_at REAL NOT NULL, due_at REAL, record BLOB NOT NULL) WITHOUT ROWID;"
            f"CREATE INDEX IF NOT EXISTS {name}_by_group ON {name} (its_group, created_at DESC);"
            f"CREATE INDEX IF NOT EXISTS {name}_due ON {name} (due_at) WHERE due_at IS NOT NULL;"
        )
        connection.close()

    async def add(self, record: R) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            query = f"SELECT 1 FROM {self._name} WHERE id = ?"  # noqa: S608  (the name is ours)
            known = connection.execute(query, (record.id,)).fetchone()
            if not known:
                self._put(connection, record)
            return not known

        return await self._file.writer.submit(work)

    async def get(self, record_id: str) -> R:
        return await self._file.reader.submit(lambda connection: self._read(connection, record_id))

    async def in_group(self, name: str) -> list[R]:
        query = f"SELECT record FROM {self._name} WHERE its_group = ? ORDER BY created_at DESC, id DESC"  # noqa: S608
        return await self._file.reader.submit(
            lambda connection: [self._codec.decode(body) for (body,) in connection.execute(query, (name,))]
        )

    async def update(self, record_id: str, change: Callable[[R], R]) -> R:
        def work(connection: sqlite3.Connection) -> R:
            before = self._read(connection, record_id)
            after = change(before)
            return before if after == before else self._put(connection, replace(after, revision=before.revision + 1))

        return await self._file.writer.submit(work)

    async def claim_due(self, *, limit: int, seconds: float) -> list[R]:
        def work(connection: sqlite3.Connection) -> list[R]:
            query = f"SELECT record FROM {self._name} WHERE due_at <= ? ORDER BY due_at LIMIT ?"  # noqa: S608
            now = self._clock()
            due = [self._codec.decode(body) for (body,) in connection.execute(query, (now, limit)).fetchall()]
            return [self._put(connection, replace(one, due_at=now + seconds, revision=one.revision + 1)) for one in due]

        return await self._file.writer.submit(work)

    async def delete(self, record_id: str) -> None:
        query = f"DELETE FROM {self._name} WHERE id = ?"  # noqa: S608
        await self._file.writer.submit(lambda connection: connection.execute(query, (record_id,)).rowcount)

    def _read(self, connection: sqlite3.Connection, record_id: str) -> R:
        query = f"SELECT record FROM {self._name} WHERE id = ?"  # noqa: S608
        found = connection.execute(query, (record_id,)).fetchone()
        if found is None:
            raise NotFound("There is no such thing, or no longer.")
        return self._codec.decode(found[0])

    def _put(self, connection: sqlite3.Connection, record: R) -> R:
        connection.execute(
            f"INSERT OR REPLACE INTO {self._name} VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            (record.id, record.group, record.created_at, record.due_at, self._codec.encode(record)),
        )
        return record
