"""What is asked of SQLite again and again: every query reads an index that holds nothing but what it looks for."""

from __future__ import annotations

import re
import sqlite3

import pytest
from roomcast.ledger.sqlite import ledger as sqlite_ledger
from roomcast.ledger.sqlite import stats as sqlite_standing
from roomcast.ledger.sqlite.schema import SCHEMA

QUERIES = {
    name: text for name, text in vars(sqlite_standing).items() if isinstance(text, str) and "FROM uploads" in text
} | {"_LAPSED": sqlite_ledger._LAPSED, "_UNUSED": sqlite_ledger._UNUSED}
PARTIAL = set(re.findall(r"INDEX IF NOT EXISTS (\w+) ON .* WHERE ", SCHEMA))


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_goes_by_a_partial_index(name: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(SCHEMA)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", {"now": 0, "since": 0, "most": 0})
        reads = [detail for *_, detail in plan if " uploads " in detail]
    connection.close()
    assert len(reads) == 1
    index = re.search(r"USING (?:COVERING )?INDEX (\w+)", reads[0])
    assert index is not None, reads
    assert index[1] in PARTIAL


def test_every_query_is_looked_at() -> None:
    assert len(QUERIES) == 8
