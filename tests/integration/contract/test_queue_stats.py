"""The contract of `WorkQueue.stats`, for every ledger."""

from __future__ import annotations

import pytest
from roomcast.errors import TranscodeError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.uploads.lifecycle import Entered, Failed, Retrying, Stage
from roomcast.uploads.model import Change, Tick, Upload, error_body
from roomcast.uploads.transitions import cancelled

from tests.support.ledgers import LEASE, SOURCE, Clock, claimed, created, finish, queued

ERROR = error_body(TranscodeError("no"), Stage.FETCHING)


async def fail(ledger: Ledger, claim: Claim) -> Upload:
    return await ledger.append(claim.upload.id, Change(Failed(), "no", error=ERROR), token=claim.lease.token)


async def test_an_empty_ledger_counts_nothing(ledger: Ledger) -> None:
    stats = await ledger.stats(since=0, failures=10)
    assert (stats.waiting, stats.waiting_since, stats.delayed, stats.active) == ({}, None, 0, 0)
    assert (stats.leased, stats.failures) == ([], [])
    assert stats.outcomes == {Stage.DONE: 0, Stage.FAILED: 0, Stage.CANCELLED: 0}


async def test_waiting_uploads_are_counted_by_template_since_the_oldest(ledger: Ledger, clock: Clock) -> None:
    first = await queued(ledger, clock)
    other = await created(ledger, clock, "bob")
    hero = Change(Entered(Stage.QUEUED), "Queued", source=SOURCE, template="hero-video", priority=9)
    clock.now += 1
    second = await ledger.append(other.id, hero)
    await created(ledger, clock)
    stats = await ledger.stats(since=0, failures=10)
    assert (stats.waiting, stats.active) == ({"auto": 1, "hero-video": 1}, 3)
    assert stats.waiting_since == pytest.approx(first.updated_at, abs=1e-5)
    await ledger.request_cancel(first.id, cancelled(first.stage))
    stats = await ledger.stats(since=0, failures=10)
    assert stats.waiting == {"hero-video": 1}
    assert stats.waiting_since == pytest.approx(second.updated_at, abs=1e-5)
    assert await ledger.claim_next(holder="w", seconds=LEASE)
    stats = await ledger.stats(since=0, failures=10)
    assert (stats.waiting, stats.waiting_since, stats.active) == ({}, None, 2)


async def test_a_retry_that_is_not_due_is_delayed_and_not_waiting(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    due = clock.now + 10
    await ledger.append(claim.upload.id, Change(Retrying(), "soon", not_before=due), token=claim.lease.token)
    stats = await ledger.stats(since=0, failures=10)
    assert (stats.waiting, stats.waiting_since, stats.delayed) == ({}, None, 1)
    clock.now += 11
    stats = await ledger.stats(since=0, failures=10)
    assert (stats.waiting, stats.waiting_since, stats.delayed) == ({"auto": 1}, due, 0)


async def test_leased_uploads_are_listed_with_their_latest_tick(ledger: Ledger, clock: Clock) -> None:
    arriving = await created(ledger, clock)
    await ledger.claim(arriving.id, holder="web", seconds=LEASE)
    since = clock.now
    older = await claimed(ledger, clock)
    clock.now += 2
    await queued(ledger, clock)
    newer = await ledger.claim_next(holder="a.host.with.dots.77", seconds=LEASE)
    assert newer
    await ledger.tick(newer.upload.id, Tick(0.5, speed=2.0), token=newer.lease.token)
    first, second = (await ledger.stats(since=0, failures=10)).leased
    assert (first.upload.id, first.holder, first.expires_at) == (older.upload.id, "w", older.lease.expires_at)
    assert first.since == pytest.approx(since, abs=0.01)
    assert (second.upload.id, second.holder) == (newer.upload.id, "a.host.with.dots.77")
    assert second.since == pytest.approx(clock.now, abs=0.01)
    assert (second.upload.state.progress, second.upload.speed) == (25, 2.0)
    renewed = (await ledger.renew(older.lease, seconds=60)).lease
    assert (await ledger.stats(since=0, failures=10)).leased[0].expires_at == renewed.expires_at
    await ledger.release(newer.lease, text="back")
    assert [one.upload.id for one in (await ledger.stats(since=0, failures=10)).leased] == [older.upload.id]


async def test_outcomes_are_counted_since_a_time(ledger: Ledger, clock: Clock) -> None:
    failures = [(await fail(ledger, await claimed(ledger, clock))).id for _ in range(3)]
    clock.now += 10
    recently = clock.now
    failures.append((await fail(ledger, await claimed(ledger, clock))).id)
    await finish(ledger, await claimed(ledger, clock))
    gone = await created(ledger, clock)
    await ledger.request_cancel(gone.id, cancelled(gone.stage))
    stats = await ledger.stats(since=recently, failures=2)
    assert stats.outcomes == {Stage.DONE: 1, Stage.FAILED: 1, Stage.CANCELLED: 1}
    assert [upload.id for upload in stats.failures] == [failures[3], failures[2]], "newest first, not more"
    assert (await ledger.stats(since=0, failures=0)).outcomes[Stage.FAILED] == 4
    await ledger.reopen(failures[3], source_stored=True)
    stats = await ledger.stats(since=recently, failures=10)
    assert (stats.outcomes[Stage.FAILED], stats.waiting) == (0, {"auto": 1})
    assert {upload.id for upload in stats.failures} == set(failures[:3])


async def test_pruned_uploads_are_not_counted(ledger: Ledger, clock: Clock) -> None:
    await ledger.set_cleanup((await fail(ledger, await claimed(ledger, clock))).id, None)
    clock.now += 10
    await ledger.prune(retention_seconds=0)
    stats = await ledger.stats(since=0, failures=10)
    assert (stats.outcomes[Stage.FAILED], stats.failures, stats.active) == (0, [], 0)
    assert (await ledger.page(None)).uploads == []
