"""The relay: every subscriber gets every event once and in order, whichever notifications are lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roomcast.errors import NotFound
from roomcast.fanout.relay import Relay
from roomcast.ledger.contract import ChangeNotice, Listener, Replay
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.lifecycle import Entered, Progressed, Stage
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Change, Source, Tick, Upload, new_upload_id
from roomcast.uploads.transitions import cancelled

from tests.support.harness import eventually

SOURCE = Source("key", 100, "video", "mov", "video/mp4", "0" * 32, "0" * 64)


class LossyLedger(SqliteLedger):
    """A ledger that drops notifications while `muted`, and that can lose all uploads."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.muted = False
        self._lost = False

    def lose_all(self) -> None:
        """Lose all uploads."""
        self._lost = True

    async def events(self, upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        if self._lost:
            raise NotFound("There is no such upload.")
        return await super().events(upload_id, since=since, epoch=epoch)

    async def last_seqs(self, upload_ids: Sequence[str]) -> dict[str, int]:
        return {} if self._lost else await super().last_seqs(upload_ids)

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        return super().add_listener(_MutedListener(self, listener))


class _MutedListener:
    """A listener that gets no notification while the ledger is muted."""

    def __init__(self, ledger: LossyLedger, listener: Listener) -> None:
        self._ledger = ledger
        self._listener = listener
        self.on_queue_moved = listener.on_queue_moved
        self.on_gap = listener.on_gap

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        if not self._ledger.muted:
            self._listener.on_changes(notices)


class RecordingSubscriber:
    """A subscriber that records what it gets."""

    def __init__(self) -> None:
        self.events: list[Message] = []
        self.ticks: list[Message] = []
        self.names: list[str] = []

    def on_event(self, event: Message, *, names: Sequence[str]) -> None:
        self.events.append(event)
        self.names += names

    def on_tick(self, tick: Message) -> None:
        self.ticks.append(tick)

    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[LossyLedger]:
    opened = LossyLedger(tmp_path / "ledger.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
async def relay(ledger: LossyLedger) -> AsyncIterator[Relay]:
    relay = Relay(ledger, lambda message: message)
    async with relay.running():
        yield relay


async def queued(ledger: LossyLedger) -> Upload:
    upload = Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
    await ledger.create([upload])
    return await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))


async def claim_and_release(ledger: LossyLedger) -> None:
    """Make two events: claim the upload, and release it."""
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None
    await ledger.release(claim.lease, text="back")


async def test_gap_after_a_lost_notification_is_filled_by_the_next_one(ledger: LossyLedger, relay: Relay) -> None:
    upload, subscriber = await queued(ledger), RecordingSubscriber()
    await relay.subscribe(upload.id, subscriber)
    ledger.muted = True
    await claim_and_release(ledger)
    ledger.muted = False
    await claim_and_release(ledger)
    await eventually(lambda: subscriber.seqs() == [3, 4, 5, 6])


async def test_poll_publishes_events_without_a_notification(
    ledger: LossyLedger, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomcast.fanout.relay.POLL_SECONDS", 0.02)
    polling_relay = Relay(ledger, lambda message: message)
    async with polling_relay.running():
        upload, subscriber = await queued(ledger), RecordingSubscriber()
        await polling_relay.subscribe(upload.id, subscriber)
        ledger.muted = True
        await claim_and_release(ledger)
        await eventually(lambda: subscriber.seqs() == [3, 4])


async def test_event_during_the_first_subscription_is_in_the_replay(ledger: LossyLedger, relay: Relay) -> None:
    upload, subscriber = await queued(ledger), RecordingSubscriber()
    read, moved = ledger.events, False

    async def read_and_be_overtaken(upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        nonlocal moved
        replay = await read(upload_id, since=since, epoch=epoch)
        if not moved:
            moved = True
            await claim_and_release(ledger)
        return replay

    ledger.events = read_and_be_overtaken  # type: ignore[method-assign]
    replay = await relay.subscribe(upload.id, subscriber)
    assert replay.upload.seq == 4
    await claim_and_release(ledger)
    assert subscriber.seqs() == [5, 6]


async def test_subscription_with_since_replays_events_and_continues_after_them(
    ledger: LossyLedger, relay: Relay
) -> None:
    upload, subscriber = await queued(ledger), RecordingSubscriber()
    await claim_and_release(ledger)
    replay = await relay.subscribe(upload.id, subscriber, since=2, epoch="e1")
    assert [event["seq"] for event in replay.events] == [3, 4]
    assert (await relay.subscribe(upload.id, RecordingSubscriber(), since=2, epoch="another")).events == []
    await claim_and_release(ledger)
    assert subscriber.seqs() == [5, 6]


async def test_new_status_is_flagged_once(ledger: LossyLedger, relay: Relay) -> None:
    upload = Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
    await ledger.create([upload])
    subscriber = RecordingSubscriber()
    await relay.subscribe(upload.id, subscriber)
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None
    stages = (Stage.PROBING, Stage.COMPRESSING, Stage.THUMBNAILS, Stage.STORING, Stage.CLEANING, Stage.DONE)
    for stage in stages:
        await ledger.append(upload.id, Change(Entered(stage), ""), token=claim.lease.token)
    assert subscriber.names == ["starting", "compressing", "uploading", "completed"]


async def test_playable_is_new_with_the_first_event_that_has_it(ledger: LossyLedger, relay: Relay) -> None:
    upload, subscriber = await queued(ledger), RecordingSubscriber()
    await relay.subscribe(upload.id, subscriber)
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None
    for qualities in ([], ["480"], ["720", "480"]):
        playable = {"key": "k", "qualities": qualities} if qualities else None
        change = Change(Progressed(0.5), "", playable=playable)
        await ledger.append(upload.id, change, token=claim.lease.token)
    assert subscriber.names == ["playable"]
    assert [len(event.get("playable", {}).get("qualities", ())) for event in subscriber.events[-3:]] == [0, 1, 2]
    late = RecordingSubscriber()
    assert (await relay.subscribe(upload.id, late)).upload.playable == {"key": "k", "qualities": ["720", "480"]}
    later: list[dict[str, Any] | None] = [{}, None, {"key": "k2"}]
    for one in later:
        change = Change(Progressed(0.5), "", playable=one)
        await ledger.append(upload.id, change, token=claim.lease.token)
    assert [event.get("playable", {}).get("key") for event in late.events] == [None, None, "k2"]
    assert late.names == ["playable"], "it is new again after it was withdrawn"


async def test_tick_under_the_lease_is_published_and_a_stale_one_is_not(ledger: LossyLedger, relay: Relay) -> None:
    upload, subscriber = await queued(ledger), RecordingSubscriber()
    await relay.subscribe(upload.id, subscriber)
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None
    await ledger.tick(upload.id, Tick(0.5), token=claim.lease.token)
    await ledger.tick(upload.id, Tick(0.6), token="stale")
    assert [(tick["seq"], tick["progress"]) for tick in subscriber.ticks if tick["stage"] == "fetching"] == [(3, 25.0)]


async def test_queued_uploads_get_ticks_with_their_new_queue_position(ledger: LossyLedger, relay: Relay) -> None:
    uploads = [await queued(ledger) for _ in range(3)]
    subscriber = [RecordingSubscriber() for _ in uploads]
    replays = [await relay.subscribe(upload.id, one) for upload, one in zip(uploads, subscriber, strict=True)]
    assert [replay.upload.queue_position for replay in replays] == [1, 2, 3]
    await ledger.claim_next(holder="w", seconds=60)
    await eventually(lambda: [[tick["queuePosition"] for tick in one.ticks] for one in subscriber[1:]] == [[1], [2]])


async def test_unsubscribed_subscriber_gets_nothing(ledger: LossyLedger, relay: Relay) -> None:
    upload, subscriber, other = await queued(ledger), RecordingSubscriber(), RecordingSubscriber()
    await relay.subscribe(upload.id, subscriber)
    await relay.subscribe(upload.id, other)
    relay.unsubscribe(upload.id, subscriber)
    relay.unsubscribe(upload.id, subscriber)
    await claim_and_release(ledger)
    assert (subscriber.events, other.seqs()) == ([], [3, 4])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    moves=st.lists(
        st.sampled_from(
            ["claim and release", "mute", "unmute", "subscribe", "subscribe with since", "yield", "unsubscribe"]
        ),
        max_size=30,
    )
)
async def test_every_subscriber_gets_every_event_once_and_in_order(
    ledger: LossyLedger, relay: Relay, moves: list[str]
) -> None:
    upload = await queued(ledger)
    ledger.muted = False
    subscriptions: list[asyncio.Task[tuple[RecordingSubscriber, int]]] = []
    moves_in_progress: list[asyncio.Task[None]] = []
    for move in moves:
        match move:
            case "claim and release":
                await asyncio.gather(*moves_in_progress)
                moves_in_progress = [asyncio.create_task(claim_and_release(ledger))]
            case "mute" | "unmute":
                ledger.muted = move == "mute"
            case "subscribe" | "subscribe with since":
                subscriptions.append(asyncio.create_task(_subscribe(relay, upload.id, 1 if "since" in move else None)))
            case "yield":
                await asyncio.wait({asyncio.create_task(ledger.get(upload.id))})
            case "unsubscribe" if subscriptions and subscriptions[0].done():
                relay.unsubscribe(upload.id, subscriptions.pop(0).result()[0])
    await asyncio.gather(*moves_in_progress)
    ledger.muted = False
    subscribed_since = await asyncio.gather(*subscriptions)
    await claim_and_release(ledger)
    last = (await ledger.get(upload.id)).seq
    for subscriber, start in subscribed_since:
        await eventually(lambda subscriber=subscriber: subscriber.seqs() and subscriber.seqs()[-1] == last)  # type: ignore[misc]
        assert subscriber.seqs() == list(range(start + 1, last + 1))
        relay.unsubscribe(upload.id, subscriber)
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None


async def _subscribe(relay: Relay, upload_id: str, since: int | None) -> tuple[RecordingSubscriber, int]:
    """Subscribe; return the subscriber and the last `seq` of its replay."""
    subscriber = RecordingSubscriber()
    replay = await relay.subscribe(upload_id, subscriber, since=since)
    seqs = [since or 0, *(event["seq"] for event in replay.events)]
    if since is not None:
        assert all(after == before + 1 for before, after in itertools.pairwise(seqs))
    return subscriber, replay.upload.seq


async def test_upload_that_the_ledger_lost_ends_in_one_error_event(ledger: LossyLedger, relay: Relay) -> None:
    lost, ended = await queued(ledger), await queued(ledger)
    subscriber, other = RecordingSubscriber(), RecordingSubscriber()
    await relay.subscribe(lost.id, subscriber)
    await relay.subscribe(ended.id, other)
    await ledger.request_cancel(ended.id, cancelled(Stage.QUEUED))
    ledger.lose_all()
    for _ in range(2):
        relay.on_gap()
        await eventually(lambda: not relay._uploads)
    (end,) = subscriber.events
    assert (end["seq"], end["epoch"], end["status"], end["stage"]) == (lost.seq + 1, "e1", "error", "failed")
    assert end["message"] == "The server lost this upload."
    assert (end["error"]["code"], end["error"]["retryable"], end["queuePosition"]) == ("WORKER_LOST", False, None)
    assert subscriber.names == ["error"]
    assert other.seqs() == [ended.seq + 1], "an upload that had ended gets no second end"
