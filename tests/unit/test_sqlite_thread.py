"""The threads of an SQLite file answer every call, also when the file cannot be used."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from roomcast.errors import LedgerDiskFull, StorageError
from roomcast.runtime import sqlite
from roomcast.runtime.logs import outages
from roomcast.runtime.logs.outages import is_reported
from roomcast.runtime.sqlite import SqliteDatabase

from tests.support.app import captured_log


async def test_call_on_an_unusable_connection_raises_storage_error(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ledger.sqlite3", lambda _: None)
    for thread in (database._reader, database._writer):
        thread._connection.close()
    for call in (database.read, database.write, database.read):
        with pytest.raises(StorageError):
            await call(lambda connection: connection.execute("SELECT 1"))
    await database.close()


async def test_full_disk_undoes_all_writes_of_its_transaction_and_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]  # the small write may be a transaction of its own, and succeed on the full disk
    monkeypatch.setattr(outages, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def create(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE t (x)")

    def insert(size: int, connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (?)", (bytes(size),))

    database = SqliteDatabase(tmp_path / "ledger.sqlite3", create)
    set_pages(database, 4)
    with captured_log() as log:
        for _ in range(2):
            writes = [database.write(partial(insert, size)) for size in (1, 100_000, 1)]
            outcomes = await asyncio.gather(*writes, return_exceptions=True)
            full = [outcome for outcome in outcomes if outcome is not None]
            assert full
            assert all(isinstance(error, LedgerDiskFull) and is_reported(error) for error in full)
        assert [entry["event"] for entry in log] == ["ledger_writes_unavailable"]
        set_pages(database, 1000)
        now[0] += sqlite._WRITABLE_AFTER_SECONDS
        await database.write(partial(insert, 100_000))
        assert [entry["event"] for entry in log] == ["ledger_writes_unavailable", "ledger_writes_available"]
    await database.close()


def set_pages(database: SqliteDatabase, count: int) -> None:
    """Limit the size of the file, as a full disk does."""
    database._writer._connection.execute(f"PRAGMA max_page_count = {count}")
