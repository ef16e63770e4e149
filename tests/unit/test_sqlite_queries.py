"""The SQLite ledger's frequent queries: each reads a partial index that holds only what it looks for."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from roomcast.ledger.sqlite import tables
from roomcast.ledger.sqlite.schema import migrate_sqlite

QUERIES = {
    name: text
    for name, text in vars(tables).items()
    if isinstance(text, str) and "FROM uploads" in text and name not in ("QUEUE", "CLEANUP_CLAIMED")
}
PARTIAL = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'"


@pytest.mark.parametrize("name", QUERIES)
def test_a_frequent_query_uses_a_partial_index(name: str, tmp_path: Path) -> None:
    with sqlite3.connect(":memory:") as connection:
        migrate_sqlite(connection, tmp_path / "none.sqlite3", now=0.0)
        partial = {row[0] for row in connection.execute(PARTIAL)}
        values = {"now": 0, "since": 0, "limit": 0, "before": 0, "id": None}
        plan = connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", values)
        reads = [detail for *_, detail in plan if " uploads " in detail]
    connection.close()
    assert len(reads) == 1
    index = re.search(r"USING (?:COVERING )?INDEX (\w+)", reads[0])
    assert index is not None, reads
    assert index[1] in partial


def test_every_frequent_query_is_checked() -> None:
    assert len(QUERIES) == 11
