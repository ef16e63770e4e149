"""What administrators read and order, in the SQLite ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

import orjson

from roomcast.ledger.actors import decode_actor
from roomcast.ledger.administration import (
    EVERY_WORKER,
    LOG_LINES,
    AdminPause,
    LoggedEvent,
    LogLine,
    PauseTarget,
    UploadHistory,
)
from roomcast.ledger.log_lines import decode_line, encode_line
from roomcast.ledger.sqlite.tables import PAUSED_UPLOADS, read_row
from roomcast.runtime.clocks import Clock
from roomcast.runtime.sqlite import SqliteDatabase

_EVENTS = """
SELECT body, actor FROM events LEFT JOIN event_actors USING (upload_id, seq) WHERE upload_id = :id ORDER BY seq
"""
_ADD_LINE = """
INSERT INTO log_lines SELECT id, (SELECT COALESCE(MAX(number), 0) + 1 FROM log_lines WHERE upload_id = :id), :body
FROM uploads WHERE id = :id
"""
_TRIM_LINES = """
DELETE FROM log_lines WHERE upload_id = :id
AND number <= (SELECT MAX(number) FROM log_lines WHERE upload_id = :id) - :stored
"""


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

    async def upload_history(self, upload_id: str) -> UploadHistory:
        def work(connection: sqlite3.Connection) -> UploadHistory:
            upload = read_row(connection, upload_id).upload
            events = connection.execute(_EVENTS, {"id": upload_id}).fetchall()
            lines = connection.execute("SELECT body FROM log_lines WHERE upload_id = ? ORDER BY number", (upload_id,))
            return UploadHistory(
                upload,
                [LoggedEvent(orjson.loads(body), decode_actor(actor)) for body, actor in events],
                [decode_line(upload_id, body) for (body,) in lines],
            )

        return await self._database.read(work)

    async def add_log_lines(self, lines: Sequence[LogLine]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for line in lines:
                values = {"id": line.upload_id, "body": encode_line(line), "stored": LOG_LINES}
                connection.execute(_ADD_LINE, values)
                connection.execute(_TRIM_LINES, values)

        await self._database.write(work)

    async def history(self, *, since: float) -> Mapping[int, Mapping[str, int]]:
        query = "SELECT minute, name, count FROM history WHERE minute >= ?"
        found = await self._database.read(lambda connection: connection.execute(query, (int(since // 60),)).fetchall())
        minutes: dict[int, dict[str, int]] = {}
        for minute, name, count in found:
            minutes.setdefault(minute, {})[name] = count
        return minutes


def is_worker_paused(connection: sqlite3.Connection, worker: str) -> bool:
    """Return whether a worker process is paused."""
    query = "SELECT 1 FROM admin_pauses WHERE target = 'worker' AND name IN (?, ?)"
    return connection.execute(query, (worker, EVERY_WORKER)).fetchone() is not None
