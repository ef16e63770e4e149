"""Record stores in the ledger's SQLite file, a table for each type of record."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Generic

from roomcast.assemblies.store import R, RecordCodec
from roomcast.errors import NotFound
from roomcast.ledger.contract import RecordConflict, RecordWrite
from roomcast.ledger.sqlite.tables import write_record
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.sqlite import SqliteDatabase


class SqliteRecordStore(Generic[R]):
    """`RecordStore` in the `table` of a ledger's database."""

    def __init__(
        self, database: SqliteDatabase, table: str, record_type: type[R], *, clock: Callable[[], float] = unix_time
    ) -> None:
        self._database = database
        self._table = table
        self._codec = RecordCodec(table, record_type)
        self._clock = clock

    async def add(self, record: R) -> bool:
        try:
            await self._database.write(lambda connection: write_record(connection, self.as_write(record)))
        except RecordConflict:
            return False
        return True

    async def get(self, record_id: str) -> R:
        return await self._database.read(lambda connection: self._read(connection, record_id))

    async def in_group(self, group: str) -> list[R]:
        query = f"SELECT record FROM {self._table} WHERE group_name = ? ORDER BY created_at DESC, id DESC"  # noqa: S608
        bodies = await self._database.read(lambda connection: connection.execute(query, (group,)).fetchall())
        return [record for (body,) in bodies if (record := self._codec.decode_or_log(body))]

    async def update(self, record_id: str, change: Callable[[R], R]) -> R:
        def work(connection: sqlite3.Connection) -> R:
            before = self._read(connection, record_id)
            after = change(before)
            return before if after == before else self._write_next(connection, after, before.revision)

        return await self._database.write(work)

    async def claim_due(self, *, limit: int, seconds: float) -> list[R]:
        def work(connection: sqlite3.Connection) -> list[R]:
            query = f"SELECT id, record FROM {self._table} WHERE due_at <= ? ORDER BY due_at LIMIT ?"  # noqa: S608
            set_aside = f"UPDATE {self._table} SET due_at = NULL WHERE id = ?"  # noqa: S608
            now = self._clock()
            claimed = []
            for record_id, body in connection.execute(query, (now, limit)).fetchall():
                if one := self._codec.decode_or_log(body):
                    claimed.append(self._write_next(connection, replace(one, due_at=now + seconds), one.revision))
                else:
                    connection.execute(set_aside, (record_id,))
            return claimed

        return await self._database.write(work)

    async def delete(self, record_id: str) -> None:
        query = f"DELETE FROM {self._table} WHERE id = ?"  # noqa: S608
        await self._database.write(lambda connection: connection.execute(query, (record_id,)).rowcount)

    def as_write(self, record: R) -> RecordWrite:
        return self._codec.as_write(record)

    def _read(self, connection: sqlite3.Connection, record_id: str) -> R:
        query = f"SELECT record FROM {self._table} WHERE id = ?"  # noqa: S608
        found = connection.execute(query, (record_id,)).fetchone()
        if found is None:
            raise NotFound("There is no such record.")
        return self._codec.decode(found[0])

    def _write_next(self, connection: sqlite3.Connection, record: R, revision: int) -> R:
        """Write `record` as the revision after `revision`, and return it."""
        record = replace(record, revision=revision + 1)
        write_record(connection, self.as_write(record))
        return record
