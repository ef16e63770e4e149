"""The relay: carries what the ledger says to whoever watches in this process.

A position in an upload's log is (epoch, seq). For every upload that somebody here watches, the relay knows the last
`seq` it delivered. A notice that continues it is delivered as it is; one that leaves a gap makes the relay read the
ledger from where it stands; one from the past is dropped. So every watcher gets every event once and in order, and a
lost notice costs time but no event: a slow poll reads again what nobody spoke of.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from roomcast.errors import Code, NotFound
from roomcast.ledger.contract import ChangeNotice, Ledger, Replay
from roomcast.runtime.tasks import cancel_and_wait, start_background_task
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import message, timestamp

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
_PLACES_SECONDS = 0.5


class Watcher(Protocol):
    """Whoever wants to hear of one upload. Called on the event loop; must not block and must not raise."""

    def on_event(self, event: Message, *, new_status: bool) -> None:
        """The next event; `new_status` when its status differs from the one before."""

    def on_tick(self, tick: Message) -> None:
        """A reading since the last event. Only the latest matters."""


@dataclass(slots=True)
class _Watched:
    """One upload that is watched here, and where its watchers stand."""

    epoch: str
    seq: int
    status: str
    latest: Message
    watchers: dict[Watcher, None] = field(default_factory=dict)
    catching_up: asyncio.Task[None] | None = None
    moved_meanwhile: bool = False
    spoken_of: bool = True


@dataclass
class _Coming:
    """Those who are about to watch an upload, and the last event that passed while nobody watched it yet."""

    watchers: int = 0
    heard: int = 0


class Relay:
    """See the module. `start` and `stop` bracket its life."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._watched: dict[str, _Watched] = {}
        self._coming: dict[str, _Coming] = {}
        self._queue_moved = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._unlisten = self._ledger.listen(self)
        self._tasks = [
            start_background_task(self._poll(), "relay poll"),
            start_background_task(self._tell_places(), "relay places"),
        ]

    async def stop(self) -> None:
        self._unlisten()
        await cancel_and_wait(*self._tasks, *(one.catching_up for one in self._watched.values() if one.catching_up))

    async def watch(
        self, upload_id: str, watcher: Watcher, *, since: int | None = None, epoch: str | None = None
    ) -> Replay:
        """Begin to tell `watcher` everything after the replay that this returns: no event falls between, none twice.

        With `since`, the replay holds the events after it (see `Replay.complete`); without, only the state.
        """
        coming = self._coming.setdefault(upload_id, _Coming())
        coming.watchers += 1
        try:
            await self._ledger.follow(upload_id)
            return await self._read_and_join(upload_id, watcher, since, epoch)
        finally:
            coming.watchers -= 1
            self._unfollow_if_alone(upload_id)

    async def _read_and_join(self, upload_id: str, watcher: Watcher, since: int | None, epoch: str | None) -> Replay:
        while True:
            replay = await self._ledger.events(upload_id, since=0 if since is None else since, epoch=epoch)
            watched = self._watched.get(upload_id)
            if watched and watched.seq < replay.upload.seq:
                # Those who are here stand behind what was just read: bring them level, and read again.
                self._catch_up(upload_id, watched)
                if watched.catching_up:
                    await asyncio.wait({watched.catching_up})
            elif watched is None and self._coming[upload_id].heard > replay.upload.seq:
                continue  # it moved after it was read, and nobody was here to be told: read again
            elif watched is None or watched.seq == replay.upload.seq:
                break  # otherwise an event was delivered while we read, and nobody may go back in time
        if watched is None:
            now = message(replay.upload)
            # Nobody can have heard of event 1, which came with the id: its status is told with the next event.
            status = now["status"] if replay.upload.seq > 1 else ""
            watched = _Watched(replay.upload.epoch, replay.upload.seq, status, now)
            self._watched[upload_id] = watched
            if _waits(watched):
                self._queue_moved.set()
        watched.watchers[watcher] = None
        return replay if since is not None else Replay(replay.upload, [], complete=True)

    def unwatch(self, upload_id: str, watcher: Watcher) -> None:
        """Tell it nothing more."""
        watched = self._watched.get(upload_id)
        if watched is None or watcher not in watched.watchers:
            return
        del watched.watchers[watcher]
        if not watched.watchers:
            del self._watched[upload_id]
            self._unfollow_if_alone(upload_id)

    def _unfollow_if_alone(self, upload_id: str) -> None:
        """Nobody watches it here, and nobody is about to."""
        coming = self._coming.get(upload_id)
        if coming is None or not coming.watchers:
            self._coming.pop(upload_id, None)
            if upload_id not in self._watched:
                self._ledger.unfollow(upload_id)

    def on_queue_moved(self) -> None:
        self._queue_moved.set()

    def on_gap(self) -> None:
        self._queue_moved.set()
        for upload_id, watched in list(self._watched.items()):
            self._catch_up(upload_id, watched)

    def on_notices(self, notices: Sequence[ChangeNotice]) -> None:
        for notice in notices:
            told = notice.message
            upload_id, seq = told["uploadId"], told["seq"]
            watched = self._watched.get(upload_id)
            if watched is None:
                if notice.event and (coming := self._coming.get(upload_id)):
                    coming.heard = seq
                continue
            watched.spoken_of = True
            if watched.catching_up:
                watched.moved_meanwhile = True
                continue
            if not notice.event:
                if seq == watched.seq:
                    self._deliver_tick(watched, told)
            elif seq == watched.seq + 1:
                self._deliver_event(watched, told)
            elif seq > watched.seq:
                self._catch_up(upload_id, watched)

    def _deliver_event(self, watched: _Watched, event: Message) -> None:
        new_status = event["status"] != watched.status
        watched.seq, watched.status, watched.latest = event["seq"], event["status"], event
        for watcher in tuple(watched.watchers):
            watcher.on_event(event, new_status=new_status)

    def _deliver_tick(self, watched: _Watched, tick: Message) -> None:
        watched.latest = tick
        for watcher in tuple(watched.watchers):
            watcher.on_tick(tick)

    def _catch_up(self, upload_id: str, watched: _Watched) -> None:
        if watched.catching_up is None:
            watched.catching_up = asyncio.create_task(self._read_on(upload_id, watched))

    async def _read_on(self, upload_id: str, watched: _Watched) -> None:
        """Deliver from the ledger until nothing is left to read."""
        try:
            while True:
                watched.moved_meanwhile = False
                replay = await self._ledger.events(upload_id, since=watched.seq, epoch=watched.epoch)
                for event in replay.events:
                    self._deliver_event(watched, event)
                if not replay.complete:
                    watched.epoch = replay.upload.epoch
                    self._deliver_event(watched, message(replay.upload))
                if not watched.moved_meanwhile:
                    return
        except NotFound:
            self._lost(upload_id, watched)
        except Exception:
            log.exception("catching up failed", upload=upload_id)
        finally:
            watched.catching_up = None

    def _lost(self, upload_id: str, watched: _Watched) -> None:
        """It left the ledger. One that had ended was forgotten in due time; any other went with what the ledger lost,
        and as nobody else can tell its watchers so, they are told here: one last event, and nothing after it."""
        if watched.status not in (Status.COMPLETED, Status.ERROR):
            self._deliver_event(watched, _farewell(watched.latest, watched.seq + 1))
        if self._watched.get(upload_id) is watched:
            del self._watched[upload_id]
            self._unfollow_if_alone(upload_id)

    async def _poll(self) -> None:
        """The backstop: read what no notice spoke of since the last time."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            unheard = {upload_id: one for upload_id, one in self._watched.items() if not one.spoken_of}
            for watched in self._watched.values():
                watched.spoken_of = False
            try:
                positions = await self._ledger.positions(list(unheard))
            except Exception:
                log.exception("the backstop could not read")
                continue
            for upload_id, watched in unheard.items():
                if positions.get(upload_id) != watched.seq and self._watched.get(upload_id) is watched:
                    self._catch_up(upload_id, watched)

    async def _tell_places(self) -> None:
        """When the queue moves, tell those who wait in it their new place, at most twice a second."""
        while True:
            await self._queue_moved.wait()
            self._queue_moved.clear()
            waiting = {upload_id: one for upload_id, one in self._watched.items() if _waits(one)}
            try:
                queue = await self._ledger.queue() if waiting else []
            except Exception:
                log.exception("the queue could not be read")
                continue
            for place, upload_id in enumerate(queue, start=1):
                watched = waiting.get(upload_id)
                if watched and _waits(watched) and watched.latest["queuePosition"] != place:
                    now = timestamp(time.time())
                    self._deliver_tick(watched, {**watched.latest, "queuePosition": place, "updatedAt": now})
            await asyncio.sleep(_PLACES_SECONDS)


def _farewell(latest: Message, seq: int) -> Message:
    """The end of an upload that the ledger does not know any more. A retry would not find it either."""
    text = "The server lost this upload."
    return {
        **latest,
        "seq": seq,
        "status": Status.ERROR,
        "stage": Stage.FAILED,
        "message": text,
        "error": {"code": Code.WORKER_LOST, "message": text, "step": latest["stage"], "retryable": False},
        "updatedAt": timestamp(time.time()),
        "eta": None,
        "speed": None,
        "fps": None,
        "queuePosition": None,
    }


def _waits(watched: _Watched) -> bool:
    return bool(watched.latest["stage"] == Stage.QUEUED)
