"""The contract of `roomcast.ledger.contract.Ledger`, for every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from roomcast.errors import IdTaken, LeaseLost, Malformed, NotFound, TooMany, TranscodeError, WrongState
from roomcast.ledger.contract import EVENT_LOG_LENGTH, ChangeNotice, Ledger
from roomcast.uploads.lifecycle import (
    Cancelled,
    Entered,
    Fact,
    Failed,
    HandedBack,
    IllegalFact,
    Retrying,
    Stage,
    Status,
)
from roomcast.uploads.model import Change, Tick, error_body, new_upload_id
from roomcast.uploads.transitions import MAX_WORKER_LOSSES, cancelled

from tests.support.harness import eventually
from tests.support.ledgers import LEASE, SOURCE, Clock, claimed, created, finish, fresh, queued

# Creating and reading


async def test_a_new_upload_is_event_1(ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock)
    replay = await ledger.events(upload.id)
    assert replay.gapless
    assert replay.upload == upload
    assert [event["seq"] for event in replay.events] == [1]
    assert replay.events[0]["stage"] == "receiving"


@pytest.mark.parametrize("call", ["get", "events", "reopen", "request_cancel", "append", "claim"])
async def test_an_unknown_upload_is_not_found(ledger: Ledger, call: str) -> None:
    unknown = new_upload_id()
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: ledger.get(unknown),
        "events": lambda: ledger.events(unknown),
        "reopen": lambda: ledger.reopen(unknown, source_stored=True),
        "request_cancel": lambda: ledger.request_cancel(unknown, cancelled(Stage.QUEUED)),
        "append": lambda: ledger.append(unknown, Change(Failed(), "")),
        "claim": lambda: ledger.claim(unknown, holder="w", seconds=LEASE),
    }
    with pytest.raises(NotFound):
        await calls[call]()


async def test_in_flight_counts_the_owners_unfinished_uploads(ledger: Ledger, clock: Clock) -> None:
    first = await created(ledger, clock)
    await created(ledger, clock, "bob")
    await ledger.create([fresh(clock)], in_flight=2)
    with pytest.raises(TooMany):
        await ledger.create([fresh(clock)], in_flight=2)
    await ledger.append(first.id, Change(Failed(), "no"))
    with pytest.raises(TooMany):
        await ledger.create([fresh(clock), fresh(clock)], in_flight=2)
    assert len((await ledger.page("ada")).uploads) == 2, "all or none"
    await ledger.create([fresh(clock)], in_flight=2)


async def test_check_before_creation_raises_what_the_creation_would_raise(ledger: Ledger, clock: Clock) -> None:
    first = await created(ledger, clock)
    new = fresh(clock)
    await ledger.check_create([new], in_flight=2)
    await ledger.check_create([new, fresh(clock)])
    with pytest.raises(TooMany, match="more than 2"):
        await ledger.check_create([new, fresh(clock)], in_flight=2)
    with pytest.raises(IdTaken):
        await ledger.check_create([new, replace(fresh(clock), id=first.id)])
    assert [upload.id for upload in (await ledger.page("ada")).uploads] == [first.id], "nothing was created"


async def test_events_since(ledger: Ledger, clock: Clock) -> None:
    done = await finish(ledger, await claimed(ledger, clock))
    replay = await ledger.events(done.id, since=4, epoch="e1")
    assert replay.gapless
    assert [event["seq"] for event in replay.events] == list(range(5, done.seq + 1))
    assert (await ledger.events(done.id, since=done.seq)).events == []


@pytest.mark.parametrize(("since", "epoch"), [(2, "another"), (99, "e1")])
async def test_a_position_outside_the_log_returns_the_state_only(
    ledger: Ledger, clock: Clock, since: int, epoch: str
) -> None:
    upload = await queued(ledger, clock)
    replay = await ledger.events(upload.id, since=since, epoch=epoch)
    assert (replay.gapless, replay.events, replay.upload.seq) == (False, [], 2)


async def test_a_trimmed_log_is_reported_as_not_gapless(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    upload = claim.upload
    while upload.seq <= EVENT_LOG_LENGTH + 10:
        await ledger.release(claim.lease, text="back")
        again = await ledger.claim_next(holder="w", seconds=LEASE)
        assert again is not None
        claim, upload = again, again.upload
    assert not (await ledger.events(upload.id, since=1)).gapless
    recent = await ledger.events(upload.id, since=upload.seq - EVENT_LOG_LENGTH + 5)
    assert recent.gapless
    assert len(recent.events) == EVENT_LOG_LENGTH - 5


async def test_last_seqs_of_several_uploads(ledger: Ledger, clock: Clock) -> None:
    ended = await finish(ledger, await claimed(ledger, clock))
    new, moved, unknown = await created(ledger, clock), await queued(ledger, clock), fresh(clock)
    found = await ledger.last_seqs([ended.id, unknown.id, new.id, moved.id])
    assert found == {ended.id: ended.seq, new.id: 1, moved.id: 2}
    assert await ledger.last_seqs([]) == {}


async def test_pages_newest_first_by_status_with_a_cursor(ledger: Ledger, clock: Clock) -> None:
    uploads = [await created(ledger, clock) for _ in range(5)]
    await created(ledger, clock, "bob")
    await ledger.append(uploads[2].id, Change(Failed(), "no"))
    newest_first = [upload.id for upload in reversed(uploads)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = await ledger.page("ada", cursor=cursor, limit=2)
        seen += [upload.id for upload in page.uploads]
        cursor = page.cursor
    assert (seen, cursor) == (newest_first, None)
    failed = await ledger.page("ada", status=Status.ERROR)
    assert [upload.id for upload in failed.uploads] == [uploads[2].id]


async def test_pages_of_every_owners_uploads(ledger: Ledger, clock: Clock) -> None:
    done = await finish(ledger, await claimed(ledger, clock))
    failed = await created(ledger, clock, "bob")
    await ledger.append(failed.id, Change(Failed(), "no"))
    gone = await created(ledger, clock, "cy")
    await ledger.request_cancel(gone.id, cancelled(gone.stage))
    waiting = await queued(ledger, clock)
    seen: list[str] = []
    cursor: str | None = None
    while cursor or not seen:
        page = await ledger.page(None, cursor=cursor, limit=1)
        seen += [upload.id for upload in page.uploads]
        cursor = page.cursor
    assert seen == [waiting.id, gone.id, failed.id, done.id]
    of_status = {status: [one.id for one in (await ledger.page(None, status=status)).uploads] for status in Status}
    ended = {Status.COMPLETED: [done.id], Status.ERROR: [gone.id, failed.id]}
    assert of_status == {status: [] for status in Status} | ended | {Status.STARTING: [waiting.id]}
    await ledger.reopen(failed.id, source_stored=False)
    assert [one.id for one in (await ledger.page(None, status=Status.STARTING)).uploads] == [waiting.id, failed.id]


@pytest.mark.parametrize("cursor", ["x", "!!!!", "bnVsbA==", "WzFd", "é"])
async def test_a_foreign_cursor_is_malformed(ledger: Ledger, cursor: str) -> None:
    for owner in ("ada", None):
        with pytest.raises(Malformed):
            await ledger.page(owner, cursor=cursor)


# Appending


async def test_an_illegal_fact_changes_nothing(ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock)
    with pytest.raises(IllegalFact):
        await ledger.append(upload.id, Change(Entered(Stage.DONE), "too soon"))
    assert (await ledger.events(upload.id)).upload == upload


@pytest.mark.parametrize("change", [Change(Failed(), "x"), Change(Cancelled(), "x")])
async def test_terminal_stages_absorb(ledger: Ledger, clock: Clock, change: Change) -> None:
    done = await finish(ledger, await claimed(ledger, clock))
    with pytest.raises(IllegalFact):
        await ledger.append(done.id, change)


async def test_only_the_holder_writes_to_a_leased_upload(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    change = Change(Entered(Stage.PROBING), "Reading")
    with pytest.raises(WrongState):
        await ledger.append(claim.upload.id, change)
    with pytest.raises(LeaseLost):
        await ledger.append(claim.upload.id, change, token="another")
    assert (await ledger.append(claim.upload.id, change, token=claim.lease.token)).stage is Stage.PROBING


async def test_an_expired_lease_cannot_write(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    clock.now += LEASE
    with pytest.raises(LeaseLost):
        await ledger.append(claim.upload.id, Change(Entered(Stage.PROBING), ""), token=claim.lease.token)
    with pytest.raises(LeaseLost):
        await ledger.renew(claim.lease, seconds=LEASE)
    await ledger.tick(claim.upload.id, Tick(0.9), token="another")
    assert (await ledger.get(claim.upload.id)).state.stage_progress == 0


async def test_the_end_of_the_work_ends_the_lease(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    await ledger.append(claim.upload.id, Change(Retrying(), "again"), token=claim.lease.token)
    with pytest.raises(LeaseLost):
        await ledger.append(claim.upload.id, Change(Entered(Stage.PROBING), ""), token=claim.lease.token)


# Ticks


async def test_ticks_change_the_view_and_not_the_seq(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    await ledger.tick(claim.upload.id, Tick(0.5, speed=2.0, eta=3.0), token=claim.lease.token)
    await ledger.tick(claim.upload.id, Tick(0.4, speed=1.5), token=claim.lease.token)
    now = await ledger.get(claim.upload.id)
    assert (now.seq, now.state.progress, now.speed, now.eta) == (claim.upload.seq, 25, 1.5, None)
    assert len((await ledger.events(claim.upload.id)).events) == claim.upload.seq


async def test_an_event_starts_from_the_latest_tick(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    await ledger.tick(claim.upload.id, Tick(0.8), token=claim.lease.token)
    back = await ledger.release(claim.lease, text="Handed back")
    assert (back.state.progress, back.state.attempt, back.stage) == (28, 1, Stage.QUEUED)


# Claims, leases, cancelling


async def test_only_one_of_many_wins_a_claim(ledger: Ledger, clock: Clock) -> None:
    await queued(ledger, clock)
    claims = await asyncio.gather(*(ledger.claim_next(holder=str(n), seconds=LEASE) for n in range(8)))
    assert len([claim for claim in claims if claim]) == 1


async def test_an_intake_claims_a_receiving_upload_only(ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock)
    claim = await ledger.claim(upload.id, holder="web", seconds=LEASE)
    with pytest.raises(WrongState):
        await ledger.claim(upload.id, holder="web", seconds=LEASE)
    await ledger.tick(upload.id, Tick(0.5, bytes_received=50), token=claim.lease.token)
    assert (await ledger.get(upload.id)).bytes_received == 50
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE), token=claim.lease.token)
    with pytest.raises(WrongState):
        await ledger.claim(upload.id, holder="web", seconds=LEASE)


async def test_renewing_lengthens_the_lease_and_reads_the_cancel_flag(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    clock.now += LEASE - 1
    renewal = await ledger.renew(claim.lease, seconds=LEASE)
    assert (renewal.lease.expires_at, renewal.cancel_requested) == (clock.now + LEASE, False)
    clock.now += LEASE - 1
    asked = await ledger.request_cancel(claim.upload.id, cancelled(claim.upload.stage))
    assert not asked.state.terminal
    assert (await ledger.renew(renewal.lease, seconds=LEASE)).cancel_requested
    done = await ledger.append(claim.upload.id, cancelled(Stage.FETCHING), token=claim.lease.token)
    assert done.stage is Stage.CANCELLED


@pytest.mark.parametrize("fact", [Retrying(), HandedBack()])
async def test_a_requested_cancel_takes_effect_when_the_upload_would_wait_again(
    ledger: Ledger, clock: Clock, fact: Fact
) -> None:
    claim = await claimed(ledger, clock)
    await ledger.append(claim.upload.id, Change(Entered(Stage.PROBING), ""), token=claim.lease.token)
    await ledger.request_cancel(claim.upload.id, cancelled(claim.upload.stage))
    ended = await ledger.append(claim.upload.id, Change(fact, "back"), token=claim.lease.token)
    assert (ended.stage, ended.error and ended.error["step"]) == (Stage.CANCELLED, "probing")


async def test_cancelling_an_unleased_upload_is_immediate_and_idempotent(ledger: Ledger, clock: Clock) -> None:
    upload = await queued(ledger, clock)
    gone = await ledger.request_cancel(upload.id, cancelled(upload.stage))
    assert gone.stage is Stage.CANCELLED
    assert (await ledger.request_cancel(upload.id, cancelled(gone.stage))).seq == gone.seq
    assert await ledger.queue() == []


async def test_a_done_or_failed_upload_cannot_be_cancelled(ledger: Ledger, clock: Clock) -> None:
    done = await finish(ledger, await claimed(ledger, clock))
    with pytest.raises(WrongState):
        await ledger.request_cancel(done.id, cancelled(done.stage))


async def test_the_first_queued_is_claimed_first(ledger: Ledger, clock: Clock) -> None:
    uploads = [await queued(ledger, clock) for _ in range(4)]
    assert await ledger.queue() == [upload.id for upload in uploads]
    assert [(await ledger.get(upload.id)).queue_position for upload in uploads] == [1, 2, 3, 4]
    for upload in uploads:
        claim = await ledger.claim_next(holder="w", seconds=LEASE)
        assert claim is not None
        assert (claim.upload.id, claim.upload.stage) == (upload.id, Stage.FETCHING)
    assert await ledger.claim_next(holder="w", seconds=LEASE) is None


async def test_no_owner_starves_another(ledger: Ledger, clock: Clock) -> None:
    for _ in range(6):
        await queued(ledger, clock, "ada")
    one = await queued(ledger, clock, "bob")
    assert (await ledger.get(one.id)).queue_position == 2
    owners = []
    for _ in range(4):
        claim = await ledger.claim_next(holder="w", seconds=LEASE)
        assert claim is not None
        owners.append(claim.upload.owner)
        await finish(ledger, claim)
        await queued(ledger, clock, "ada")
    assert owners[:2] == ["ada", "bob"]


async def test_one_worker_serves_owners_in_turn(ledger: Ledger, clock: Clock) -> None:
    for owner in ("ada", "ada", "ada", "bob", "bob", "cy"):
        await queued(ledger, clock, owner)
    owners = []
    while claim := await ledger.claim_next(holder="w", seconds=LEASE):
        owners.append(claim.upload.owner)
        clock.now += 1
        await finish(ledger, claim)
    assert sorted(owners[:3]) == ["ada", "bob", "cy"]
    assert owners[3:] == ["ada", "bob", "ada"]


async def test_priority_goes_first_among_equals(ledger: Ledger, clock: Clock) -> None:
    await queued(ledger, clock)
    urgent = await queued(ledger, clock, priority=5)
    assert (await ledger.queue())[0] == urgent.id


async def test_a_retry_waits_until_it_is_due(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    later = Change(Retrying(), "soon", not_before=clock.now + 10)
    await ledger.append(claim.upload.id, later, token=claim.lease.token)
    assert await ledger.claim_next(holder="w", seconds=LEASE) is None
    clock.now += 11
    again = await ledger.claim_next(holder="w", seconds=LEASE)
    assert again is not None
    assert again.upload.state.attempt == 2


# What nobody works on any more


async def test_a_lost_worker_costs_an_attempt(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    assert await ledger.expire_leases(reserved_seconds=1e12) == []
    clock.now += LEASE
    [upload] = await ledger.expire_leases(reserved_seconds=1e12)
    assert (upload.stage, upload.state.attempt, upload.state.failures) == (Stage.QUEUED, 2, 0)
    assert await ledger.queue() == [claim.upload.id]


async def test_a_lost_worker_with_a_requested_cancel_cancels_the_upload(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    await ledger.request_cancel(claim.upload.id, cancelled(claim.upload.stage))
    clock.now += LEASE
    [upload] = await ledger.expire_leases(reserved_seconds=1e12)
    assert upload.stage is Stage.CANCELLED


async def test_an_upload_fails_after_too_many_lost_workers(ledger: Ledger, clock: Clock) -> None:
    await queued(ledger, clock)
    for _ in range(MAX_WORKER_LOSSES):
        assert await ledger.claim_next(holder="w", seconds=LEASE)
        clock.now += LEASE
        [upload] = await ledger.expire_leases(reserved_seconds=1e12)
    assert upload.stage is Stage.FAILED
    assert upload.error == {
        "code": "WORKER_LOST",
        "message": upload.error and upload.error["message"],
        "step": "fetching",
        "retryable": True,
    }


async def test_a_lost_intake_and_an_unused_reservation_fail_the_upload(ledger: Ledger, clock: Clock) -> None:
    arriving = await created(ledger, clock)
    await ledger.claim(arriving.id, holder="web", seconds=LEASE)
    reserved = await created(ledger, clock)
    clock.now += LEASE
    [lost] = await ledger.expire_leases(reserved_seconds=clock.now - reserved.created_at + 1)
    assert (lost.id, lost.error and lost.error["code"]) == (arriving.id, "WORKER_LOST")
    [unused] = await ledger.expire_leases(reserved_seconds=0)
    assert (unused.id, unused.error and unused.error["code"]) == (reserved.id, "STALLED")


async def test_reopening(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    with pytest.raises(WrongState):
        await ledger.reopen(claim.upload.id, source_stored=True)
    body = error_body(TranscodeError("no"), Stage.COMPRESSING)
    failed = await ledger.append(claim.upload.id, Change(Failed(), "no", error=body), token=claim.lease.token)
    again = await ledger.reopen(failed.id, source_stored=True)
    assert (again.stage, again.seq, again.state.attempt, again.error) == (Stage.QUEUED, failed.seq + 1, 2, None)
    assert again.source == SOURCE
    assert await ledger.active_ids() == [failed.id]
    await ledger.request_cancel(failed.id, cancelled(Stage.QUEUED))
    empty = await ledger.reopen(failed.id, source_stored=False)
    assert (empty.stage, empty.source, empty.bytes_received) == (Stage.RECEIVING, None, 0)


async def test_prune_deletes_uploads_that_ended_long_ago(ledger: Ledger, clock: Clock) -> None:
    done = await finish(ledger, await claimed(ledger, clock))
    alive = await queued(ledger, clock)
    assert await ledger.prune(retention_seconds=1) == []
    clock.now += 10
    assert await ledger.prune(retention_seconds=5) == [done.id]
    with pytest.raises(NotFound):
        await ledger.get(done.id)
    assert await ledger.active_ids() == [alive.id]


# Notices


class RecordingObserver:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.notices: list[ChangeNotice] = []
        self.queue_moved = False

    def on_changes(self, notices: Sequence[ChangeNotice]) -> None:
        self.notices.extend(notices)

    def on_queue_moved(self) -> None:
        self.queue_moved = True

    def on_gap(self) -> None:
        pass


async def test_listeners_are_notified_of_every_event_in_order_and_of_ticks(ledger: Ledger, clock: Clock) -> None:
    observer = RecordingObserver()
    stop = ledger.add_listener(observer)
    upload = fresh(clock)
    await ledger.subscribe(upload.id)
    await ledger.create([upload])
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    await ledger.tick(claim.upload.id, Tick(0.5), token=claim.lease.token)
    await finish(ledger, claim)
    await eventually(lambda: len(observer.notices) == 10)
    notices = observer.notices
    assert observer.queue_moved
    assert [notice.message["seq"] for notice in notices if notice.event] == list(range(1, 10))
    assert [notice.message["progress"] for notice in notices if not notice.event] == [25.0]
    assert [notice.message for notice in notices if notice.event] == (await ledger.events(claim.upload.id)).events
    stop()
    await created(ledger, clock)
    assert len(notices) == 10


async def test_an_observer_is_called_for_each_event_made_through_the_ledger(ledger: Ledger, clock: Clock) -> None:
    notices: list[tuple[int | None, int]] = []
    ledger.add_observer(lambda before, after: notices.append((before.seq if before else None, after.seq)))
    claim = await claimed(ledger, clock)
    await ledger.tick(claim.upload.id, Tick(0.5), token=claim.lease.token)
    await ledger.release(claim.lease, text="")
    for _ in range(2):
        await ledger.request_cancel(claim.upload.id, cancelled(Stage.QUEUED))
    await ledger.reopen(claim.upload.id, source_stored=True)
    assert notices == [(None, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
