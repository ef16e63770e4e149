"""The embedded ledger: one SQLite file, open in one process."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson

from roomcast.errors import IdTaken, LeaseLost, WrongState
from roomcast.ledger.actors import encode_actor, holder_of, responsible, this_server
from roomcast.ledger.contract import (
    CLEANUP_SECONDS,
    MAX_EXAMINED,
    ChangeNotice,
    Claim,
    CleanupInProgress,
    DueCleanup,
    LeasedTask,
    LeasedUpload,
    Listener,
    Observer,
    Page,
    QueueStats,
    RecordWrite,
    Renewal,
    Replay,
    UploadFilter,
    too_many,
)
from roomcast.ledger.lease_tokens import Lease, new_token
from roomcast.ledger.sqlite.administration import SqliteAdministration, is_worker_paused
from roomcast.ledger.sqlite.listing import as_cursor, listing_query, parse_cursor
from roomcast.ledger.sqlite.schema import migrate_sqlite
from roomcast.ledger.sqlite.segments import SqliteSegments, clear_advanced, is_planned
from roomcast.ledger.sqlite.tables import (
    EXPIRED_LEASES,
    EXPIRED_RESERVATIONS,
    PRUNABLE,
    QUEUE,
    StoredUpload,
    WrittenEvent,
    delete_uploads,
    due_cleanup,
    is_cleanup_claimed,
    is_template_paused,
    parse_upload,
    queue_positions,
    queue_stats,
    read_row,
    set_aside,
    set_cleanup,
    write_event,
    write_record,
)
from roomcast.ledger.unreadable import refuse_unreadable
from roomcast.runtime.clocks import Clock, unix_time
from roomcast.runtime.process import process_name
from roomcast.runtime.sqlite import SqliteDatabase
from roomcast.uploads.lifecycle import Entered, HandedBack, IllegalFact, Paused, Stage, Status, reopen
from roomcast.uploads.model import (
    Actor,
    ApplicationEvent,
    Change,
    Tick,
    Upload,
    apply_event,
    apply_tick,
    count_application_event,
    message,
    reset_for_retry,
    with_application_event,
)
from roomcast.uploads.transitions import honour_cancel, lease_expired, reservation_expired

Leased = TypeVar("Leased", LeasedUpload, LeasedTask)

_MAX_PRUNED = 1000
_MAX_CHUNK = 250
"""How many uploads `find` examines at once: other reads wait meanwhile."""

_QUEUE_STAGES = frozenset({Stage.QUEUED, Stage.FETCHING, Stage.FAILED, Stage.CANCELLED})
"""Stages that an upload enters when queue positions may change."""


class SqliteLedger:
    """`Ledger` in the SQLite file at `path`. Record stores use the same `database`.

    All holders of leases are in this process, and the leases of an earlier one expire when the file is opened. Leases
    are measured by `lease_clock` (by default `clock`): with a `RunningClock`, they do not expire while the process
    cannot renew them. Delays of retries end when the file is opened after `clock` was set back.
    """

    def __init__(self, path: Path, *, clock: Clock = unix_time, lease_clock: Clock | None = None) -> None:
        self._clock = clock
        self._lease_clock = lease_clock or clock
        self._listeners: list[Listener] = []
        self._observers: list[Observer] = []
        # The uploads of which an event is being written. A tick in between would be later than the progress in it.
        self._writing: Counter[str] = Counter()
        # The lease token and the latest view of each leased upload. Ticks are stored nowhere else.
        self._live: dict[str, tuple[str, Upload]] = {}
        self.database = SqliteDatabase(
            path, partial(migrate_sqlite, earlier_records=path.with_name("assemblies.sqlite3"), now=clock())
        )
        self.administration = SqliteAdministration(self.database, clock, self._notify_queue_moved)
        self.segments = SqliteSegments(
            self.database, clock=clock, lease_clock=self._lease_clock, leased_row=self._writable_row
        )

    async def create(
        self, uploads: Sequence[Upload], *, in_flight: int | None = None, records: Sequence[RecordWrite] = ()
    ) -> None:
        def work(connection: sqlite3.Connection) -> list[WrittenEvent]:
            _check_create(connection, uploads, in_flight)
            for record in records:
                write_record(connection, record)
            connection.executemany(
                "INSERT INTO uploads (id, owner, status, stage, priority, created_at, not_before, record)"
                " VALUES (?, ?, '', '', ?, ?, 0, x'')",
                [(upload.id, upload.owner, upload.priority, upload.created_at) for upload in uploads],
            )
            return [write_event(connection, None, upload, Actor("user", upload.owner)) for upload in uploads]

        await self._write(work)

    async def check_create(self, uploads: Sequence[Upload], *, in_flight: int | None = None) -> None:
        await self.database.read(lambda connection: _check_create(connection, uploads, in_flight))

    async def get(self, upload_id: str) -> Upload:
        _, earlier = self._live.get(upload_id, ("", None))
        upload = await self.database.read(lambda connection: self._view(connection, upload_id))
        return self._with_latest_tick(upload, earlier)

    async def events(self, upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        def work(connection: sqlite3.Connection) -> tuple[Upload, list[bytes]]:
            query = "SELECT body FROM events WHERE upload_id = ? AND seq > ? ORDER BY seq"
            upload = self._view(connection, upload_id)
            return upload, [body for (body,) in connection.execute(query, (upload_id, since))]

        _, earlier = self._live.get(upload_id, ("", None))
        upload, bodies = await self.database.read(work)
        gapless = epoch in (None, upload.epoch) and since <= upload.seq and len(bodies) == upload.seq - since
        events = [orjson.loads(body) for body in bodies] if gapless else []
        return Replay(self._with_latest_tick(upload, earlier), events, gapless)

    async def last_seqs(self, upload_ids: Sequence[str]) -> dict[str, int]:
        def work(connection: sqlite3.Connection) -> dict[str, int]:
            query = "SELECT MAX(seq) FROM events WHERE upload_id = ?"
            found = ((upload_id, connection.execute(query, (upload_id,)).fetchone()[0]) for upload_id in upload_ids)
            return {upload_id: seq for upload_id, seq in found if seq is not None}

        return await self.database.read(work)

    async def page(
        self, owner: str | None, *, status: Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        return await self.find(UploadFilter(owner, status), cursor=cursor, limit=limit)

    async def find(
        self, wanted: UploadFilter, *, oldest_first: bool = False, cursor: str | None = None, limit: int = 50
    ) -> Page:
        position = parse_cursor(cursor) if cursor else None
        chunk = min(limit + 1, _MAX_CHUNK) if wanted.is_indexed else _MAX_CHUNK
        found: list[Upload] = []
        for _ in range(-(-MAX_EXAMINED // chunk)):
            query, values = listing_query(wanted, position, oldest_first=oldest_first, limit=chunk)
            rows = await self.database.read(partial(_parse_rows, query=query, values=values))
            found += [upload for upload in map(self._with_latest_tick, rows) if wanted.matches(upload)]
            if len(found) > limit:
                return Page(found[:limit], as_cursor(found[limit - 1]))
            if len(rows) < chunk:
                return Page(found, None)
            position = rows[-1].created_at, rows[-1].id
        return Page(found, as_cursor(rows[-1]))

    async def stats(self, *, since: float, failures: int) -> QueueStats:
        now = self._clock()
        found = await self.database.read(lambda connection: queue_stats(connection, now, since, failures))
        expires_after = now - self._lease_clock()

        def current(one: Leased) -> Leased:
            upload = self._with_latest_tick(one.upload)
            return replace(one, upload=upload, expires_at=one.expires_at + expires_after)

        leased, tasks = [current(one) for one in found.leased], [current(one) for one in found.tasks]
        return replace(found, leased=leased, tasks=tasks)

    async def check_writable(self) -> None:
        await self.database.read(lambda connection: connection.execute("SELECT 1 FROM uploads LIMIT 1").fetchall())
        await self.database.write(lambda _: None)

    async def queue(self) -> list[str]:
        now = self._clock()
        return await self.database.read(lambda connection: list(queue_positions(connection, now)))

    async def active_ids(self) -> list[str]:
        query = "SELECT id FROM uploads WHERE finished_at IS NULL ORDER BY created_at, id"
        return await self.database.read(lambda connection: [row[0] for row in connection.execute(query)])

    async def deployment(self) -> str:
        query = "SELECT id FROM deployment"
        return await self.database.read(lambda connection: str(connection.execute(query).fetchone()[0]))

    async def append(self, upload_id: str, change: Change, *, token: str | None = None) -> Upload:
        def work(connection: sqlite3.Connection) -> list[WrittenEvent]:
            row = self._writable_row(connection, upload_id, token)
            return [self._advance(connection, row, change)]

        return await self._write_event(upload_id, work)

    async def emit(self, upload_id: str, event: ApplicationEvent) -> Upload:
        def work(connection: sqlite3.Connection) -> list[WrittenEvent]:
            row = read_row(connection, upload_id)
            refuse_unreadable(row.upload)
            upload = count_application_event(self._with_latest_tick(row.upload))
            actor = Actor("application", process_name())
            return [write_event(connection, row.upload, upload, actor, application_event=event)]

        return await self._write_event(upload_id, work)

    async def emit_latest(self, upload_id: str, event: ApplicationEvent) -> None:
        body = with_application_event(message(await self.get(upload_id)), event)
        self._notify([ChangeNotice(body, event=False)])

    async def tick(self, upload_id: str, tick: Tick, *, token: str) -> None:
        holder, upload = self._live.get(upload_id, ("", None))
        if upload is None or holder != token or upload.state.terminal or upload_id in self._writing:
            return
        fresh = apply_tick(upload, tick, self._clock())
        self._live[upload_id] = (token, fresh)
        self._notify([ChangeNotice(message(fresh), event=False)])

    async def claim(self, upload_id: str, *, holder: str, seconds: float, steal: bool = False) -> Claim:
        def work(connection: sqlite3.Connection) -> Claim:
            row = read_row(connection, upload_id)
            if row.upload.stage is not Stage.RECEIVING:
                raise WrongState(f"The upload is {row.upload.stage}; it takes no more bytes.")
            if not steal and row.token and row.expires_at > self._lease_clock():
                raise WrongState("The file is arriving already.")
            return Claim(row.upload, self._lease(connection, upload_id, holder, seconds))

        return await self.database.write(work, self._claimed)

    async def claim_next(self, *, holder: str, seconds: float, videos: bool = True) -> Claim | None:
        def work(connection: sqlite3.Connection) -> tuple[Claim | None, list[WrittenEvent]]:
            now, events = self._clock(), list[WrittenEvent]()
            if is_worker_paused(connection, holder):
                return None, events
            while first := connection.execute(QUEUE + " LIMIT 1", {"now": now, "videos": videos}).fetchone():
                row = read_row(connection, first[0])
                change = Change(Entered(Stage.FETCHING), "A worker has taken it", actor=Actor("worker", holder))
                events.append(self._settle(connection, row, change))
                if events[-1].upload.stage is Stage.FETCHING:
                    connection.execute("INSERT OR REPLACE INTO owners VALUES (?, ?)", (row.upload.owner, now))
                    return Claim(events[-1].upload, self._lease(connection, row.upload.id, holder, seconds)), events
            return None, events

        def on_durable(done: tuple[Claim | None, list[WrittenEvent]]) -> None:
            claim, events = done
            if claim:
                self._claimed(claim)
            self._publish(events)

        claim, _ = await self.database.write(work, on_durable)
        return claim

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        def work(connection: sqlite3.Connection) -> Renewal:
            row = self._writable_row(connection, lease.upload_id, lease.token)
            expires_at = self._lease_clock() + seconds
            connection.execute("UPDATE uploads SET lease_expires_at = ? WHERE id = ?", (expires_at, lease.upload_id))
            return Renewal(replace(lease, expires_at=expires_at), row.cancel_requested)

        return await self.database.write(work)

    async def release(self, lease: Lease, *, text: str) -> Upload:
        return await self.append(lease.upload_id, Change(HandedBack(), text), token=lease.token)

    async def request_cancel(self, upload_id: str, change: Change) -> Upload:
        def work(connection: sqlite3.Connection) -> tuple[list[WrittenEvent], Upload]:
            row = read_row(connection, upload_id)
            if row.upload.stage is Stage.CANCELLED:
                return [], row.upload
            if row.upload.state.terminal:
                raise WrongState(f"The upload is {row.upload.stage} already.")
            if row.token:
                actor = encode_actor(change.actor or this_server())
                query = "UPDATE uploads SET cancel_requested = 1, cancelled_by = ? WHERE id = ?"
                connection.execute(query, (actor, upload_id))
                return [], row.upload
            written = self._advance(connection, row, change)
            return [written], written.upload

        _, upload = await self.database.write(work, lambda done: self._publish(done[0]))
        return self._with_latest_tick(upload)

    async def reopen(self, upload_id: str, *, source_stored: bool, actor: Actor | None = None) -> Upload:
        def work(connection: sqlite3.Connection) -> list[WrittenEvent]:
            row, now = read_row(connection, upload_id), self._clock()
            state = reopen(row.upload.state, source_stored=source_stored)
            if is_cleanup_claimed(connection, upload_id, now):
                raise CleanupInProgress
            upload = reset_for_retry(row.upload, state, now)
            return [write_event(connection, row.upload, upload, actor or this_server())]

        return (await self._write(work))[0].upload

    async def expire_leases(self, *, reserved_seconds: float) -> list[Upload]:
        reserved_before = self._clock() - reserved_seconds

        def work(connection: sqlite3.Connection) -> list[WrittenEvent]:
            def found(query: str, now: float) -> list[StoredUpload]:
                ids = connection.execute(query, {"now": now}).fetchall()
                return [read_row(connection, upload_id) for (upload_id,) in ids]

            def expired(row: StoredUpload) -> Change:
                return lease_expired(
                    row.upload,
                    cancel_requested=row.cancel_requested,
                    is_planned=is_planned(connection, row.id),
                    advanced=clear_advanced(connection, row.id),
                )

            written = [
                self._settle(connection, row, expired(row)) for row in found(EXPIRED_LEASES, self._lease_clock())
            ]
            return written + [
                self._settle(connection, row, reservation_expired(row.upload))
                for row in found(EXPIRED_RESERVATIONS, reserved_before)
            ]

        return [written.upload for written in await self._write(work)]

    async def prune(self, *, retention_seconds: float) -> list[str]:
        values = {"before": self._clock() - retention_seconds, "limit": _MAX_PRUNED}

        def work(connection: sqlite3.Connection) -> list[str]:
            ids = [found[0] for found in connection.execute(PRUNABLE, values).fetchall()]
            delete_uploads(connection, ids)
            return ids

        return await self.database.write(work)

    async def claim_cleanup(self, upload_id: str | None = None) -> DueCleanup | None:
        def find(connection: sqlite3.Connection) -> DueCleanup | None:
            now = self._clock()
            upload = due_cleanup(connection, upload_id, now)
            return DueCleanup(now, upload) if upload else None

        def claim(connection: sqlite3.Connection) -> DueCleanup | None:
            if due := find(connection):
                set_cleanup(connection, due.upload.id, due.now + CLEANUP_SECONDS)
            return due

        # Mostly there is none, which a transaction for writing need not find out.
        return await self.database.write(claim) if await self.database.read(find) else None

    async def set_cleanup(self, upload_id: str, at: float | None) -> None:
        await self.database.write(lambda connection: set_cleanup(connection, upload_id, at))

    async def remove(self, upload_id: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            query = "SELECT 1 FROM uploads WHERE id = ? AND stage = 'deleted'"
            if connection.execute(query, (upload_id,)).fetchone():
                delete_uploads(connection, [upload_id])

        await self.database.write(work)

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def add_observer(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def subscribe(self, upload_id: str) -> None:
        """Do nothing: every change happens in this process, and listeners are notified of all of them."""

    def unsubscribe(self, upload_id: str) -> None:
        """Do nothing, as `subscribe`."""

    def connected(self) -> bool:
        return True

    async def close(self) -> None:
        await self.database.close()

    async def _write_event(self, upload_id: str, work: Callable[[sqlite3.Connection], list[WrittenEvent]]) -> Upload:
        """Write one event, and drop the ticks that come meanwhile."""
        self._writing[upload_id] += 1
        try:
            return (await self._write(work))[0].upload
        finally:
            self._writing[upload_id] -= 1
            if not self._writing[upload_id]:
                del self._writing[upload_id]

    async def _write(self, work: Callable[[sqlite3.Connection], list[WrittenEvent]]) -> list[WrittenEvent]:
        return await self.database.write(work, self._publish)

    def _claimed(self, claim: Claim) -> None:
        self._live[claim.upload.id] = (claim.lease.token, claim.upload)

    def _publish(self, written: list[WrittenEvent]) -> None:
        for one in written:
            token, _ = self._live.get(one.upload.id, ("", None))
            if one.lease_ended:
                self._live.pop(one.upload.id, None)
            elif token:
                self._live[one.upload.id] = (token, one.upload)
        self._notify([ChangeNotice(one.body, event=True) for one in written])
        for observer in self._observers:
            for one in written:
                observer(one.before, one.upload)

    def _notify(self, notices: list[ChangeNotice]) -> None:
        queue_moved = any(notice.event and notice.message["stage"] in _QUEUE_STAGES for notice in notices)
        for listener in tuple(self._listeners) if notices else ():
            listener.on_changes(notices)
        if queue_moved:
            self._notify_queue_moved()

    def _notify_queue_moved(self) -> None:
        for listener in tuple(self._listeners):
            listener.on_queue_moved()

    def _view(self, connection: sqlite3.Connection, upload_id: str) -> Upload:
        """Return the stored upload, with its position in the queue, or the pause of its template, if it is queued."""
        upload = read_row(connection, upload_id).upload
        if upload.stage is not Stage.QUEUED:
            return upload
        position = queue_positions(connection, self._clock()).get(upload_id)
        paused = position is None and is_template_paused(connection, upload.template)
        return replace(upload, queue_position=position, template_paused=paused)

    def _with_latest_tick(self, upload: Upload, earlier: Upload | None = None) -> Upload:
        """Return the upload with its latest tick applied, unless an event has come after the tick. If one was written
        while the upload was read, that is the tick of `earlier`, from before the read: it has been shown already."""
        live = self._live.get(upload.id, ("", None))[1]
        return next((one for one in (live, earlier) if one is not None and one.seq == upload.seq), upload)

    def _writable_row(self, connection: sqlite3.Connection, upload_id: str, token: str | None) -> StoredUpload:
        """Return the row; raise `LeaseLost` or `WrongState` if a writer with this token must not write."""
        row = read_row(connection, upload_id)
        if token is None and row.token is not None:
            raise WrongState("Upload is locked by another worker.")
        if token is not None and (row.token != token or row.expires_at <= self._lease_clock()):
            raise LeaseLost("The lease on the upload is lost.")
        return row

    def _lease(self, connection: sqlite3.Connection, upload_id: str, holder: str, seconds: float) -> Lease:
        lease = Lease(upload_id, new_token(holder, self._clock()), self._lease_clock() + seconds)
        connection.execute(
            "UPDATE uploads SET lease_token = ?, lease_expires_at = ? WHERE id = ?",
            (lease.token, lease.expires_at, upload_id),
        )
        return lease

    def _advance(self, connection: sqlite3.Connection, row: StoredUpload, change: Change) -> WrittenEvent:
        change = honour_cancel(change, row.upload.stage, cancel_requested=row.cancel_requested)
        upload = apply_event(self._with_latest_tick(row.upload), change, self._clock())
        leased = row.token and row.expires_at > self._lease_clock()
        writer = holder_of(row.token, row.upload) if leased and row.token else this_server()
        actor = responsible(upload, change.actor, writer, row.cancelled_by)
        pauses = isinstance(change.fact, Paused)
        return write_event(connection, row.upload, upload, actor, lease_token=row.token, pauses=pauses)

    def _settle(self, connection: sqlite3.Connection, row: StoredUpload, change: Change) -> WrittenEvent:
        """Write the event that the queue or the leases require, or set the upload aside if its record is damaged."""
        connection.execute("SAVEPOINT event")
        try:
            return self._advance(connection, row, change)
        except (IllegalFact, sqlite3.IntegrityError):
            connection.execute("ROLLBACK TO event")
            return set_aside(connection, row.id, self._clock())
        finally:
            connection.execute("RELEASE event")


def _check_create(connection: sqlite3.Connection, uploads: Sequence[Upload], in_flight: int | None) -> None:
    """Raise `TooMany` or `IdTaken` if these uploads must not be created."""
    if in_flight is not None:
        count = "SELECT COUNT(*) FROM uploads WHERE owner = ? AND finished_at IS NULL"
        if connection.execute(count, (uploads[0].owner,)).fetchone()[0] + len(uploads) > in_flight:
            raise too_many(in_flight)
    known = "SELECT 1 FROM uploads WHERE id = ?"
    if any(connection.execute(known, (upload.id,)).fetchone() for upload in uploads):
        raise IdTaken


def _parse_rows(connection: sqlite3.Connection, query: str, values: dict[str, Any]) -> list[Upload]:
    return [parse_upload(connection, *stored) for stored in connection.execute(query, values).fetchall()]
