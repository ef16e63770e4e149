"""What administrators read and order, in the SQLite ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from roomcast.ledger.contract import EVERY_WORKER, AdminPause, PauseTarget
from roomcast.ledger.sqlite.tables import PAUSED_UPLOADS
from roomcast.runtime.clocks import Clock
from roomcast.runtime.sqlite import SqliteDatabase


class SqliteAdministration:
    """`Administration` of a `SqliteLedger`."""

    def __init__(self, database: SqliteDatabase, clock: Clock, on_queue_moved: Callable[[], None]) -> None:
        """`on_queue_moved` is called when a pause has changed the queue."""
        self._database = database
        self._clock = clock
        self._on_queue_moved = on_queue_moved

    async def pause(self, target: PauseTarget, name: str, *, by: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            values = (target, name, by, self._clock())
            connection.execute("INSERT OR IGNORE INTO admin_pauses VALUES (?, ?, ?, ?)", values)

        await self._database.write(work, lambda _: self._on_queue_moved())

    async def resume(self, target: PauseTarget, name: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM admin_pauses WHERE target = ? AND name = ?", (target, name))

        await self._database.write(work, lambda _: self._on_queue_moved())

    async def pauses(self) -> list[AdminPause]:
        def work(connection: sqlite3.Connection) -> list[AdminPause]:
            counts = dict(connection.execute(PAUSED_UPLOADS, {"now": self._clock()}))
            found = connection.execute("SELECT * FROM admin_pauses ORDER BY target, name").fetchall()
            return [
                AdminPause(target, name, by, since, counts.get(name, 0) if target == "template" else 0)
                for target, name, by, since in found
            ]

        return await self._database.read(work)

    async def is_paused(self, worker: str) -> bool:
        return await self._database.read(lambda connection: is_worker_paused(connection, worker))


def is_worker_paused(connection: sqlite3.Connection, worker: str) -> bool:
    """Return whether a worker process is paused."""
    query = "SELECT 1 FROM admin_pauses WHERE target = 'worker' AND name IN (?, ?)"
    return connection.execute(query, (worker, EVERY_WORKER)).fetchone() is not None
