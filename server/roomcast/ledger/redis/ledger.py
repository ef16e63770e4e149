"""The ledger of several processes, in Redis.

All keys of a ledger are in one hash slot, so each change is one script: it writes an upload's state, event, lease and
queue entry, and publishes the event, entirely or not at all. The next record is computed in this process by the pure
functions of `roomcast.uploads.model` and written by compare-and-set; a writer that loses a race computes it again.

Run Redis with an append-only file: what Redis loses is lost, and after a restart without data every upload is
`NotFound`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson
import structlog
from redis.asyncio import Redis

from roomcast.errors import IdTaken, LeaseLost, NotFound, StorageError, Unavailable, WrongState
from roomcast.ledger.actors import encode_actor, this_server
from roomcast.ledger.contract import (
    CLEANUP_SECONDS,
    EVENT_LOG_LENGTH,
    Claim,
    DueCleanup,
    IncompatibleSchema,
    Listener,
    Observer,
    Page,
    QueueStats,
    RecordConflict,
    RecordWrite,
    Renewal,
    Replay,
    UploadFilter,
    too_many,
)
from roomcast.ledger.lease_tokens import Lease, new_token
from roomcast.ledger.redis.administration import RedisAdministration
from roomcast.ledger.redis.event_writer import EventWriter
from roomcast.ledger.redis.listing import RedisListing
from roomcast.ledger.redis.progress_batcher import ProgressBatcher
from roomcast.ledger.redis.pubsub import PubSub
from roomcast.ledger.redis.queue import RedisQueue, entry_of
from roomcast.ledger.redis.scripts import (
    APPEND_AND_MOVE,
    CLAIM,
    CLAIM_CLEANUP,
    CLAIM_NEXT,
    CREATE,
    EXPIRED,
    LAST_SEQS,
    PRUNE,
    READ,
    REMOVE,
    RENEW,
    REQUEST_CANCEL,
    SET_CLEANUP,
    LedgerScripts,
)
from roomcast.ledger.redis.segments import RedisSegments
from roomcast.ledger.redis.uploads import (
    Precondition,
    Snapshot,
    Write,
    claimed,
    creation_arguments,
    event_arguments,
    record_arguments,
    stats_of_counts,
    tick_arguments,
)
from roomcast.ledger.unreadable import refuse_unreadable
from roomcast.runtime.redis_lua import RedisRefused
from roomcast.uploads.lifecycle import (
    TERMINAL,
    Entered,
    HandedBack,
    IllegalFact,
    Paused,
    Stage,
    Status,
    reopen,
)
from roomcast.uploads.model import (
    Actor,
    ApplicationEvent,
    Change,
    Tick,
    Upload,
    apply_tick,
    count_application_event,
    message,
    reset_for_retry,
    with_application_event,
)
from roomcast.uploads.transitions import lease_expired, reservation_expired

log = structlog.get_logger(__name__)

_MAX_BATCH = 500
_CHECK_EXPIRES_SECONDS = 60


class RedisLedger:
    """`Ledger` in Redis. Record stores use the same `scripts`.

    `client` (see `redis_connection.connect`) is closed with the ledger. Ledgers that share a Redis have different
    `namespace`s. Without a `clock`, Redis's own time is used.
    """

    def __init__(self, client: Redis, *, namespace: str = "roomcast", clock: Callable[[], float] | None = None) -> None:
        self._client = client
        self.scripts = LedgerScripts(client, namespace=namespace, clock=clock)
        self._time = self.scripts.time
        self._writer = EventWriter(self.scripts)
        self._queue = RedisQueue(self.scripts)
        self._listing = RedisListing(self.scripts)
        self.administration = RedisAdministration(self.scripts)
        self.segments = RedisSegments(self.scripts)
        self._ticks = ProgressBatcher(self.scripts)
        self._pubsub = PubSub(client, queue_channel=self.scripts.key("queue-moved"))
        self._claiming = asyncio.Lock()
        self._claims_failed = 0

    async def prepare(self) -> None:
        """Migrate older data; raise `IncompatibleSchema` for newer data, and `RedisRefused` for wrong credentials.

        If Redis cannot be reached or written to at the moment, log that; the first call that succeeds migrates.
        """
        try:
            await self.scripts.prepare()
            await self.check_writable()
        except IncompatibleSchema:
            raise
        except RedisRefused as error:
            if error.permanent:
                raise
        except Unavailable:
            pass  # which is logged as an outage
        except StorageError:
            log.warning("redis_not_prepared", exc_info=True)

    async def create(
        self, uploads: Sequence[Upload], *, in_flight: int | None = None, records: Sequence[RecordWrite] = ()
    ) -> None:
        limit = "" if in_flight is None else in_flight
        fields = [argument for record in records for argument in record_arguments(record)]
        fields += [argument for upload in uploads for argument in creation_arguments(upload)]
        head = (limit, uploads[0].owner, EVENT_LOG_LENGTH, len(records))
        verdict = await self.scripts.run(CREATE, *head, *fields)
        if verdict == b"too many":
            raise too_many(in_flight)
        if verdict == b"exists":
            raise IdTaken
        if verdict == b"conflict":
            raise RecordConflict("The record was changed by another writer.")
        for upload in uploads:
            self._writer.notify_observers(None, upload)

    async def check_create(self, uploads: Sequence[Upload], *, in_flight: int | None = None) -> None:
        if in_flight is not None:
            unfinished = await self.scripts.command("SCARD", self.scripts.key("unfinished", uploads[0].owner))
            if unfinished + len(uploads) > in_flight:
                raise too_many(in_flight)
        for upload in uploads:
            if await self.scripts.command("EXISTS", self.scripts.key("upload", upload.id)):
                raise IdTaken

    async def get(self, upload_id: str) -> Upload:
        upload, _ = await self._read(upload_id, since=None)
        return upload

    async def events(self, upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        upload, bodies = await self._read(upload_id, since=max(0, since))
        gapless = epoch in (None, upload.epoch) and since <= upload.seq and len(bodies) == upload.seq - since
        return Replay(upload, [orjson.loads(body) for body in bodies] if gapless else [], gapless)

    async def last_seqs(self, upload_ids: Sequence[str]) -> dict[str, int]:
        found = await self.scripts.run(LAST_SEQS, *upload_ids) if upload_ids else []
        return {upload_id: int(seq) for upload_id, seq in zip(upload_ids, found, strict=True) if seq is not None}

    async def deployment(self) -> str:
        key = self.scripts.key("deployment")
        await self.scripts.command("SETNX", key, secrets.token_hex(8))
        found = await self.scripts.command("GET", key)
        if found is None:
            raise StorageError("Redis was emptied at this moment and has lost the id of the ledger.")
        return str(found.decode())

    async def page(
        self, owner: str | None, *, status: Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        return await self.find(UploadFilter(owner, status), cursor=cursor, limit=limit)

    async def find(
        self, wanted: UploadFilter, *, oldest_first: bool = False, cursor: str | None = None, limit: int = 50
    ) -> Page:
        return await self._listing.find(wanted, oldest_first=oldest_first, cursor=cursor, limit=limit)

    async def stats(self, *, since: float, failures: int) -> QueueStats:
        return stats_of_counts(await self._queue.stats(since=since, failures=failures))

    async def check_writable(self) -> None:
        await self.scripts.command("SET", self.scripts.key("check"), "", "EX", _CHECK_EXPIRES_SECONDS)

    async def queue(self) -> list[str]:
        return await self._queue.order()

    async def active_ids(self) -> list[str]:
        return await self._queue.active_ids()

    async def append(self, upload_id: str, change: Change, *, token: str | None = None) -> Upload:
        precondition = Precondition.FREE if token is None else Precondition.HOLDER
        pauses = isinstance(change.fact, Paused)

        def next_write(snapshot: Snapshot) -> Write:
            upload = self._writer.next_record(snapshot, change)
            return Write(snapshot, upload, precondition, pauses=pauses, actor=change.actor)

        return await self._writer.advance(upload_id, next_write, precondition, token or "")

    async def emit(self, upload_id: str, event: ApplicationEvent) -> Upload:
        written, snapshot = False, await self._writer.load(upload_id)
        while not written:
            refuse_unreadable(snapshot.upload)
            upload = count_application_event(snapshot.view)
            write = Write(snapshot, upload, Precondition.FREE, application_event=event)
            written, snapshot = await self._writer.write(write)
        return snapshot.upload

    async def emit_latest(self, upload_id: str, event: ApplicationEvent) -> None:
        body = with_application_event(message(await self.get(upload_id)), event)
        await self.scripts.command("PUBLISH", self.scripts.key("notices", upload_id), b"t" + orjson.dumps(body))

    async def tick(self, upload_id: str, tick: Tick, *, token: str) -> None:
        try:
            snapshot = self._writer.cached(upload_id, token) or await self._writer.load(upload_id)
            view = apply_tick(snapshot.view, tick, self._time.now())
        except (NotFound, IllegalFact):
            return
        if snapshot.token != token:
            return
        if self._writer.cached(upload_id, token):
            # The holder's next event starts from this tick, whichever of the two reaches Redis first.
            self._writer.remember(replace(snapshot, view=view))
        ticks = await self._ticks.send(upload_id, tick_arguments(view, token))
        cached = self._writer.cached(upload_id, token)
        if cached and ticks < 0:
            self._writer.forget(upload_id)
        elif cached and cached.upload.seq == view.seq:
            self._writer.remember(replace(cached, ticks=ticks))

    async def claim(self, upload_id: str, *, holder: str, seconds: float, steal: bool = False) -> Claim:
        token = new_token(holder, self._time.now())
        reply = await self.scripts.run(CLAIM, upload_id, token, repr(seconds), "1" if steal else "")
        snapshot = self._writer.snapshot(reply)
        if reply[0] == b"not receiving":
            raise WrongState(f"The upload is {snapshot.upload.stage}; it takes no more bytes.")
        if reply[0] == b"leased already":
            raise WrongState("The file is arriving already.")
        return self._claimed(snapshot)

    async def claim_next(self, *, holder: str, seconds: float, videos: bool = True) -> Claim | None:
        failures = self._claims_failed
        # One claim at a time: the workers of this process would otherwise all compete for the same first upload.
        async with self._claiming:
            if self._claims_failed > failures:  # Redis failed while this call waited: do not wait again
                raise Unavailable("The ledger could not be reached.")
            try:
                return await self._claim_first(holder, seconds, videos=videos)
            except StorageError:
                self._claims_failed += 1
                raise

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        reply = await self.scripts.run(RENEW, lease.upload_id, lease.token, repr(seconds))
        now = self._writer.synced(reply)
        if reply[0] != b"renewed":
            self._writer.forget(lease.upload_id)
            if reply[0] == b"missing":
                raise NotFound("There is no such upload.")
            raise LeaseLost("The lease on the upload is lost.")
        return Renewal(replace(lease, expires_at=now + seconds), cancel_requested=bool(reply[2]))

    async def release(self, lease: Lease, *, text: str) -> Upload:
        return await self.append(lease.upload_id, Change(HandedBack(), text), token=lease.token)

    async def request_cancel(self, upload_id: str, change: Change) -> Upload:
        while True:
            reply = await self.scripts.run(REQUEST_CANCEL, upload_id, encode_actor(change.actor or this_server()))
            snapshot = self._writer.snapshot(reply)
            if reply[0] == b"requested" or snapshot.upload.stage is Stage.CANCELLED:
                return snapshot.view
            if snapshot.upload.state.terminal:
                raise WrongState(f"The upload is {snapshot.upload.stage} already.")
            write = Write(snapshot, self._writer.next_record(snapshot, change), Precondition.FREE, actor=change.actor)
            written, after = await self._writer.write(write)
            if written:
                return after.upload

    async def reopen(self, upload_id: str, *, source_stored: bool, actor: Actor | None = None) -> Upload:
        def next_write(snapshot: Snapshot) -> Write:
            state = reopen(snapshot.upload.state, source_stored=source_stored)
            upload = reset_for_retry(snapshot.upload, state, self._time.now())
            return Write(snapshot, upload, Precondition.CLEAN, actor=actor)

        return await self._writer.advance(upload_id, next_write, Precondition.CLEAN, "")

    async def expire_leases(self, *, reserved_seconds: float) -> list[Upload]:
        reply = await self.scripts.run(EXPIRED, repr(reserved_seconds), _MAX_BATCH)
        now = self._writer.synced(reply)
        writes = [
            self._settled(Snapshot.of(fields, now), is_planned=plan_id is not None, advanced=bool(advanced))
            for fields, (advanced, plan_id) in zip(*reply[2:], strict=True)
        ]
        replies = await self.scripts.run_all(APPEND_AND_MOVE, [write.arguments() for write in writes])
        # A refused write was overtaken: the upload has a holder again, or the next call finds it.
        settled = [write for write, reply in zip(writes, replies, strict=True) if reply[0] == b"written"]
        for write in settled:
            self._writer.forget(write.upload.id)
            self._writer.notify_observers(write.before.upload, write.upload)
        return [write.upload for write in settled]

    async def prune(self, *, retention_seconds: float) -> list[str]:
        pruned = await self.scripts.run(PRUNE, repr(retention_seconds), _MAX_BATCH, *sorted(TERMINAL))
        return [upload_id.decode() for upload_id in pruned]

    async def claim_cleanup(self, upload_id: str | None = None) -> DueCleanup | None:
        reply = await self.scripts.run(CLAIM_CLEANUP, upload_id or "", repr(CLEANUP_SECONDS))
        now = self._writer.synced(reply)
        return DueCleanup(now, Snapshot.of(reply[2], now).upload) if reply[0] == b"claimed" else None

    async def set_cleanup(self, upload_id: str, at: float | None) -> None:
        await self.scripts.run(SET_CLEANUP, upload_id, "" if at is None else repr(at))

    async def remove(self, upload_id: str) -> None:
        await self.scripts.run(REMOVE, upload_id)

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        return self._pubsub.add_listener(listener)

    def add_observer(self, observer: Observer) -> None:
        self._writer.observers.append(observer)

    async def subscribe(self, upload_id: str) -> None:
        """Raise `StorageError` if Redis does not confirm the subscription in time."""
        await self._pubsub.subscribe(self.scripts.key("notices", upload_id))

    def unsubscribe(self, upload_id: str) -> None:
        self._pubsub.unsubscribe(self.scripts.key("notices", upload_id))

    def connected(self) -> bool:
        return self._pubsub.connected()

    async def close(self) -> None:
        await self._ticks.close()
        await self._pubsub.close()
        await self.scripts.close()
        await self._client.aclose()

    async def _read(self, upload_id: str, *, since: int | None) -> tuple[Upload, list[bytes]]:
        """Return the upload with its queue position, and the bodies of its events after `since`."""
        reply = await self.scripts.run(READ, upload_id, "" if since is None else since)
        view = self._writer.snapshot(reply).view
        *_, position, bodies, paused = reply
        if position or paused:
            view = replace(view, queue_position=position, template_paused=bool(paused))
        return view, bodies

    async def _claim_first(self, holder: str, seconds: float, *, videos: bool) -> Claim | None:
        change = Change(Entered(Stage.FETCHING), "A worker has taken it")
        set_aside: set[str] = set()
        which = (holder, "1" if videos else "")
        reply = await self.scripts.run(CLAIM_NEXT, "", "", *which)
        while reply[0] == b"next":
            first = self._writer.snapshot(reply)
            try:
                upload = self._writer.next_record(first, change)
            except IllegalFact:
                if first.upload.id in set_aside:
                    raise
                set_aside.add(first.upload.id)
                await self._writer.write(first.unreadable(Precondition.FREE))
                reply = await self.scripts.run(CLAIM_NEXT, "", "", *which)
                continue
            token = new_token(holder, self._time.now())
            event = event_arguments(first.upload, upload, Actor("worker", holder))
            event = (token, repr(seconds), *event, entry_of(upload))
            reply = await self.scripts.run(CLAIM_NEXT, upload.id, first.upload.seq, *which, *event)
            if reply[0] == b"claimed":
                now = self._writer.synced(reply)
                self._writer.notify_observers(first.upload, upload)
                return self._claimed(claimed(upload, token, now + seconds, now))
        return None

    def _settled(self, snapshot: Snapshot, *, is_planned: bool, advanced: bool) -> Write:
        """Return the event of an upload whose lease or reservation has expired, or that sets it aside."""
        if snapshot.token:
            change = lease_expired(
                snapshot.upload,
                cancel_requested=snapshot.cancel_requested,
                is_planned=is_planned,
                advanced=advanced,
            )
            precondition = Precondition.EXPIRED
        else:
            change, precondition = reservation_expired(snapshot.upload), Precondition.FREE
        try:
            upload = self._writer.next_record(snapshot, change)
        except IllegalFact:
            return snapshot.unreadable(precondition)
        return Write(snapshot, upload, precondition, pauses=isinstance(change.fact, Paused))

    def _claimed(self, snapshot: Snapshot) -> Claim:
        self._writer.remember(snapshot)
        return Claim(snapshot.upload, Lease(snapshot.upload.id, snapshot.token, snapshot.expires_at))
