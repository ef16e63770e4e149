"""The embedded ledger: one SQLite file in WAL mode, owned by one process.

A lock file makes that literal. It also makes recovery simple: whoever opens the file knows that every lease in it
died with the process that held the lock before.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import orjson

from roomcast.errors import IdTaken, LeaseLost, Malformed, NotFound, StorageError, TooMany, WrongState
from roomcast.ledger.contract import (
    EVENT_LOG_LENGTH,
    ChangeNotice,
    Claim,
    Lease,
    Listener,
    Observer,
    Page,
    QueueStats,
    Renewal,
    Replay,
    new_token,
)
from roomcast.ledger.sqlite.schema import SCHEMA
from roomcast.ledger.sqlite.stats import stats
from roomcast.runtime.sqlite import SqliteThread
from roomcast.uploads.lifecycle import Entered, HandedBack, Paused, Stage, Status, reopen
from roomcast.uploads.messages import Message
from roomcast.uploads.model import (
    Change,
    Tick,
    Upload,
    apply_event,
    apply_tick,
    decode,
    encode,
    message,
    reset_for_retry,
)
from roomcast.uploads.transitions import honour_cancel, lease_expired, reservation_expired

T = TypeVar("T")

_QUEUE = """
WITH waiting AS (
    SELECT id, owner, priority, queued_at,
           ROW_NUMBER() OVER (PARTITION BY owner ORDER BY priority DESC, queued_at, id) AS place
    FROM uploads WHERE stage = 'queued' AND not_before <= :now
), working AS (
    SELECT owner, COUNT(*) AS uploads FROM uploads
    WHERE lease_token IS NOT NULL AND stage NOT IN ('receiving', 'queued') GROUP BY owner
)
SELECT waiting.id FROM waiting LEFT JOIN working USING (owner) LEFT JOIN owners USING (owner)
ORDER BY place + COALESCE(working.uploads, 0), priority DESC, COALESCE(owners.served_at, 0), queued_at, waiting.id
"""

_LAPSED = "SELECT id FROM uploads WHERE lease_token IS NOT NULL AND lease_expires_at <= :now"
_UNUSED = "SELECT id FROM uploads WHERE stage = 'receiving' AND lease_token IS NULL AND queued_at < :now"

_MOVES_THE_QUEUE = frozenset({Stage.QUEUED, Stage.FETCHING, Stage.FAILED, Stage.CANCELLED})


@dataclass(frozen=True)
class _Row:
    """An upload with what is stored beside its record."""

    upload: Upload
    token: str | None
    expires_at: float
    cancel_requested: bool


@dataclass
class _Moved:
    """What a write did, told to listeners and observers once it is durable."""

    before: Upload | None
    upload: Upload
    body: Message
    idle: bool


class SqliteLedger:
    """See `roomcast.ledger.contract.Ledger`, the contract."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = _lock(path.with_suffix(".lock"))
        self._listeners: list[Listener] = []
        self._observers: list[Observer] = []
        # The freshest view of each upload that somebody works on: ticks live here and nowhere else.
        self._live: dict[str, tuple[str, Upload]] = {}
        connection = sqlite3.connect(path)
        connection.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
        connection.execute("UPDATE uploads SET lease_expires_at = 0 WHERE lease_token IS NOT NULL")
        connection.commit()
        connection.close()
        self._writer = SqliteThread(path, read_only=False)
        self._reader = SqliteThread(path, read_only=True)

    async def create(self, uploads: Sequence[Upload], *, in_flight: int | None = None) -> None:
        def work(connection: sqlite3.Connection) -> list[_Moved]:
            if in_flight is not None:
                counted = "SELECT COUNT(*) FROM uploads WHERE owner = ? AND finished_at IS NULL"
                if connection.execute(counted, (uploads[0].owner,)).fetchone()[0] + len(uploads) > in_flight:
                    raise TooMany(f"No more than {in_flight} unfinished uploads at once. Wait for one to end.")
            known = "SELECT 1 FROM uploads WHERE id = ?"
            if any(connection.execute(known, (upload.id,)).fetchone() for upload in uploads):
                raise IdTaken
            connection.executemany(
                "INSERT INTO uploads (id, owner, status, stage, priority, created_at, not_before, record)"
                " VALUES (?, ?, '', '', ?, ?, 0, x'')",
                [(upload.id, upload.owner, upload.priority, upload.created_at) for upload in uploads],
            )
            return [_store(connection, None, upload) for upload in uploads]

        await self._write(work)

    async def get(self, upload_id: str) -> Upload:
        return self._fresh(*await self._reader.submit(lambda connection: self._look(connection, upload_id)))

    async def events(self, upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        def work(connection: sqlite3.Connection) -> tuple[Upload, int | None, list[bytes]]:
            query = "SELECT body FROM events WHERE upload_id = ? AND seq > ? ORDER BY seq"
            return *self._look(connection, upload_id), [
                body for (body,) in connection.execute(query, (upload_id, since))
            ]

        upload, place, bodies = await self._reader.submit(work)
        whole = epoch in (None, upload.epoch) and since <= upload.seq and len(bodies) == upload.seq - since
        return Replay(self._fresh(upload, place), [orjson.loads(body) for body in bodies] if whole else [], whole)

    async def last_seqs(self, upload_ids: Sequence[str]) -> dict[str, int]:
        def work(connection: sqlite3.Connection) -> dict[str, int]:
            query = "SELECT MAX(seq) FROM events WHERE upload_id = ?"
            found = ((upload_id, connection.execute(query, (upload_id,)).fetchone()[0]) for upload_id in upload_ids)
            return {upload_id: seq for upload_id, seq in found if seq is not None}

        return await self._reader.submit(work)

    async def page(
        self, owner: str | None, *, status: Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        before, before_id = _cursor(cursor) if cursor else (float("inf"), "")

        def work(connection: sqlite3.Connection) -> list[Upload]:
            query = " ".join(
                [
                    "SELECT record FROM uploads WHERE (created_at, id) < (:before, :id)",
                    "AND owner = :owner" if owner is not None else "",
                    "AND status = :status" if status else "",
                    "ORDER BY created_at DESC, id DESC LIMIT :limit",
                ]
            )
            values = {"owner": owner, "before": before, "id": before_id, "status": status, "limit": limit + 1}
            return [decode(record) for (record,) in connection.execute(query, values)]

        found = await self._reader.submit(work)
        uploads = [self._fresh(upload) for upload in found[:limit]]
        return Page(uploads, _as_cursor(uploads[-1]) if len(found) > limit else None)

    async def stats(self, *, since: float, failures: int) -> QueueStats:
        now = self._clock()
        found = await self._reader.submit(lambda connection: stats(connection, now, since, failures))
        return replace(found, leased=[replace(one, upload=self._fresh(one.upload)) for one in found.leased])

    async def queue(self) -> list[str]:
        now = self._clock()
        return await self._reader.submit(lambda connection: list(_places(connection, now)))

    async def active_ids(self) -> list[str]:
        query = "SELECT id FROM uploads WHERE finished_at IS NULL ORDER BY created_at, id"
        return await self._reader.submit(lambda connection: [row[0] for row in connection.execute(query)])

    async def deployment(self) -> str:
        query = "SELECT id FROM deployment"
        return await self._reader.submit(lambda connection: str(connection.execute(query).fetchone()[0]))

    async def append(self, upload_id: str, change: Change, *, token: str | None = None) -> Upload:
        def work(connection: sqlite3.Connection) -> list[_Moved]:
            row = self._held(connection, upload_id, token)
            return [self._advance(connection, row, change)]

        return (await self._write(work))[0].upload

    async def tick(self, upload_id: str, tick: Tick, *, token: str) -> None:
        holder, upload = self._live.get(upload_id, ("", None))
        if upload is None or holder != token or upload.state.terminal:
            return
        fresh = apply_tick(upload, tick, self._clock())
        self._live[upload_id] = (token, fresh)
        self._tell([ChangeNotice(message(fresh), event=False)])

    async def claim(self, upload_id: str, *, holder: str, seconds: float, steal: bool = False) -> Claim:
        def work(connection: sqlite3.Connection) -> Claim:
            row = _row(connection, upload_id)
            if row.upload.stage is not Stage.RECEIVING:
                raise WrongState(f"The upload is {row.upload.stage}; it takes no more bytes.")
            if not steal and row.token and row.expires_at > self._clock():
                raise WrongState("The file is arriving already.")
            return Claim(row.upload, self._lease(connection, upload_id, holder, seconds))

        return await self._writer.submit(work, self._claimed)

    async def claim_next(self, *, holder: str, seconds: float) -> Claim | None:
        def work(connection: sqlite3.Connection) -> tuple[Claim, _Moved] | None:
            now = self._clock()
            first = connection.execute(_QUEUE + " LIMIT 1", {"now": now}).fetchone()
            if first is None:
                return None
            row = _row(connection, first[0])
            moved = self._advance(connection, row, Change(Entered(Stage.FETCHING), "A worker has taken it"))
            connection.execute("INSERT OR REPLACE INTO owners VALUES (?, ?)", (row.upload.owner, now))
            return Claim(moved.upload, self._lease(connection, row.upload.id, holder, seconds)), moved

        def then(done: tuple[Claim, _Moved] | None) -> None:
            if done:
                self._claimed(done[0])
                self._publish([done[1]])

        done = await self._writer.submit(work, then)
        return done[0] if done else None

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        def work(connection: sqlite3.Connection) -> Renewal:
            row = self._held(connection, lease.upload_id, lease.token)
            expires_at = self._clock() + seconds
            connection.execute("UPDATE uploads SET lease_expires_at = ? WHERE id = ?", (expires_at, lease.upload_id))
            return Renewal(replace(lease, expires_at=expires_at), row.cancel_requested)

        return await self._writer.submit(work)

    async def release(self, lease: Lease, *, text: str) -> Upload:
        return await self.append(lease.upload_id, Change(HandedBack(), text), token=lease.token)

    async def request_cancel(self, upload_id: str, change: Change) -> Upload:
        def work(connection: sqlite3.Connection) -> tuple[list[_Moved], Upload]:
            row = _row(connection, upload_id)
            if row.upload.stage is Stage.CANCELLED:
                return [], row.upload
            if row.upload.state.terminal:
                raise WrongState(f"The upload is {row.upload.stage} already.")
            if row.token:
                connection.execute("UPDATE uploads SET cancel_requested = 1 WHERE id = ?", (upload_id,))
                return [], row.upload
            moved = self._advance(connection, row, change)
            return [moved], moved.upload

        _, upload = await self._writer.submit(work, lambda done: self._publish(done[0]))
        return self._fresh(upload)

    async def reopen(self, upload_id: str, *, source_kept: bool) -> Upload:
        def work(connection: sqlite3.Connection) -> list[_Moved]:
            row = _row(connection, upload_id)
            state = reopen(row.upload.state, source_kept=source_kept)
            return [_store(connection, row.upload, reset_for_retry(row.upload, state, self._clock()))]

        return (await self._write(work))[0].upload

    async def expire_leases(self, *, reserved_before: float) -> list[Upload]:
        def work(connection: sqlite3.Connection) -> list[_Moved]:
            def found(query: str, now: float) -> list[_Row]:
                return [
                    _row(connection, upload_id) for (upload_id,) in connection.execute(query, {"now": now}).fetchall()
                ]

            moved = [
                self._advance(connection, row, lease_expired(row.upload, cancel_requested=row.cancel_requested))
                for row in found(_LAPSED, self._clock())
            ]
            return moved + [
                self._advance(connection, row, reservation_expired(row.upload))
                for row in found(_UNUSED, reserved_before)
            ]

        return [moved.upload for moved in await self._write(work)]

    async def prune(self, finished_before: float) -> list[str]:
        def work(connection: sqlite3.Connection) -> list[str]:
            query = "SELECT id FROM uploads WHERE finished_at < ? LIMIT 1000"
            ids = [found[0] for found in connection.execute(query, (finished_before,)).fetchall()]
            connection.executemany("DELETE FROM uploads WHERE id = ?", [(upload_id,) for upload_id in ids])
            connection.executemany("DELETE FROM events WHERE upload_id = ?", [(upload_id,) for upload_id in ids])
            connection.execute("DELETE FROM owners WHERE owner NOT IN (SELECT owner FROM uploads)")
            return ids

        return await self._writer.submit(work)

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def add_observer(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def subscribe(self, upload_id: str) -> None:
        """Everything happens in this process, so everything is heard."""

    def unsubscribe(self, upload_id: str) -> None:
        """See `subscribe`."""

    def connected(self) -> bool:
        return True

    async def close(self) -> None:
        await asyncio.gather(self._writer.close(), self._reader.close())
        os.close(self._lock)

    async def _write(self, work: Callable[[sqlite3.Connection], list[_Moved]]) -> list[_Moved]:
        return await self._writer.submit(work, self._publish)

    def _claimed(self, claim: Claim) -> None:
        self._live[claim.upload.id] = (claim.lease.token, claim.upload)

    def _publish(self, moved: list[_Moved]) -> None:
        for one in moved:
            token, _ = self._live.get(one.upload.id, ("", None))
            if one.idle:
                self._live.pop(one.upload.id, None)
            elif token:
                self._live[one.upload.id] = (token, one.upload)
        self._tell([ChangeNotice(one.body, event=True) for one in moved])
        for observer in self._observers:
            for one in moved:
                observer(one.before, one.upload)

    def _tell(self, notices: list[ChangeNotice]) -> None:
        queue_moved = any(notice.event and notice.message["stage"] in _MOVES_THE_QUEUE for notice in notices)
        for listener in tuple(self._listeners) if notices else ():
            listener.on_changes(notices)
            if queue_moved:
                listener.on_queue_moved()

    def _look(self, connection: sqlite3.Connection, upload_id: str) -> tuple[Upload, int | None]:
        """The upload as it is stored, and its place in the queue."""
        upload = _row(connection, upload_id).upload
        waits = upload.stage is Stage.QUEUED
        return upload, _places(connection, self._clock()).get(upload_id) if waits else None

    def _fresh(self, upload: Upload, place: int | None = None) -> Upload:
        """The upload with its latest tick folded in, if that is still about the same event."""
        _, live = self._live.get(upload.id, ("", None))
        return live if live is not None and live.seq == upload.seq else replace(upload, queue_position=place)

    def _held(self, connection: sqlite3.Connection, upload_id: str, token: str | None) -> _Row:
        """The row, if a writer with this token may write."""
        row = _row(connection, upload_id)
        if token is None and row.token is not None:
            raise WrongState("Upload is locked by another worker.")
        if token is not None and (row.token != token or row.expires_at <= self._clock()):
            raise LeaseLost("The lease on the upload is gone.")
        return row

    def _lease(self, connection: sqlite3.Connection, upload_id: str, holder: str, seconds: float) -> Lease:
        now = self._clock()
        lease = Lease(upload_id, new_token(holder, now), now + seconds)
        connection.execute(
            "UPDATE uploads SET lease_token = ?, lease_expires_at = ? WHERE id = ?",
            (lease.token, lease.expires_at, upload_id),
        )
        return lease

    def _advance(self, connection: sqlite3.Connection, row: _Row, change: Change) -> _Moved:
        heeded = honour_cancel(change, row.upload.stage, cancel_requested=row.cancel_requested)
        pauses = isinstance(heeded.fact, Paused)
        return _store(
            connection, row.upload, apply_event(self._fresh(row.upload), heeded, self._clock()), pauses=pauses
        )


def _store(connection: sqlite3.Connection, before: Upload | None, upload: Upload, *, pauses: bool = False) -> _Moved:
    """Write the record and its event; a stage that nobody works in, or a pause, ends the lease."""
    idle = upload.state.terminal or upload.stage is Stage.QUEUED or pauses
    connection.execute(
        "UPDATE uploads SET status = :status, stage = :stage, queued_at = :queued_at, not_before = :not_before,"
        " finished_at = :finished_at, record = :record,"
        " lease_token = IIF(:idle, NULL, lease_token), lease_expires_at = IIF(:idle, NULL, lease_expires_at),"
        " cancel_requested = IIF(:idle, 0, cancel_requested) WHERE id = :id",
        {
            "id": upload.id,
            "status": upload.state.status,
            "stage": upload.stage,
            "queued_at": upload.updated_at if idle or upload.stage is Stage.RECEIVING else None,
            "not_before": upload.not_before,
            "finished_at": upload.updated_at if upload.state.terminal else None,
            "record": encode(upload),
            "idle": idle,
        },
    )
    body = message(upload)
    connection.execute("INSERT INTO events VALUES (?, ?, ?)", (upload.id, upload.seq, orjson.dumps(body)))
    if upload.seq > EVENT_LOG_LENGTH:
        connection.execute(
            "DELETE FROM events WHERE upload_id = ? AND seq <= ?", (upload.id, upload.seq - EVENT_LOG_LENGTH)
        )
    return _Moved(before, upload, body, idle)


def _row(connection: sqlite3.Connection, upload_id: str) -> _Row:
    query = "SELECT record, lease_token, lease_expires_at, cancel_requested FROM uploads WHERE id = ?"
    found = connection.execute(query, (upload_id,)).fetchone()
    if found is None:
        raise NotFound("There is no such upload.")
    record, token, expires_at, cancel_requested = found
    return _Row(decode(record), token, expires_at or 0.0, bool(cancel_requested))


def _places(connection: sqlite3.Connection, now: float) -> dict[str, int]:
    """Every waiting upload's place in the queue, from 1, in order."""
    return {found[0]: place for place, found in enumerate(connection.execute(_QUEUE, {"now": now}), start=1)}


def _as_cursor(upload: Upload) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([upload.created_at, upload.id])).decode()


def _cursor(cursor: str) -> tuple[float, str]:
    try:
        created_at, upload_id = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
        return float(created_at), str(upload_id)
    except (ValueError, TypeError) as error:
        raise Malformed("The cursor is not one that this server gave.") from error


def _lock(path: Path) -> int:
    """Hold the file's lock until it is closed or the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StorageError("Another process has this data directory open.") from None
    return descriptor
