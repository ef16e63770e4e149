"""How everybody's uploads stand, out of SQLite: every count is taken from an index of what it counts."""

from __future__ import annotations

import sqlite3

from roomcast.ledger.contract import LeasedUpload, QueueStats
from roomcast.uploads.lifecycle import TERMINAL, Stage
from roomcast.uploads.model import decode

_WAITING = """
SELECT json_extract(CAST(record AS TEXT), '$.template'), COUNT(*), MIN(MAX(queued_at, not_before))
FROM uploads WHERE stage = 'queued' AND not_before <= :now GROUP BY 1
"""
_DELAYED = "SELECT COUNT(*) FROM uploads WHERE stage = 'queued' AND not_before > :now"
_UNFINISHED = "SELECT COUNT(*) FROM uploads WHERE finished_at IS NULL"
_HELD = """
SELECT record, lease_token, lease_expires_at FROM uploads
WHERE lease_token IS NOT NULL AND stage NOT IN ('receiving', 'queued')
"""
_ENDED = """
SELECT stage, COUNT(*) FROM uploads
WHERE stage IN ('done', 'failed', 'cancelled') AND finished_at >= :since GROUP BY stage
"""
_FAILURES = """
SELECT record FROM uploads WHERE stage = 'failed' AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT :most
"""


def stats(connection: sqlite3.Connection, now: float, since: float, failures: int) -> QueueStats:
    """See `Ledger.standing`."""
    waiting = connection.execute(_WAITING, {"now": now}).fetchall()
    leased = [
        LeasedUpload.from_token(token, decode(record), until) for record, token, until in connection.execute(_HELD)
    ]
    outcomes = dict.fromkeys(TERMINAL, 0)
    outcomes |= {Stage(stage): count for stage, count in connection.execute(_ENDED, {"since": since})}
    return QueueStats(
        waiting={template: count for template, count, _ in waiting},
        waiting_since=min((oldest for *_, oldest in waiting), default=None),
        delayed=connection.execute(_DELAYED, {"now": now}).fetchone()[0],
        active=connection.execute(_UNFINISHED).fetchone()[0],
        leased=sorted(leased, key=lambda one: one.since),
        outcomes=outcomes,
        failures=[decode(record) for (record,) in connection.execute(_FAILURES, {"most": failures})],
    )
