"""Read and write the tables within a transaction. Each statistic is counted from an index of what it counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from roomcast.errors import NotFound
from roomcast.ledger.actors import encode_actor, this_server
from roomcast.ledger.administration import HISTORY_MINUTES
from roomcast.ledger.contract import EVENT_LOG_LENGTH, LeasedTask, LeasedUpload, QueueStats, RecordConflict, RecordWrite
from roomcast.ledger.history import event_counts
from roomcast.ledger.unreadable import read_upload, unreadable_upload
from roomcast.uploads.lifecycle import OUTCOME_STAGES, Stage
from roomcast.uploads.messages import Message
from roomcast.uploads.model import (
    Actor,
    ApplicationEvent,
    Upload,
    cleanup_due_at,
    encode,
    message,
    with_application_event,
)

STORED = "id, owner, created_at, record"
"""The columns that `parse_upload` needs."""


def record_field(path: str, default: str = "''") -> str:
    """Return the SQL expression of a field of `record`, which is `default` if the record is damaged."""
    return f"IIF(json_valid(CAST(record AS TEXT)), json_extract(CAST(record AS TEXT), '$.{path}'), {default})"


TEMPLATE = record_field("template")
"""The SQL expression of an upload's template."""

QUEUE = f"""
WITH waiting AS (
    SELECT id, owner, priority, queued_at,
           ROW_NUMBER() OVER (PARTITION BY owner ORDER BY priority DESC, queued_at, id) AS position
    FROM uploads WHERE stage = 'queued' AND not_before <= :now
        AND (NOT EXISTS (SELECT 1 FROM paused_templates) OR {TEMPLATE} NOT IN paused_templates)
        AND (:videos OR {record_field("source.kind")} IS NOT 'video')
), working AS (
    SELECT owner, COUNT(*) AS uploads FROM uploads
    WHERE lease_token IS NOT NULL AND stage NOT IN ('receiving', 'queued') GROUP BY owner
)
SELECT waiting.id FROM waiting LEFT JOIN working USING (owner) LEFT JOIN owners USING (owner)
ORDER BY position + COALESCE(working.uploads, 0), priority DESC, COALESCE(owners.served_at, 0), queued_at, waiting.id
"""  # noqa: S608
"""The waiting uploads in the order of `WorkQueue.claim_next`. Records are parsed only while a template is paused, or
without `videos`."""

EXPIRED_LEASES = "SELECT id FROM uploads WHERE lease_token IS NOT NULL AND lease_expires_at <= :now"
EXPIRED_RESERVATIONS = "SELECT id FROM uploads WHERE stage = 'receiving' AND lease_token IS NULL AND queued_at < :now"

PRUNABLE = "SELECT id FROM uploads WHERE finished_at < :before AND cleanup_at IS NULL LIMIT :limit"
DUE_CLEANUP = "SELECT id FROM uploads WHERE cleanup_at <= :now ORDER BY cleanup_at LIMIT 1"

WAITING = f"""
SELECT {TEMPLATE} AS template, COUNT(*), MIN(MAX(queued_at, not_before))
FROM uploads WHERE stage = 'queued' AND not_before <= :now AND template NOT IN paused_templates GROUP BY 1
"""  # noqa: S608
PAUSED_UPLOADS = f"""
SELECT {TEMPLATE} AS template, COUNT(*)
FROM uploads WHERE stage = 'queued' AND not_before <= :now AND template IN paused_templates GROUP BY 1
"""  # noqa: S608
DELAYED = "SELECT COUNT(*) FROM uploads WHERE stage = 'queued' AND not_before > :now"
ACTIVE = "SELECT COUNT(*) FROM uploads WHERE finished_at IS NULL"
LEASED = """
SELECT id, uploads.owner, created_at, record, lease_token, lease_expires_at, COALESCE(done < tasks, 0)
FROM uploads LEFT JOIN segment_plans ON upload_id = id
WHERE lease_token IS NOT NULL AND stage NOT IN ('receiving', 'queued')
"""
LEASED_TASKS = """
SELECT id, owner, created_at, record, tasks.lease_token, tasks.lease_expires_at, number, fraction
FROM segment_tasks AS tasks JOIN uploads ON id = upload_id WHERE result IS NULL AND tasks.lease_token IS NOT NULL
"""
OUTCOMES = """
SELECT stage, COUNT(*) FROM uploads
WHERE stage IN ('done', 'failed', 'cancelled') AND finished_at >= :since GROUP BY stage
"""
FAILURES = """
SELECT id, owner, created_at, record FROM uploads WHERE stage = 'failed' AND finished_at IS NOT NULL
ORDER BY finished_at DESC LIMIT :limit
"""


@dataclass(frozen=True)
class StoredUpload:
    """An upload with the columns beside its record. Without a lease, `token` is None."""

    upload: Upload
    token: str | None
    expires_at: float
    cancel_requested: bool
    cancelled_by: str | None

    @property
    def id(self) -> str:
        return self.upload.id


@dataclass
class WrittenEvent:
    """An event that was written: the records before and after it, its message, and whether it ended the lease."""

    before: Upload | None
    upload: Upload
    body: Message
    lease_ended: bool


def read_row(connection: sqlite3.Connection, upload_id: str) -> StoredUpload:
    """Return the upload's row; raise `NotFound` if there is none."""
    columns = "lease_token, lease_expires_at, cancel_requested, cancelled_by"
    query = f"SELECT {columns}, {STORED} FROM uploads WHERE id = ?"  # noqa: S608
    found = connection.execute(query, (upload_id,)).fetchone()
    if found is None:
        raise NotFound("There is no such upload.")
    token, expires_at, cancel_requested, cancelled_by, *stored = found
    upload = parse_upload(connection, *stored)
    return StoredUpload(upload, token, expires_at or 0.0, bool(cancel_requested), cancelled_by)


def parse_upload(
    connection: sqlite3.Connection, upload_id: str, owner: str, created_at: float, record: bytes
) -> Upload:
    """Return the upload of a row's `STORED` columns, or a failed one that stands for a damaged record."""
    if upload := read_upload(record, upload_id=upload_id, seq=None):
        return upload
    return _unreadable(connection, upload_id, owner, created_at, record)


def _unreadable(connection: sqlite3.Connection, upload_id: str, owner: str, created_at: float, record: bytes) -> Upload:
    (seq,) = connection.execute("SELECT MAX(seq) FROM events WHERE upload_id = ?", (upload_id,)).fetchone()
    return unreadable_upload(record, upload_id=upload_id, owner=owner, created_at=created_at, seq=seq or 0)


def set_aside(connection: sqlite3.Connection, upload_id: str, now: float) -> WrittenEvent:
    """Append the event that the upload has failed because its record is damaged, which goes to `unreadable_records`."""
    query = f"SELECT {STORED} FROM uploads WHERE id = ?"  # noqa: S608
    stored = connection.execute(query, (upload_id,)).fetchone()
    connection.execute("INSERT OR REPLACE INTO unreadable_records VALUES (?, ?)", (upload_id, stored[-1]))
    before = _unreadable(connection, *stored)
    failed = replace(before, seq=before.seq + 1, updated_at=now)
    count_event(connection, event_counts(None, failed), now)
    return write_event(connection, before, failed, this_server())


def queue_positions(connection: sqlite3.Connection, now: float) -> dict[str, int]:
    """Map the id of every waiting upload to its position in the queue, from 1, in order."""
    waiting = connection.execute(QUEUE, {"now": now, "videos": True})
    return {upload_id: position for position, (upload_id,) in enumerate(waiting, 1)}


def is_template_paused(connection: sqlite3.Connection, template: str) -> bool:
    """Return whether the queued uploads of a template are paused."""
    query = "SELECT 1 FROM admin_pauses WHERE target = 'template' AND name = ?"
    return connection.execute(query, (template,)).fetchone() is not None


def write_event(
    connection: sqlite3.Connection,
    before: Upload | None,
    upload: Upload,
    actor: Actor,
    *,
    lease_token: str | None = None,
    pauses: bool = False,
    application_event: ApplicationEvent | None = None,
) -> WrittenEvent:
    """Write the record and its event, which `lease_token` permits, if the upload is leased.

    A pause, or a stage in which nothing works on the upload, ends the lease.
    """
    idle = upload.state.terminal or upload.stage is Stage.QUEUED or pauses
    connection.execute(
        "UPDATE uploads SET status = :status, stage = :stage, queued_at = :queued_at, not_before = :not_before,"
        " finished_at = :finished_at, cleanup_at = IIF(:moved, :cleanup_at, cleanup_at), record = :record,"
        " lease_token = IIF(:idle, NULL, lease_token), lease_expires_at = IIF(:idle, NULL, lease_expires_at),"
        " cancel_requested = IIF(:idle, 0, cancel_requested), cancelled_by = IIF(:idle, NULL, cancelled_by)"
        " WHERE id = :id",
        {
            "id": upload.id,
            "status": upload.state.status,
            "stage": upload.stage,
            "queued_at": upload.updated_at if idle or upload.stage is Stage.RECEIVING else None,
            "not_before": upload.not_before,
            "finished_at": upload.updated_at if upload.state.terminal else None,
            # An event of the application leaves a claimed cleanup as it is.
            "moved": application_event is None,
            "cleanup_at": cleanup_due_at(upload),
            "record": encode(upload),
            "idle": idle,
        },
    )
    body = message(upload)
    if application_event:
        body = with_application_event(body, application_event)
    connection.execute("INSERT INTO events VALUES (?, ?, ?)", (upload.id, upload.seq, orjson.dumps(body)))
    connection.execute("INSERT INTO event_actors VALUES (?, ?, ?)", (upload.id, upload.seq, encode_actor(actor)))
    count_event(connection, event_counts(before, upload, lease_token), upload.updated_at)
    if upload.seq > EVENT_LOG_LENGTH:
        query = "DELETE FROM events WHERE upload_id = ? AND seq <= ?"
        connection.execute(query, (upload.id, upload.seq - EVENT_LOG_LENGTH))
    return WrittenEvent(before, upload, body, idle)


def due_cleanup(connection: sqlite3.Connection, upload_id: str | None, now: float) -> Upload | None:
    """Return the upload if it is due for a cleanup; without an id, the one that is longest due."""
    if upload_id is None:
        found = connection.execute(DUE_CLEANUP, {"now": now}).fetchone()
    else:
        found = connection.execute(
            "SELECT id FROM uploads WHERE id = ? AND cleanup_at <= ?", (upload_id, now)
        ).fetchone()
    return read_row(connection, found[0]).upload if found else None


def set_cleanup(connection: sqlite3.Connection, upload_id: str, at: float | None) -> None:
    """Set when the upload is due for its next cleanup."""
    connection.execute("UPDATE uploads SET cleanup_at = ? WHERE id = ?", (at, upload_id))


def is_cleanup_claimed(connection: sqlite3.Connection, upload_id: str, now: float) -> bool:
    """Return whether the cleanup of an upload that has failed or was cancelled is claimed."""
    query = "SELECT 1 FROM uploads WHERE id = ? AND cleanup_at > ?"
    return connection.execute(query, (upload_id, now)).fetchone() is not None


def count_event(connection: sqlite3.Connection, counts: Mapping[str, int], now: float) -> None:
    """Add an event to the history, and delete the counts that are too old."""
    if not counts:
        return
    minute = int(now // 60)
    connection.execute("DELETE FROM history WHERE minute < ?", (minute - HISTORY_MINUTES,))
    connection.executemany(
        "INSERT INTO history VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(minute, name, count) for name, count in counts.items()],
    )


def delete_uploads(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Delete uploads with their events."""
    rows = [(upload_id,) for upload_id in ids]
    connection.executemany("DELETE FROM uploads WHERE id = ?", rows)
    connection.executemany("DELETE FROM events WHERE upload_id = ?", rows)
    connection.executemany("DELETE FROM unreadable_records WHERE id = ?", rows)
    connection.execute("DELETE FROM owners WHERE owner NOT IN (SELECT owner FROM uploads)")


def write_record(connection: sqlite3.Connection, write: RecordWrite) -> None:
    """Write a record beside the uploads; raise `RecordConflict` if it has changed since it was read."""
    revision = record_field("revision", "NULL")
    found = connection.execute(f"SELECT {revision} FROM {write.table} WHERE id = ?", (write.id,)).fetchone()  # noqa: S608
    if (found[0] if found else 0) != write.revision - 1:
        raise RecordConflict("The record was changed by another writer.")
    connection.execute(
        f"INSERT OR REPLACE INTO {write.table} VALUES (?, ?, ?, ?, ?)",  # noqa: S608
        (write.id, write.group, write.created_at, write.due_at, write.body),
    )


def queue_stats(connection: sqlite3.Connection, now: float, since: float, failures: int) -> QueueStats:
    """Return what `WorkQueue.stats` returns, without the ticks of the leased uploads."""
    waiting = connection.execute(WAITING, {"now": now}).fetchall()
    leased = [
        LeasedUpload.from_token(token, parse_upload(connection, *stored), expires_at, waits_for_tasks=bool(waits))
        for *stored, token, expires_at, waits in connection.execute(LEASED).fetchall()
    ]
    tasks = [
        LeasedTask.from_token(token, parse_upload(connection, *stored), expires_at, number, fraction)
        for *stored, token, expires_at, number, fraction in connection.execute(LEASED_TASKS).fetchall()
    ]
    outcomes = dict.fromkeys(OUTCOME_STAGES, 0)
    outcomes |= {Stage(stage): count for stage, count in connection.execute(OUTCOMES, {"since": since})}
    return QueueStats(
        waiting={template: count for template, count, _ in waiting},
        waiting_since=min((oldest for *_, oldest in waiting), default=None),
        delayed=connection.execute(DELAYED, {"now": now}).fetchone()[0],
        active=connection.execute(ACTIVE).fetchone()[0],
        leased=sorted(leased, key=lambda one: one.since),
        outcomes=outcomes,
        failures=[
            parse_upload(connection, *stored) for stored in connection.execute(FAILURES, {"limit": failures}).fetchall()
        ],
        tasks=sorted(tasks, key=lambda one: one.since),
    )
