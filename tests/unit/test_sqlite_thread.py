"""The threads of an SQLite file answer every call, also when the file cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from roomcast.errors import StorageError
from roomcast.runtime.sqlite import SqliteDatabase


async def test_call_on_an_unusable_connection_raises_storage_error(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ledger.sqlite3", lambda _: None)
    for thread in (database._reader, database._writer):
        thread._connection.close()
    for call in (database.read, database.write, database.read):
        with pytest.raises(StorageError):
            await call(lambda connection: connection.execute("SELECT 1"))
    await database.close()
