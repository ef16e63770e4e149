"""The relay: from the ledger's notifications to the subscribers of this process.

A position in an upload's log is (epoch, seq). For every upload with a subscriber here, the relay stores the `seq` of
the last event that it published. A notification with the next `seq` is published as it is, one that leaves a gap makes
the relay read the missing events from the ledger, and an older one is dropped. So every subscriber gets every event
once and in order. A lost notification delays events by at most `POLL_SECONDS`: a slow poll compares the positions of
all uploads that no notification has named.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from roomcast.errors import Code, NotFound
from roomcast.ledger.contract import ChangeNotice, Ledger, Replay
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.tasks import cancel_and_wait, periodic
from roomcast.uploads.lifecycle import TERMINAL_STATUSES, Stage, Status
from roomcast.uploads.messages import Message, timestamp
from roomcast.uploads.model import message

log = structlog.get_logger(__name__)

PLAYABLE = "playable"
"""The name of the event with which something can be played before the end of the work."""

POLL_SECONDS = 5.0
_QUEUE_POSITION_SECONDS = 0.5
"""Shortest time between two updates of the queue positions."""


class UploadSubscriber(Protocol):
    """Receives the messages of one upload. Called on the event loop; must not block and must not raise."""

    def on_event(self, event: Message, *, names: Sequence[str]) -> None:
        """Receive the next event. `names` are those of what is new: its status, if that differs from the previous
        event's, and `playable`, if the previous event had nothing to play."""

    def on_tick(self, tick: Message) -> None:
        """Receive a progress reading since the last event. Only the latest one matters."""


@dataclass(slots=True)
class _SubscribedUpload:
    """An upload with subscribers, and the position up to which they have its events."""

    epoch: str
    seq: int
    status: str
    latest: Message
    subscribers: dict[UploadSubscriber, None] = field(default_factory=dict)
    catching_up: asyncio.Task[None] | None = None
    """Publishes events from the ledger; notifications are not published meanwhile."""
    dirty: bool = False
    """Whether a notification has come since `catching_up` last read the ledger."""
    notified: bool = True
    """Whether a notification has come since the last poll."""


@dataclass
class _Joining:
    """The subscriptions of an upload that are being made, and the last event notified while it had no subscriber."""

    count: int = 0
    last_seq: int = 0


WithUrls = Callable[[Message], Message]


class Relay:
    """Publishes the events and ticks of uploads to their subscribers in this process, from `start` to `stop`.

    `with_urls` adds the URLs to a message that leaves.
    """

    def __init__(self, ledger: Ledger, with_urls: WithUrls) -> None:
        self._ledger = ledger
        self._with_urls = with_urls
        self._uploads: dict[str, _SubscribedUpload] = {}
        self._joining: dict[str, _Joining] = {}
        self._queue_changed = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen to the ledger's notifications, and poll it, for the duration of the context."""
        poll = periodic(
            self._poll, POLL_SECONDS, name="relay", first_after=POLL_SECONDS, failure_event="relay_poll_failed"
        )
        positions = periodic(
            self._publish_queue_positions,
            POLL_SECONDS,
            name="queue positions",
            wake=self._queue_changed,
            min_seconds=_QUEUE_POSITION_SECONDS,
            failure_event="relay_queue_read_failed",
        )
        stop_listening = self._ledger.add_listener(self)
        try:
            async with poll, positions:
                yield
        finally:
            stop_listening()
            catching_up = [upload.catching_up for upload in self._uploads.values() if upload.catching_up]
            await cancel_and_wait(*catching_up)

    # --- subscriptions -----------------------------------------------------------------------------------------------

    async def subscribe(
        self, upload_id: str, subscriber: UploadSubscriber, *, since: int | None = None, epoch: str | None = None
    ) -> Replay:
        """Subscribe to an upload. The subscriber gets every event after the returned replay, once and in order.

        With `since`, the replay holds the events after that position (see `Replay`); without, the upload alone. Raises
        `NotFound`.
        """
        joining = self._joining.setdefault(upload_id, _Joining())
        joining.count += 1
        try:
            await self._ledger.subscribe(upload_id)
            return await self._read_and_add(upload_id, subscriber, since, epoch)
        finally:
            joining.count -= 1
            self._unsubscribe_if_unused(upload_id)

    async def _read_and_add(
        self, upload_id: str, subscriber: UploadSubscriber, since: int | None, epoch: str | None
    ) -> Replay:
        """Read the upload until its `seq` is the one that the other subscribers have, then add the subscriber."""
        while True:
            replay = await self._ledger.events(upload_id, since=0 if since is None else since, epoch=epoch)
            upload = self._uploads.get(upload_id)
            if upload is None and self._joining[upload_id].last_seq > replay.upload.seq:
                continue  # an event was made after the read, with no subscriber to publish it to
            if upload is None or upload.seq == replay.upload.seq:
                break
            if upload.seq < replay.upload.seq:  # the other subscribers are behind: let them catch up first
                self._start_catch_up(upload_id, upload)
                if upload.catching_up:
                    await asyncio.wait({upload.catching_up})
        if upload is None:
            latest = message(replay.upload)
            # Event 1 is made before the client knows the upload's id, so no client can have received its status. It
            # counts as new with the next event.
            status = latest["status"] if replay.upload.seq > 1 else ""
            upload = _SubscribedUpload(replay.upload.epoch, replay.upload.seq, status, latest)
            self._uploads[upload_id] = upload
            if _is_queued(upload):
                self._queue_changed.set()
        upload.subscribers[subscriber] = None
        if since is None:
            return Replay(replay.upload, [], gapless=True)
        return replace(replay, events=[self._with_urls(event) for event in replay.events])

    def unsubscribe(self, upload_id: str, subscriber: UploadSubscriber) -> None:
        """End a subscription at once. One that does not exist is ignored."""
        upload = self._uploads.get(upload_id)
        if upload is None or subscriber not in upload.subscribers:
            return
        del upload.subscribers[subscriber]
        if not upload.subscribers:
            del self._uploads[upload_id]
            self._unsubscribe_if_unused(upload_id)

    def _unsubscribe_if_unused(self, upload_id: str) -> None:
        """Unsubscribe from an upload in the ledger when it has no subscriber and none is being added."""
        joining = self._joining.get(upload_id)
        if joining is None or not joining.count:
            self._joining.pop(upload_id, None)
            if upload_id not in self._uploads:
                self._ledger.unsubscribe(upload_id)

    # --- from a notification to the subscribers ----------------------------------------------------------------------

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        """Publish what continues the last position of each upload, and catch up where there is a gap."""
        for notice in notices:
            upload_id, seq = notice.message["uploadId"], notice.message["seq"]
            upload = self._uploads.get(upload_id)
            if upload is None:
                if notice.event and (joining := self._joining.get(upload_id)):
                    joining.last_seq = seq
                continue
            upload.notified = True
            if upload.catching_up:
                upload.dirty = True
            elif not notice.event:
                if seq == upload.seq:
                    self._publish_tick(upload, notice.message)
            elif seq == upload.seq + 1:
                self._publish_event(upload, notice.message)
            elif seq > upload.seq:
                self._start_catch_up(upload_id, upload)

    def _publish_event(self, upload: _SubscribedUpload, event: Message) -> None:
        playable = "playable" in event and "playable" not in upload.latest
        names = (*([event["status"]] if event["status"] != upload.status else []), *([PLAYABLE] if playable else []))
        upload.seq, upload.status, upload.latest = event["seq"], event["status"], _state_of(event)
        complete = self._with_urls(event)
        for subscriber in tuple(upload.subscribers):
            subscriber.on_event(complete, names=names)

    def _publish_tick(self, upload: _SubscribedUpload, tick: Message) -> None:
        upload.latest = _state_of(tick)
        complete = self._with_urls(tick)
        for subscriber in tuple(upload.subscribers):
            subscriber.on_tick(complete)

    # --- from the ledger to the subscribers, after a gap -------------------------------------------------------------

    def on_gap(self) -> None:
        """Read every upload from the ledger: notifications may have been lost."""
        self._queue_changed.set()
        for upload_id, upload in list(self._uploads.items()):
            self._start_catch_up(upload_id, upload)

    def _start_catch_up(self, upload_id: str, upload: _SubscribedUpload) -> None:
        if upload.catching_up is None:
            upload.catching_up = asyncio.create_task(self._publish_from_ledger(upload_id, upload))

    async def _publish_from_ledger(self, upload_id: str, upload: _SubscribedUpload) -> None:
        """Read and publish the upload's events until no notification has come since the last read."""
        try:
            while True:
                upload.dirty = False
                replay = await self._ledger.events(upload_id, since=upload.seq, epoch=upload.epoch)
                for event in replay.events:
                    self._publish_event(upload, event)
                if not replay.gapless:
                    upload.epoch = replay.upload.epoch
                    self._publish_event(upload, message(replay.upload))
                if not upload.dirty:
                    return
        except NotFound:
            self._purge(upload_id, upload)
        except Exception:
            log.exception("relay_catch_up_failed", upload=upload_id)
        finally:
            upload.catching_up = None

    def _purge(self, upload_id: str, upload: _SubscribedUpload) -> None:
        """Remove an upload that the ledger does not have.

        If it was in a terminal stage, it has expired normally. Otherwise the ledger lost it: the subscribers get a
        final `error` event.
        """
        if upload.status not in TERMINAL_STATUSES:
            self._publish_event(upload, _lost_message(upload.latest, upload.seq + 1))
        if self._uploads.get(upload_id) is upload:
            del self._uploads[upload_id]
            self._unsubscribe_if_unused(upload_id)

    async def _poll(self) -> None:
        """Compare positions with the ledger's, for uploads without a notification since the last poll."""
        unnotified = {upload_id: upload for upload_id, upload in self._uploads.items() if not upload.notified}
        for upload in self._uploads.values():
            upload.notified = False
        positions = await self._ledger.last_seqs(list(unnotified))
        for upload_id, upload in unnotified.items():
            if positions.get(upload_id) != upload.seq and self._uploads.get(upload_id) is upload:
                self._start_catch_up(upload_id, upload)

    # --- queue positions ---------------------------------------------------------------------------------------------

    def on_queue_moved(self) -> None:
        """Publish the new queue positions soon."""
        self._queue_changed.set()

    async def _publish_queue_positions(self) -> None:
        """Publish a tick for each queued upload whose position in the queue has changed, or that is paused or not any
        more."""
        queued = {upload_id: upload for upload_id, upload in self._uploads.items() if _is_queued(upload)}
        queue = await self._ledger.queue() if queued else []
        for position, upload_id in enumerate(queue, start=1):
            upload = queued.get(upload_id)
            if upload and _is_queued(upload) and upload.latest["queuePosition"] != position:
                now = timestamp(unix_time())
                self._publish_tick(upload, {**upload.latest, "queuePosition": position, "updatedAt": now})
        await self._publish_pauses(queued, set(queue))

    async def _publish_pauses(self, queued: dict[str, _SubscribedUpload], queue: set[str]) -> None:
        """Read the uploads again that wait for another reason than their message says."""
        changed = [one for one, upload in queued.items() if (one in queue) == ("paused" in upload.latest)]
        if not changed or not (queue.intersection(changed) or await self._ledger.administration.pauses()):
            return
        for upload_id in changed:
            with suppress(NotFound):
                tick, upload = message(await self._ledger.get(upload_id)), queued[upload_id]
                same_event = self._uploads.get(upload_id) is upload and tick["seq"] == upload.seq
                if same_event and ("paused" in tick) != ("paused" in upload.latest):
                    self._publish_tick(upload, tick)


def _state_of(latest: Message) -> Message:
    """Return a message without the event of the application that it carries."""
    if "event" not in latest:
        return latest
    state = latest.copy()
    del state["event"]
    return state


def _is_queued(upload: _SubscribedUpload) -> bool:
    return bool(upload.latest["stage"] == Stage.QUEUED)


def _lost_message(latest: Message, seq: int) -> Message:
    """Make the final event of an upload that the ledger lost. It cannot be retried."""
    text = "The server lost this upload."
    return {
        **latest,
        "seq": seq,
        "status": Status.ERROR,
        "stage": Stage.FAILED,
        "message": text,
        "error": {"code": Code.WORKER_LOST, "message": text, "step": latest["stage"], "retryable": False},
        "updatedAt": timestamp(unix_time()),
        "eta": None,
        "speed": None,
        "fps": None,
        "queuePosition": None,
    }
