"""The tables of the SQLite file, their schema version, and the migration of older files.

`PRAGMA user_version` holds the schema version. Version 0 is a new file, or one that was written before there were
versions; its records were in a second file, `assemblies.sqlite3`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from roomcast.ledger.contract import IncompatibleSchema

SQLITE_SCHEMA_VERSION = 1

RECORD_TABLES = {
    "submissions": "submissions",
    "deliveries": "deliveries",
    "dismissed_tasks": "dismissed",
    "publish_cursors": "sendings",
}
"""The tables of the record stores, with their names in `assemblies.sqlite3`."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    priority INTEGER NOT NULL,
    created_at REAL NOT NULL,
    queued_at REAL,
    not_before REAL NOT NULL,
    finished_at REAL,
    lease_token TEXT,
    lease_expires_at REAL,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    record BLOB NOT NULL
) WITHOUT ROWID;
-- One index for each frequent query.
CREATE INDEX IF NOT EXISTS uploads_by_owner ON uploads (owner, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS uploads_newest ON uploads (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS uploads_by_status ON uploads (status, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS uploads_unfinished ON uploads (owner, created_at) WHERE finished_at IS NULL;
CREATE INDEX IF NOT EXISTS uploads_finished ON uploads (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_ended ON uploads (stage, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_queued ON uploads (owner, priority DESC, queued_at) WHERE stage = 'queued';
CREATE INDEX IF NOT EXISTS uploads_reserved ON uploads (queued_at) WHERE stage = 'receiving' AND lease_token IS NULL;
CREATE INDEX IF NOT EXISTS uploads_held ON uploads (owner) WHERE lease_token IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_lapsing ON uploads (lease_expires_at) WHERE lease_token IS NOT NULL;
DROP INDEX IF EXISTS uploads_receiving;
DROP INDEX IF EXISTS uploads_leased;
CREATE TABLE IF NOT EXISTS events (
    upload_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (upload_id, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, served_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deployment (id TEXT NOT NULL);
INSERT INTO deployment (id) SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM deployment);
"""

ADDED_RECORD_TABLES = ("imports", "event_cursors", "upload_links")
"""Tables of record stores, like `ADDITIONS`."""

ADDITIONS = """
CREATE TABLE IF NOT EXISTS unreadable_records (id TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS admin_pauses (
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    paused_by TEXT NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (target, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event_actors (
    upload_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (upload_id, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log_lines (
    upload_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    minute INTEGER NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (minute, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segment_plans (
    upload_id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    position INTEGER NOT NULL,
    plan_id TEXT NOT NULL,
    encoder TEXT NOT NULL,
    plan BLOB NOT NULL,
    tasks INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    version INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    done_weight INTEGER NOT NULL DEFAULT 0,
    advanced INTEGER NOT NULL DEFAULT 0,
    audio BLOB,
    failure BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segment_tasks (
    upload_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    lease_token TEXT,
    lease_expires_at REAL,
    fraction REAL NOT NULL DEFAULT 0,
    result BLOB,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS segment_tasks_open ON segment_tasks (upload_id, number) WHERE result IS NULL;
CREATE INDEX IF NOT EXISTS segment_tasks_leased ON segment_tasks (upload_id, lease_expires_at)
    WHERE result IS NULL AND lease_token IS NOT NULL;
CREATE INDEX IF NOT EXISTS segment_tasks_delayed ON segment_tasks (upload_id, not_before)
    WHERE result IS NULL AND not_before > 0;
-- Triggers, so that an earlier version deletes them, too.
CREATE TRIGGER IF NOT EXISTS plan_deleted AFTER DELETE ON segment_plans
    BEGIN DELETE FROM segment_tasks WHERE upload_id = OLD.upload_id
    ; END;
CREATE TRIGGER IF NOT EXISTS planned_upload_ended AFTER UPDATE OF finished_at ON uploads
    WHEN NEW.finished_at IS NOT NULL
    BEGIN DELETE FROM segment_plans WHERE upload_id = NEW.id
    ; END;
CREATE TRIGGER IF NOT EXISTS planned_upload_deleted AFTER DELETE ON uploads
    BEGIN DELETE FROM segment_plans WHERE upload_id = OLD.id
    ; END;
CREATE TRIGGER IF NOT EXISTS event_deleted AFTER DELETE ON events
    BEGIN DELETE FROM event_actors WHERE upload_id = OLD.upload_id AND seq = OLD.seq
    ; END;
CREATE TRIGGER IF NOT EXISTS upload_deleted AFTER DELETE ON uploads
    BEGIN DELETE FROM log_lines WHERE upload_id = OLD.id
    ; END;
CREATE VIEW IF NOT EXISTS paused_templates AS SELECT name FROM admin_pauses WHERE target = 'template';
CREATE INDEX IF NOT EXISTS uploads_cleanup ON uploads (cleanup_at) WHERE cleanup_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_prunable ON uploads (finished_at)
    WHERE finished_at IS NOT NULL AND cleanup_at IS NULL
"""
"""Tables and indexes that an earlier version with the same schema version does not know and does not need. So are the
columns `cleanup_at` and `cancelled_by` of `uploads`."""

RECORD_SCHEMA = """
CREATE TABLE IF NOT EXISTS {table} (
    id TEXT PRIMARY KEY,
    group_name TEXT NOT NULL,
    created_at REAL NOT NULL,
    due_at REAL,
    record BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS {table}_by_group ON {table} (group_name, created_at DESC);
CREATE INDEX IF NOT EXISTS {table}_due ON {table} (due_at) WHERE due_at IS NOT NULL;
"""


def migrate_sqlite(connection: sqlite3.Connection, earlier_records: Path, *, now: float) -> None:
    """Create the tables, or migrate those of an older version; raise `IncompatibleSchema` for those of a newer one.

    Everything happens in one transaction. `earlier_records` is `assemblies.sqlite3` of version 0: its records are
    imported, and it is deleted after the commit. If the process dies in between, the next start imports them again,
    which changes nothing. `now` is the Unix time.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SQLITE_SCHEMA_VERSION:
        raise IncompatibleSchema.newer("data directory", version, SQLITE_SCHEMA_VERSION)
    importing = earlier_records.exists()
    if importing:
        connection.execute("ATTACH DATABASE ? AS earlier", (str(earlier_records),))
    connection.execute("BEGIN IMMEDIATE")
    if version < SQLITE_SCHEMA_VERSION:
        for tables in (SCHEMA, *(RECORD_SCHEMA.format(table=table) for table in RECORD_TABLES)):
            for statement in tables.split(";\n"):  # `executescript` would commit the transaction
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SQLITE_SCHEMA_VERSION}")
    _add(connection)
    if importing:
        _import_records(connection)
    # The lock of the file shows that the processes which held these leases and claimed these cleanups are gone.
    connection.execute("UPDATE uploads SET lease_expires_at = 0 WHERE lease_token IS NOT NULL")
    connection.execute("UPDATE segment_tasks SET lease_expires_at = 0 WHERE result IS NULL AND lease_token IS NOT NULL")
    _end_delays_if_set_back(connection, now)
    connection.execute(
        "UPDATE uploads SET cleanup_at = finished_at"
        " WHERE cleanup_at IS NOT NULL AND cleanup_at > finished_at AND stage IN ('failed', 'cancelled')"
    )
    connection.execute("COMMIT")
    if importing:
        connection.execute("DETACH DATABASE earlier")
        for suffix in ("", "-wal", "-shm"):
            earlier_records.with_name(earlier_records.name + suffix).unlink(missing_ok=True)


def _end_delays_if_set_back(connection: sqlite3.Connection, now: float) -> None:
    """End the delays of retries if the clock was set back since the last work: a short one could last for a day."""
    latest = (
        "SELECT MAX(at) FROM (SELECT MAX(served_at) AS at FROM owners UNION ALL SELECT MAX(queued_at) FROM uploads)"
    )
    (worked_at,) = connection.execute(latest).fetchone()
    if worked_at is not None and worked_at > now:
        connection.execute("UPDATE uploads SET not_before = 0 WHERE stage = 'queued' AND not_before > 0")
        connection.execute("UPDATE segment_tasks SET not_before = 0 WHERE result IS NULL AND not_before > 0")


def _add(connection: sqlite3.Connection) -> None:
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(uploads)")}
    if "cleanup_at" not in columns:
        connection.execute("ALTER TABLE uploads ADD COLUMN cleanup_at REAL")
    if "cancelled_by" not in columns:
        connection.execute("ALTER TABLE uploads ADD COLUMN cancelled_by TEXT")
    for tables in (ADDITIONS, *(RECORD_SCHEMA.format(table=table) for table in ADDED_RECORD_TABLES)):
        for statement in tables.split(";\n"):
            connection.execute(statement)


def _import_records(connection: sqlite3.Connection) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM earlier.sqlite_master WHERE type = 'table'")}
    for table, earlier in RECORD_TABLES.items():
        if earlier in tables:
            connection.execute(
                f"INSERT OR IGNORE INTO main.{table} SELECT id, its_group, created_at, due_at, record"  # noqa: S608
                f" FROM earlier.{earlier}"
            )
