"""Call an application's listeners with the events of uploads: at least once, in order for each upload and listener.

Events are read from the ledger's log, and a cursor beside it records how far each listener has come. The cursor is
written in one transaction with its upload, and claimed by one web process at a time. So an event is delivered whichever
process dies, and again if one dies between the call and the record of it. A listener that fails is called again with
the same event, and no other listener and no other upload waits for it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

import structlog

from roomcast.assemblies.event_cursors import LISTENER_GIVE_UP_SECONDS, EventCursor
from roomcast.assemblies.store import RecordStore
from roomcast.errors import NotFound, RoomcastError
from roomcast.extensions.calls import FunctionCalls
from roomcast.extensions.contract import EventListener
from roomcast.extensions.registry import name_of
from roomcast.ledger.contract import Ledger, Replay
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.tasks import cancel_and_wait, log_failure, periodic
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message

log = structlog.get_logger(__name__)

LISTENER_SECONDS = 60.0
"""How long a listener may take."""

_LEASE_SECONDS = 10.0
"""How long a claimed cursor is leased. The lease is renewed while listeners run."""

_POLL_SECONDS = 1.0
_BACKSTOP_SECONDS = 600.0
"""When the cursor of an ended upload is due again, because it may have started over or been deleted."""

_UNOBSERVED_SECONDS = 30.0
"""When the cursor of an active upload is due again whose every event makes it due at once."""

_MAX_DELIVERING = 64
_DELETED = "deleted"
_ENDS = {Stage.DONE: "completed", Stage.FAILED: "error", Stage.CANCELLED: "cancelled", Stage.DELETED: _DELETED}


@dataclass(frozen=True)
class NamedListener:
    """A listener to the events of one name. `name` identifies it across restarts and processes."""

    name: str
    event: str
    function: EventListener


def named_listeners(listeners: Mapping[str, Sequence[EventListener]]) -> Iterator[NamedListener]:
    """Yield the listeners with unique names: the event, the function, and a number if that has been added before."""
    known: dict[str, int] = {}
    for event, functions in listeners.items():
        for function in functions:
            name = f"{event} {name_of(function)}"
            known[name] = number = known.get(name, 0) + 1
            yield NamedListener(name if number == 1 else f"{name} {number}", event, function)


def event_names(before: Message | None, event: Message) -> set[str]:
    """Return the names of what an event of the log means to listeners. `before` is the event before it, if any."""
    if "event" in event:
        return set()
    names = set()
    if before is None:
        names.add("created")
    elif before["status"] != event["status"]:
        names.add("status")
    changed = before is None or before["stage"] != event["stage"]
    if changed and (name := _ENDS.get(Stage(event["stage"]))):
        names.add(name)
    return names


class EventDelivery:
    """The delivery of events in one web process.

    `every_event`: this process makes every event of the ledger, so it need not wait for the next poll.
    """

    def __init__(
        self,
        cursors: RecordStore[EventCursor],
        ledger: Ledger,
        listeners: Mapping[str, Sequence[EventListener]],
        *,
        every_event: bool,
        listener_seconds: float = LISTENER_SECONDS,
    ) -> None:
        self._cursors = cursors
        self._ledger = ledger
        self._listeners = tuple(named_listeners(listeners))
        # Each has threads of its own, and at most one per upload: one that never returns blocks no other.
        self._calls = {listener: FunctionCalls(deadline_seconds=listener_seconds) for listener in self._listeners}
        self._every_event = every_event
        self._woken = asyncio.Event()
        self._delivering: dict[str, asyncio.Task[None]] = {}
        self._changed: set[str] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver events for the duration of the context. Calls that are cut off then are repeated later."""
        if self._every_event:
            self._ledger.add_observer(self._on_event)
        with log_failure("event_cursors_not_added"):
            await self._add_missing()
        try:
            async with periodic(
                self.deliver_due,
                _POLL_SECONDS,
                name="application events",
                wake=self._woken,
                failure_event="event_delivery_poll_failed",
            ):
                yield
        finally:
            await cancel_and_wait(*self._delivering.values())
            for calls in self._calls.values():
                calls.close()

    def _on_event(self, _: Upload | None, after: Upload) -> None:
        self._changed.add(EventCursor.key_for(after))
        self._woken.set()

    async def _add_missing(self) -> None:
        """Add the cursors of active uploads that were created without: their events from now on are delivered."""
        for upload_id in await self._ledger.active_ids():
            with suppress(NotFound):
                upload = await self._ledger.get(upload_id)
                if not upload.is_partial:
                    await self._cursors.add(EventCursor.new(upload, settled_seq=upload.seq))

    async def deliver_due(self) -> None:
        """Start to deliver the events of cursors that are due, of up to `_MAX_DELIVERING` uploads at a time."""
        await self._make_changed_due()
        free = _MAX_DELIVERING - len(self._delivering)
        for cursor in await self._cursors.claim_due(limit=free, seconds=_LEASE_SECONDS) if free else ():
            if cursor.id not in self._delivering:
                self._delivering[cursor.id] = delivering = asyncio.create_task(self._deliver_leased(cursor))
                delivering.add_done_callback(partial(self._on_delivered, cursor.id))

    async def _make_changed_due(self) -> None:
        """Make the cursors due whose uploads have changed, unless they are being delivered."""
        changed, self._changed = self._changed - self._delivering.keys(), self._changed & self._delivering.keys()
        now = unix_time()
        for cursor_id in changed:
            with suppress(NotFound):
                await self._cursors.update(cursor_id, lambda found: _due_by(found, now))

    def _on_delivered(self, cursor_id: str, _: asyncio.Task[None]) -> None:
        del self._delivering[cursor_id]
        if self._changed:
            self._woken.set()

    async def _deliver_leased(self, cursor: EventCursor) -> None:
        """Deliver the events of one upload, and renew the lease of its cursor meanwhile."""
        renewing = asyncio.create_task(self._renew(cursor.id))
        try:
            await self.deliver(cursor)
        except RoomcastError as error:
            log.warning("events_not_delivered", upload=cursor.upload_id, reason=error.message)
        except Exception:
            log.exception("events_not_delivered", upload=cursor.upload_id)
        finally:
            await cancel_and_wait(renewing)

    async def _renew(self, cursor_id: str) -> None:
        while True:
            await asyncio.sleep(_LEASE_SECONDS / 3)
            leased_until = unix_time() + _LEASE_SECONDS
            with suppress(RoomcastError):
                await self._cursors.update(cursor_id, partial(replace, due_at=leased_until))

    async def deliver(self, cursor: EventCursor) -> None:
        """Call every listener with the events that it has not handled, and set when the cursor is due next."""
        try:
            await asyncio.gather(*(self._deliver_to(listener, cursor) for listener in self._listeners))
            upload = (await self._read(cursor, cursor.settled_seq)).upload
        except NotFound:
            await self._deliver_deletion(cursor)
            return
        await self._cursors.update(cursor.id, lambda found: self._next(found, upload))

    def _next(self, found: EventCursor, upload: Upload) -> EventCursor:
        """Return the cursor as it is until it is due again."""
        now = unix_time()
        positions = [found.position(listener.name) for listener in self._listeners]
        retries = [position.retry_at for position in positions if position.failures]
        if not retries and all(position.seq >= upload.seq for position in positions):
            ended = upload.state.terminal and upload.stage is not Stage.DELETED
            later = _BACKSTOP_SECONDS if ended else _UNOBSERVED_SECONDS if self._every_event else _POLL_SECONDS
            return replace(found.settled(upload), due_at=now + later)
        return replace(found, last=upload, due_at=min([now + _POLL_SECONDS, *retries]))

    async def _read(self, cursor: EventCursor, since: int) -> Replay:
        """Return the upload with its events; raise `NotFound` if it, or this incarnation of it, does not exist."""
        replay = await self._ledger.events(cursor.upload_id, since=since)
        if replay.upload.epoch != cursor.epoch:
            raise NotFound("There is another upload with this id.")
        return replay

    async def _deliver_to(self, listener: NamedListener, cursor: EventCursor) -> None:
        """Call one listener with its events, until it fails."""
        position = cursor.position(listener.name)
        if position.failures and position.retry_at > unix_time():
            return
        replay = await self._read(cursor, max(0, position.seq - 1))
        events, before = replay.events, None
        if not replay.gapless:  # the log does not reach back so far
            events = [message(replay.upload)]
            before = _unknown(events[0])
        elif position.seq:
            before = events.pop(0)
        for event in events:
            matches = listener.event in event_names(before, event)
            if matches and not await self._call(listener, cursor, _upload_at(replay.upload, event)):
                return
            before = event
        if events:
            seq = events[-1]["seq"]
            await self._cursors.update(cursor.id, lambda found: found.handled(listener.name, seq))

    async def _call(self, listener: NamedListener, cursor: EventCursor, upload: Upload) -> bool:
        """Call a listener, record the outcome, and return whether it is done with the event."""
        try:
            await self._calls[listener].call(listener.function, upload, once_for=cursor.id)
        except RoomcastError as error:
            now, jitter = unix_time(), random.random()  # noqa: S311 - it spreads load and guards no secret
            after = await self._cursors.update(cursor.id, lambda found: found.failed(listener.name, now, jitter=jitter))
            position = after.position(listener.name)
            log.warning(
                "listener_failed",
                listener=listener.name,
                upload=upload.id,
                seq=upload.seq,
                failures=position.failures,
                reason=error.message,
            )
            if now - position.failing_since < LISTENER_GIVE_UP_SECONDS:
                return False
            log.exception("listener_gave_up", listener=listener.name, upload=upload.id, seq=upload.seq)
        await self._cursors.update(cursor.id, lambda found: found.handled(listener.name, upload.seq))
        return True

    async def _deliver_deletion(self, cursor: EventCursor) -> None:
        """Call the listeners of `deleted` for an upload that does not exist any more, unless its log has said so."""
        last = cursor.last
        if last is not None and last.stage is not Stage.DELETED:
            gone = replace(last, seq=last.seq + 1, state=replace(last.state, stage=Stage.DELETED))
            waiting = [one for one in self._listeners if one.event == _DELETED]
            waiting = [one for one in waiting if cursor.position(one.name).seq < gone.seq]
            outcomes = await asyncio.gather(*(self._call(listener, cursor, gone) for listener in waiting))
            if not all(outcomes):
                due_at = unix_time() + _POLL_SECONDS
                await self._cursors.update(cursor.id, partial(replace, due_at=due_at))
                return
        await self._cursors.delete(cursor.id)


def _due_by(cursor: EventCursor, at: float) -> EventCursor:
    return replace(cursor, due_at=at if cursor.due_at is None else min(cursor.due_at, at))


def _unknown(event: Message) -> Message:
    """Return what precedes an event of whose predecessors nothing is known."""
    return {**event, "status": "", "stage": ""}  # type: ignore[typeddict-item]


def _upload_at(upload: Upload, event: Message) -> Upload:
    """Return the record as it was after an event of its log, as far as the log has it."""
    stage = Stage(event["stage"])
    state = replace(
        upload.state,
        stage=stage,
        stage_progress=event["stageProgress"],
        progress=event["progress"],
        attempt=event["attempt"],
    )
    ended = event["status"] == Status.COMPLETED
    return replace(
        upload,
        seq=event["seq"],
        state=state,
        text=event["message"],
        bytes_received=event["bytesReceived"],
        bytes_expected=event["bytesExpected"],
        element=upload.element if ended else None,
        error=event.get("error"),
    )
