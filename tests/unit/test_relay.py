"""The relay: every event once and in order, whatever notices are lost and whenever somebody comes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roomcast.errors import NotFound
from roomcast.fanout.relay import Relay
from roomcast.ledger.contract import ChangeNotice, Listener, Replay
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Change, Source, Tick, Upload, new_upload_id
from roomcast.uploads.transitions import cancelled

from tests.support.harness import eventually

SOURCE = Source("key", 100, "video", "mov", "video/mp4", "0" * 32, "0" * 64)


class LossyLedger(SqliteLedger):
    """Says nothing of every event that it is told to keep to itself, and forgets on command."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.keep_quiet = False
        self._lost = False

    def lose(self) -> None:
        """From now on it knows of nothing."""
        self._lost = True

    async def events(self, upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        if self._lost:
            raise NotFound("There is no such upload.")
        return await super().events(upload_id, since=since, epoch=epoch)

    async def last_seqs(self, upload_ids: Sequence[str]) -> dict[str, int]:
        return {} if self._lost else await super().last_seqs(upload_ids)

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        return super().add_listener(_Muffled(self, listener))


class _Muffled:
    """A listener that hears only what is not kept quiet."""

    def __init__(self, ledger: LossyLedger, listener: Listener) -> None:
        self._ledger = ledger
        self._listener = listener
        self.on_queue_moved = listener.on_queue_moved
        self.on_gap = listener.on_gap

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        if not self._ledger.keep_quiet:
            self._listener.on_changes(notices)


class Ears:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.events: list[Message] = []
        self.ticks: list[Message] = []
        self.statuses: list[str] = []

    def on_event(self, event: Message, *, new_status: bool) -> None:
        self.events.append(event)
        if new_status:
            self.statuses.append(event["status"])

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
    relay = Relay(ledger)
    relay.start()
    yield relay
    await relay.stop()


async def queued(ledger: LossyLedger) -> Upload:
    upload = Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
    await ledger.create([upload])
    return await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))


async def bounce(ledger: LossyLedger) -> None:
    """Two events: claimed, and handed back."""
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None
    await ledger.release(claim.lease, text="back")


async def test_a_lost_notice_is_made_up_for_by_the_next(ledger: LossyLedger, relay: Relay) -> None:
    upload, ears = await queued(ledger), Ears()
    await relay.subscribe(upload.id, ears)
    ledger.keep_quiet = True
    await bounce(ledger)
    ledger.keep_quiet = False
    await bounce(ledger)
    await eventually(lambda: ears.seqs() == [3, 4, 5, 6])


async def test_the_poll_finds_what_nobody_spoke_of(
    ledger: LossyLedger, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomcast.fanout.relay.POLL_SECONDS", 0.02)
    quick = Relay(ledger)
    quick.start()
    upload, ears = await queued(ledger), Ears()
    await quick.subscribe(upload.id, ears)
    ledger.keep_quiet = True
    await bounce(ledger)
    await eventually(lambda: ears.seqs() == [3, 4])
    await quick.stop()


async def test_what_moves_while_the_first_watcher_comes_is_not_lost(ledger: LossyLedger, relay: Relay) -> None:
    upload, ears = await queued(ledger), Ears()
    read, moved = ledger.events, False

    async def read_and_be_overtaken(upload_id: str, *, since: int = 0, epoch: str | None = None) -> Replay:
        nonlocal moved
        replay = await read(upload_id, since=since, epoch=epoch)
        if not moved:
            moved = True
            await bounce(ledger)
        return replay

    ledger.events = read_and_be_overtaken  # type: ignore[method-assign]
    replay = await relay.subscribe(upload.id, ears)
    assert replay.upload.seq == 4
    await bounce(ledger)
    assert ears.seqs() == [5, 6]


async def test_since_replays_and_then_goes_on(ledger: LossyLedger, relay: Relay) -> None:
    upload, ears = await queued(ledger), Ears()
    await bounce(ledger)
    replay = await relay.subscribe(upload.id, ears, since=2, epoch="e1")
    assert [event["seq"] for event in replay.events] == [3, 4]
    assert (await relay.subscribe(upload.id, Ears(), since=2, epoch="another")).events == []
    await bounce(ledger)
    assert ears.seqs() == [5, 6]


async def test_a_new_status_is_marked_once(ledger: LossyLedger, relay: Relay) -> None:
    upload = Upload(new_upload_id(), "ada", "auto", "film.mp4", "e1", 1.0, 1.0)
    await ledger.create([upload])
    ears = Ears()
    await relay.subscribe(upload.id, ears)
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None
    stages = (Stage.PROBING, Stage.COMPRESSING, Stage.THUMBNAILS, Stage.STORING, Stage.CLEANING, Stage.DONE)
    for stage in stages:
        await ledger.append(upload.id, Change(Entered(stage), ""), token=claim.lease.token)
    assert ears.statuses == ["starting", "compressing", "uploading", "completed"]


async def test_ticks_pass_and_stale_ones_do_not(ledger: LossyLedger, relay: Relay) -> None:
    upload, ears = await queued(ledger), Ears()
    await relay.subscribe(upload.id, ears)
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None
    await ledger.tick(upload.id, Tick(0.5), token=claim.lease.token)
    await ledger.tick(upload.id, Tick(0.6), token="stale")
    assert [(tick["seq"], tick["progress"]) for tick in ears.ticks if tick["stage"] == "fetching"] == [(3, 25.0)]


async def test_those_who_wait_hear_their_place(ledger: LossyLedger, relay: Relay) -> None:
    uploads = [await queued(ledger) for _ in range(3)]
    ears = [Ears() for _ in uploads]
    replays = [await relay.subscribe(upload.id, one) for upload, one in zip(uploads, ears, strict=True)]
    assert [replay.upload.queue_position for replay in replays] == [1, 2, 3]
    await ledger.claim_next(holder="w", seconds=60)
    await eventually(lambda: [[tick["queuePosition"] for tick in one.ticks] for one in ears[1:]] == [[1], [2]])


async def test_who_left_hears_nothing(ledger: LossyLedger, relay: Relay) -> None:
    upload, ears, other = await queued(ledger), Ears(), Ears()
    await relay.subscribe(upload.id, ears)
    await relay.subscribe(upload.id, other)
    relay.unsubscribe(upload.id, ears)
    relay.unsubscribe(upload.id, ears)
    await bounce(ledger)
    assert (ears.events, other.seqs()) == ([], [3, 4])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    moves=st.lists(
        st.sampled_from(["bounce", "quiet", "loud", "come", "come with since", "yield", "leave"]), max_size=30
    )
)
async def test_every_watcher_hears_every_event_once_and_in_order(
    ledger: LossyLedger, relay: Relay, moves: list[str]
) -> None:
    upload = await queued(ledger)
    ledger.keep_quiet = False
    arrivals: list[asyncio.Task[tuple[Ears, int]]] = []
    bounces: list[asyncio.Task[None]] = []
    for move in moves:
        match move:
            case "bounce":
                await asyncio.gather(*bounces)
                bounces = [asyncio.create_task(bounce(ledger))]
            case "quiet" | "loud":
                ledger.keep_quiet = move == "quiet"
            case "come" | "come with since":
                arrivals.append(asyncio.create_task(_come(relay, upload.id, 1 if "since" in move else None)))
            case "yield":
                await asyncio.wait({asyncio.create_task(ledger.get(upload.id))})
            case "leave" if arrivals and arrivals[0].done():
                relay.unsubscribe(upload.id, arrivals.pop(0).result()[0])
    await asyncio.gather(*bounces)
    ledger.keep_quiet = False
    here = await asyncio.gather(*arrivals)
    await bounce(ledger)
    last = (await ledger.get(upload.id)).seq
    for ears, start in here:
        await eventually(lambda ears=ears: ears.seqs() and ears.seqs()[-1] == last)  # type: ignore[misc]
        assert ears.seqs() == list(range(start + 1, last + 1))
        relay.unsubscribe(upload.id, ears)
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None


async def _come(relay: Relay, upload_id: str, since: int | None) -> tuple[Ears, int]:
    """A new watcher, and the seq up to which its replay told it."""
    ears = Ears()
    replay = await relay.subscribe(upload_id, ears, since=since)
    seqs = [since or 0, *(event["seq"] for event in replay.events)]
    if since is not None:
        assert all(after == before + 1 for before, after in itertools.pairwise(seqs))
    return ears, replay.upload.seq


async def test_what_the_ledger_lost_ends_in_an_error_once(ledger: LossyLedger, relay: Relay) -> None:
    lost, ended = await queued(ledger), await queued(ledger)
    ears, other = Ears(), Ears()
    await relay.subscribe(lost.id, ears)
    await relay.subscribe(ended.id, other)
    await ledger.request_cancel(ended.id, cancelled(Stage.QUEUED))
    ledger.lose()
    for _ in range(2):
        relay.on_gap()
        await eventually(lambda: not relay._uploads)
    (end,) = ears.events
    assert (end["seq"], end["epoch"], end["status"], end["stage"]) == (lost.seq + 1, "e1", "error", "failed")
    assert end["message"] == "The server lost this upload."
    assert (end["error"]["code"], end["error"]["retryable"], end["queuePosition"]) == ("WORKER_LOST", False, None)
    assert ears.statuses == ["error"]
    assert other.seqs() == [ended.seq + 1], "what had ended was told so already"
