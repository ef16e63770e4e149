"""The SQLite ledger's frequent queries: each reads a partial index that holds only what it looks for."""

from __future__ import annotations

import re
import sqlite3

import pytest
from roomcast.ledger.sqlite import tables
from roomcast.ledger.sqlite.schema import SCHEMA

QUERIES = {
    name: text
    for name, text in vars(tables).items()
    if isinstance(text, str) and "FROM uploads" in text and name != "QUEUE"
}
PARTIAL = set(re.findall(r"INDEX IF NOT EXISTS (\w+) ON .* WHERE ", SCHEMA))


@pytest.mark.parametrize("name", QUERIES)
def test_a_frequent_query_uses_a_partial_index(name: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(SCHEMA)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", {"now": 0, "since": 0, "limit": 0})
        reads = [detail for *_, detail in plan if " uploads " in detail]
    connection.close()
    assert len(reads) == 1
    index = re.search(r"USING (?:COVERING )?INDEX (\w+)", reads[0])
    assert index is not None, reads
    assert index[1] in PARTIAL


def test_every_frequent_query_is_checked() -> None:
    assert len(QUERIES) == 8
