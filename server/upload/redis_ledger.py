"""The ledger of many processes: Redis.

The truth of an upload is its own state (`redis_uploads`), which changes only by compare-and-set: whoever loses the race
works out the next record again. Where to find uploads are hints (`redis_index`), written around that: an upload is
announced before it is created or starts over, and placed after it has moved. A process that dies in between leaves a
hint that is wrong, which `reap` puts right. It never leaves an upload that nobody finds; and none is worked on twice,
for a worker that takes an id from the queue still has to win the upload itself.

What Redis loses is lost: run it with an append-only file. After a restart from nothing every upload is `NotFound`.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson
import structlog
from redis.asyncio import Redis

from server.upload.errors import LeaseLost, Malformed, NotFound, RoomcastError, StorageError, WrongState
from server.upload.events import Change, Tick, Upload, apply, fold, restarted
from server.upload.lapse import heeding, lapsed, unused
from server.upload.ledger import Claim, Held, Lease, Listener, Observer, Page, Renewal, Replay, Standing, new_token
from server.upload.lifecycle import WORKING, Entered, HandedBack, IllegalFact, Paused, Stage, Status, reopen
from server.upload.redis_index import RedisIndex
from server.upload.redis_notices import Notices
from server.upload.redis_scripts import RedisTime, Scripts
from server.upload.redis_ticks import Ticks
from server.upload.redis_uploads import Guard, RedisUploads, Seen

log = structlog.get_logger(__name__)

_PAGE_READ = 100
_FORGET_LATER_SECONDS = 3600.0
_POSITION = re.compile(r"\d{10}\.\d{6}\|\w+", re.ASCII)

Make = Callable[[Seen], Upload]
"""Works out the next record; raises when there is none."""


class RedisLedger:
    """See `server.upload.ledger.Ledger`, the contract.

    `client` (see `redis_connection.connect`) becomes the ledger's, and is closed with it. What shares a Redis with
    others of its kind has a `namespace` of its own. `retention_seconds` is how long after their end uploads are
    expected to be forgotten; Redis does it by itself an hour later. Without a `clock`, Redis's own time counts.
    """

    def __init__(
        self,
        client: Redis,
        *,
        namespace: str = "roomcast",
        retention_seconds: float = 86400.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._client = client
        self._deployment_key = f"{namespace}:deployment"
        self._scripts = scripts = Scripts(client)
        self._time = RedisTime(clock)
        keep_seconds = retention_seconds + _FORGET_LATER_SECONDS
        self._uploads = RedisUploads(scripts, self._time, namespace=namespace, keep_seconds=keep_seconds)
        self._index = RedisIndex(scripts, self._time, namespace=namespace)
        self._ticks = Ticks(scripts)
        self._notices = Notices(client, queue_channel=self._index.channel)
        # What was claimed through this object, as it was last seen: its holder need not read before it writes.
        self._held: dict[str, Seen] = {}
        self._observers: list[Observer] = []

    async def create(self, uploads: Sequence[Upload], *, in_flight: int | None = None) -> None:
        deadline = await self._index.announce(uploads, in_flight=in_flight)
        await self._uploads.create(uploads, deadline=deadline)
        for upload in uploads:
            self._observed(None, upload)

    async def get(self, upload_id: str) -> Upload:
        return await self._with_position(await self._uploads.look(upload_id))

    async def events(self, upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        seen, bodies = await self._uploads.replay(upload_id, since)
        upload = await self._with_position(seen)
        whole = epoch in (None, upload.epoch) and since <= upload.seq and len(bodies) == upload.seq - since
        return Replay(upload, [orjson.loads(body) for body in bodies] if whole else [], whole)

    async def positions(self, upload_ids: Sequence[str]) -> dict[str, int]:
        return await self._uploads.positions(upload_ids)

    async def page(
        self, owner: str | None, *, status: Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        after = _position(cursor) if cursor else None
        found: list[tuple[Upload, str]] = []
        while len(found) <= limit:
            most = max(_PAGE_READ, limit + 1)
            if owner is None:
                listed = await self._index.everybodys(status, after=after, most=most)
            else:
                listed = await self._index.listed(owner, after=after, most=most)
            if not listed:
                break
            after = listed[-1].position
            seen = await self._uploads.look_at_all([one.upload_id for one in listed])
            found += [
                (there.view, one.position)
                for one, there in zip(listed, seen, strict=True)
                if there and status in (None, there.view.state.status)
            ]
        uploads = [upload for upload, _ in found[:limit]]
        return Page(uploads, _as_cursor(found[limit - 1][1]) if len(found) > limit else None)

    async def standing(self, *, since: float, failures: int) -> Standing:
        counted = await self._index.standing(since=since, failures=failures)
        seen = await self._uploads.look_at_all([*counted.working, *counted.failed])
        working, failed = seen[: len(counted.working)], seen[len(counted.working) :]
        leased = [
            Held.by(one.token, one.view, one.expires_at) for one in working if one and one.upload.stage in WORKING
        ]
        return Standing(
            waiting=counted.waiting,
            waiting_since=counted.waiting_since,
            delayed=counted.delayed,
            unfinished=counted.unfinished,
            held=sorted(leased, key=lambda one: one.since),
            ended=counted.ended,
            failures=[one.upload for one in failed if one and one.upload.stage is Stage.FAILED],
        )

    async def queue(self) -> list[str]:
        return await self._index.queue()

    async def unfinished(self) -> list[str]:
        return await self._index.unfinished()

    async def deployment(self) -> str:
        found = await self._scripts.command("GET", self._deployment_key)
        if found is None:
            await self._scripts.command("SETNX", self._deployment_key, secrets.token_hex(8))
            found = await self._scripts.command("GET", self._deployment_key)
        if found is None:
            raise StorageError("The ledger forgot what it was told.")
        return str(found.decode())

    async def append(self, upload_id: str, change: Change, *, token: str | None = None) -> Upload:
        guard = Guard.FREE if token is None else Guard.HOLDER
        pauses = isinstance(change.fact, Paused)
        return await self._advance(
            upload_id, lambda seen: self._applied(seen, change), guard, token or "", pauses=pauses
        )

    async def tick(self, upload_id: str, tick: Tick, *, token: str) -> None:
        try:
            seen = self._known(upload_id, token) or await self._uploads.look(upload_id)
            view = fold(seen.view, tick, self._time.now())
        except (NotFound, IllegalFact):
            return
        if seen.token != token:
            return
        if self._known(upload_id, token):
            # The holder's next event starts from this reading, whichever of the two reaches Redis first.
            self._held[upload_id] = replace(seen, view=view)
        ticks = await self._ticks.send(upload_id, self._uploads.tick(view, token))
        held = self._known(upload_id, token)
        if held and ticks < 0:
            del self._held[upload_id]
        elif held and held.upload.seq == view.seq:
            self._held[upload_id] = replace(held, ticks=ticks)

    async def claim(self, upload_id: str, *, holder: str, seconds: float, over: bool = False) -> Claim:
        seen = await self._uploads.lease(upload_id, new_token(holder, self._time.now()), seconds, over=over)
        self._held[upload_id] = seen
        await self._place(seen)
        return Claim(seen.upload, Lease(upload_id, seen.token, seen.expires_at))

    async def claim_next(self, *, holder: str, seconds: float) -> Claim | None:
        change = Change(Entered(Stage.FETCHING), "A worker has taken it")
        while upload_id := await self._index.take(seconds=seconds):
            try:
                seen = await self._write(
                    await self._uploads.look(upload_id),
                    lambda seen: self._applied(seen, change),
                    Guard.FREE,
                    lease=new_token(holder, self._time.now()),
                    seconds=seconds,
                )
            except (NotFound, WrongState):
                await self._put_right([upload_id])  # the queue was behind; on to the next
                continue
            self._held[upload_id] = seen
            await self._place(seen)
            return Claim(seen.upload, Lease(upload_id, seen.token, seen.expires_at))
        return None

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        try:
            return await self._uploads.renew(lease, seconds)
        except (NotFound, LeaseLost):
            self._held.pop(lease.upload_id, None)
            raise

    async def release(self, lease: Lease, *, text: str) -> Upload:
        return await self.append(lease.upload_id, Change(HandedBack(), text), token=lease.token)

    async def request_cancel(self, upload_id: str, change: Change) -> Upload:
        while True:
            asked, seen = await self._uploads.ask_to_cancel(upload_id)
            if asked or seen.upload.stage is Stage.CANCELLED:
                return await self._with_position(seen)
            if seen.upload.state.terminal:
                raise WrongState(f"The upload is {seen.upload.stage} already.")
            written, seen = await self._store(seen, self._applied(seen, change), Guard.FREE)
            if written:
                await self._place(seen)
                return seen.upload

    async def reopen(self, upload_id: str, *, source_kept: bool) -> Upload:
        def make(seen: Seen) -> Upload:
            state = reopen(seen.upload.state, source_kept=source_kept)
            return restarted(seen.upload, state, self._time.now())

        make(await self._uploads.look(upload_id))
        await self._index.announce_again(upload_id)
        return await self._advance(upload_id, make, Guard.FREE, "")

    async def reap(self, *, reserved_before: float) -> list[Upload]:
        """See the contract. What was looked at is also placed where it belongs."""
        upload_ids = await self._index.due(reserved_before)
        settled = []
        there, missing = await self._sort_out(upload_ids)
        for seen in there:
            change, guard = None, Guard.FREE
            if seen.lapsed:
                change, guard = lapsed(seen.upload, cancel_requested=seen.cancel_requested), Guard.LAPSED
            elif seen.upload.stage is Stage.RECEIVING and not seen.token and seen.upload.updated_at < reserved_before:
                change = unused(seen.upload)
            if change:
                pauses = isinstance(change.fact, Paused)
                written, after = await self._store(seen, self._applied(seen, change), guard, pauses=pauses)
                settled += [after] if written else []
        # What was overtaken meanwhile is placed by whoever overtook us; an older word than theirs does no harm.
        now_seen = {seen.upload.id: seen for seen in (*there, *settled)}
        await self._index.place(list(now_seen.values()))
        await self._index.drop(missing, only_if_due=True)
        for seen in settled:
            self._held.pop(seen.upload.id, None)
        return [seen.upload for seen in settled]

    async def expire(self, finished_before: float) -> list[str]:
        there, gone = await self._sort_out(await self._index.finished(finished_before))
        ended = [seen for seen in there if seen.upload.state.terminal and seen.upload.updated_at < finished_before]
        forgotten = [seen for seen, done in zip(ended, await self._uploads.forget(ended), strict=True) if done]
        expired = gone + [seen.upload.id for seen in forgotten]
        await self._index.drop(expired, only_if_due=False)
        await self._put_right([seen.upload.id for seen in there if seen.upload.id not in expired])
        return expired

    def listen(self, listener: Listener) -> Callable[[], None]:
        return self._notices.listen(listener)

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def follow(self, upload_id: str) -> None:
        """See the contract; `StorageError` when Redis does not confirm it in time."""
        await self._notices.follow(self._uploads.channel(upload_id))

    def unfollow(self, upload_id: str) -> None:
        self._notices.unfollow(self._uploads.channel(upload_id))

    def listening(self) -> bool:
        return self._notices.listening()

    async def close(self) -> None:
        await self._ticks.close()
        await self._notices.close()
        await self._client.aclose()

    async def _advance(self, upload_id: str, make: Make, guard: Guard, token: str, *, pauses: bool = False) -> Upload:
        """Make one event, and place the upload if it is now to be found elsewhere."""
        known = self._known(upload_id, token)
        seen = known or await self._uploads.look(upload_id)
        try:
            seen = await self._write(seen, make, guard, token=token, sure=not known, pauses=pauses)
        except (NotFound, LeaseLost):
            self._held.pop(upload_id, None)
            raise
        idle = seen.upload.state.terminal or seen.upload.stage is Stage.QUEUED
        if idle or seen.upload.stage is Stage.RECEIVING:
            self._held.pop(upload_id, None)
            await self._place(seen)
        elif known:
            self._held[upload_id] = seen
        return seen.upload

    async def _write(
        self,
        seen: Seen,
        make: Make,
        guard: Guard,
        *,
        token: str = "",
        sure: bool = True,
        pauses: bool = False,
        lease: str = "",
        seconds: float = 0.0,
    ) -> Seen:
        """Compare and set until it is done or refused. Unless `sure`, `seen` may be old: look before refusing."""
        while True:
            try:
                if sure:
                    seen.check(guard, token)
                upload = make(seen)
            except RoomcastError:
                if sure:
                    raise
                seen, sure = await self._uploads.look(seen.upload.id), True
                continue
            written, seen = await self._store(seen, upload, guard, pauses=pauses, lease=lease, seconds=seconds)
            if written:
                return seen
            sure = True

    async def _store(
        self, seen: Seen, upload: Upload, guard: Guard, *, pauses: bool = False, lease: str = "", seconds: float = 0.0
    ) -> tuple[bool, Seen]:
        """`RedisUploads.write`, of which observers hear."""
        written, after = await self._uploads.write(seen, upload, guard, pauses=pauses, lease=lease, seconds=seconds)
        if written:
            self._observed(seen.upload, upload)
        return written, after

    def _observed(self, before: Upload | None, after: Upload) -> None:
        for observer in self._observers:
            observer(before, after)

    def _applied(self, seen: Seen, change: Change) -> Upload:
        heeded = heeding(change, seen.upload.stage, cancel_requested=seen.cancel_requested)
        return apply(seen.view, heeded, self._time.now())

    async def _place(self, seen: Seen) -> None:
        """The upload has moved, and that stands; if the hint cannot be written now, `reap` will write it."""
        try:
            await self._index.place([seen])
        except StorageError:
            log.warning("hint not written", upload=seen.upload.id, stage=seen.upload.stage)

    async def _put_right(self, upload_ids: Sequence[str]) -> None:
        """Place uploads as they are; drop those that are not there."""
        there, missing = await self._sort_out(upload_ids)
        await self._index.place(there)
        await self._index.drop(missing, only_if_due=True)

    async def _sort_out(self, upload_ids: Sequence[str]) -> tuple[list[Seen], list[str]]:
        """The uploads that are there, as they are, and the ids of those that are not."""
        seen = await self._uploads.look_at_all(upload_ids)
        there = [one for one in seen if one]
        return there, [upload_id for upload_id, one in zip(upload_ids, seen, strict=True) if one is None]

    async def _with_position(self, seen: Seen) -> Upload:
        if seen.upload.stage is not Stage.QUEUED:
            return seen.view
        return replace(seen.view, queue_position=await self._index.position(seen.upload.id))

    def _known(self, upload_id: str, token: str) -> Seen | None:
        held = self._held.get(upload_id)
        return held if held and held.token == token else None


def _as_cursor(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


def _position(cursor: str) -> str:
    try:
        position = base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError as error:
        raise Malformed("The cursor is not one that this server gave.") from error
    if not _POSITION.fullmatch(position):
        raise Malformed("The cursor is not one that this server gave.")
    return position
