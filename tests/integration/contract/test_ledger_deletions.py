"""Deletion and expiry of ended uploads in every ledger, by the ledger's own clock."""

from __future__ import annotations

import pytest
from roomcast.errors import IdTaken, NotFound, WrongState
from roomcast.ledger.contract import Ledger
from roomcast.uploads.lifecycle import Entered, IllegalFact, Stage, Status
from roomcast.uploads.model import Change, Retention, Upload
from roomcast.uploads.transitions import cancelled, deleted

from tests.support.ledgers import STEPS, Clock, claimed, created, finish


async def done(ledger: Ledger, clock: Clock, retention: Retention) -> Upload:
    claim = await claimed(ledger, clock)
    for stage in STEPS[:-1]:
        await ledger.append(claim.upload.id, Change(Entered(stage), stage), token=claim.lease.token)
    change = Change(Entered(Stage.DONE), "Done", element={"outputs": []}, retention=retention)
    return await ledger.append(claim.upload.id, change, token=claim.lease.token)


async def due(ledger: Ledger) -> list[str]:
    return [upload.id for upload in (await ledger.due_cleanups()).uploads]


async def test_deletion_is_one_more_event_after_every_end(ledger: Ledger, clock: Clock) -> None:
    finished = await finish(ledger, await claimed(ledger, clock))
    stopped = await ledger.request_cancel((await created(ledger, clock)).id, cancelled(Stage.RECEIVING))
    for upload in (finished, stopped):
        gone = await ledger.append(upload.id, deleted(upload.stage))
        assert (gone.stage, gone.state.status, gone.seq) == (Stage.DELETED, Status.ERROR, upload.seq + 1)
        assert gone.element is None
        replay = await ledger.events(upload.id, since=upload.seq)
        assert [event["error"]["code"] for event in replay.events] == ["DELETED"]
        with pytest.raises(IllegalFact):
            await ledger.append(upload.id, deleted(Stage.DELETED))
        with pytest.raises(WrongState):
            await ledger.reopen(upload.id, source_stored=True)
        with pytest.raises(WrongState):
            await ledger.request_cancel(upload.id, cancelled(Stage.DELETED))


async def test_unfinished_upload_cannot_be_deleted(ledger: Ledger, clock: Clock) -> None:
    waiting = await created(ledger, clock)
    with pytest.raises(IllegalFact):
        await ledger.append(waiting.id, deleted(Stage.RECEIVING))
    claim = await claimed(ledger, clock)
    with pytest.raises(WrongState):
        await ledger.append(claim.upload.id, deleted(Stage.FETCHING))
    assert await due(ledger) == []


async def test_deleted_upload_is_due_at_once_until_its_cleanup_is_set_and_its_record_is_removed(
    ledger: Ledger, clock: Clock
) -> None:
    upload = await finish(ledger, await claimed(ledger, clock))
    await ledger.remove(upload.id)
    assert (await ledger.get(upload.id)).stage is Stage.DONE, "only a deleted one is removed"
    await ledger.append(upload.id, deleted(Stage.DONE))
    assert await due(ledger) == [upload.id]
    await ledger.set_cleanup(upload.id, clock.now + 100)
    assert await due(ledger) == []
    clock.now += 50
    assert await ledger.prune(retention_seconds=1) == [], "it is still due some time"
    with pytest.raises(IdTaken):
        await ledger.create([upload])
    clock.now += 50
    assert await due(ledger) == [upload.id]
    await ledger.remove(upload.id)
    assert await due(ledger) == []
    with pytest.raises(NotFound):
        await ledger.get(upload.id)
    assert (await ledger.page(upload.owner)).uploads == []
    await ledger.set_cleanup(upload.id, clock.now)
    assert await due(ledger) == []
    await ledger.create([upload])


async def test_retention_counts_from_the_completion_by_the_ledgers_clock(ledger: Ledger, clock: Clock) -> None:
    brief = await done(ledger, clock, Retention(source=10, results=20))
    lasting = await done(ledger, clock, Retention(results=1e11))
    usual = await done(ledger, clock, Retention())
    assert (brief.source_expires_at, brief.results_expire_at) == (brief.updated_at + 10, brief.updated_at + 20)
    assert await due(ledger) == []
    clock.now += 11
    found = await ledger.due_cleanups()
    assert (found.now, [upload.id for upload in found.uploads]) == (clock.now, [brief.id])
    await ledger.set_cleanup(brief.id, brief.results_expire_at)
    assert await due(ledger) == []
    assert await ledger.prune(retention_seconds=5) == [usual.id]
    assert await ledger.prune(retention_seconds=5) == []
    clock.now += 10
    assert await due(ledger) == [brief.id]
    assert (await ledger.get(lasting.id)).stage is Stage.DONE
    await ledger.set_cleanup(lasting.id, None)
    assert await ledger.prune(retention_seconds=5) == [lasting.id], "nothing else is due of it any more"
