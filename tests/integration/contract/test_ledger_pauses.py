"""The contract of `roomcast.ledger.contract.Ledger` for uploads whose bytes come in chunks."""

from __future__ import annotations

import pytest
from roomcast.errors import LeaseLost, WrongState
from roomcast.ledger.contract import Claim, Ledger
from roomcast.uploads.lifecycle import Entered, Progressed, Stage
from roomcast.uploads.model import Change, Tick, TusState, Upload
from roomcast.uploads.transitions import cancelled, paused

from tests.support.ledgers import LEASE, SOURCE, Clock, created

PIECES = Change(Progressed(0.0), "Receiving the file", bytes_expected=100, resumable=TusState("filename Zg=="))


async def in_pieces(ledger: Ledger, clock: Clock) -> Upload:
    return await ledger.append((await created(ledger, clock)).id, PIECES)


async def arriving(ledger: Ledger, upload: Upload, *, steal: bool = False) -> Claim:
    return await ledger.claim(upload.id, holder="web", seconds=LEASE, steal=steal)


async def test_the_tus_state_of_an_upload_is_stored(ledger: Ledger, clock: Clock) -> None:
    upload = await in_pieces(ledger, clock)
    assert (upload.bytes_expected, upload.resumable) == (100, TusState("filename Zg=="))
    assert await ledger.get(upload.id) == upload


async def test_a_pause_ends_the_lease_and_the_upload_can_be_claimed_again(ledger: Ledger, clock: Clock) -> None:
    upload = await in_pieces(ledger, clock)
    claim = await arriving(ledger, upload)
    await ledger.tick(upload.id, Tick(0.9, bytes_received=90), token=claim.lease.token)
    rested = await ledger.append(upload.id, paused(upload, 50), token=claim.lease.token)
    assert (rested.stage, rested.bytes_received, rested.state.stage_progress) == (Stage.RECEIVING, 50, 90.0)
    with pytest.raises(LeaseLost):
        await ledger.renew(claim.lease, seconds=LEASE)
    await ledger.tick(upload.id, Tick(1.0, bytes_received=100), token=claim.lease.token)
    assert (await ledger.get(upload.id)).bytes_received == 50, "too late"
    again = await arriving(ledger, upload)
    done = await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE), token=again.lease.token)
    assert await ledger.queue() == [done.id]


async def test_a_stolen_claim_invalidates_the_other_lease(ledger: Ledger, clock: Clock) -> None:
    upload = await in_pieces(ledger, clock)
    first = await arriving(ledger, upload)
    with pytest.raises(WrongState):
        await arriving(ledger, upload)
    second = await arriving(ledger, upload, steal=True)
    with pytest.raises(LeaseLost):
        await ledger.renew(first.lease, seconds=LEASE)
    with pytest.raises(LeaseLost):
        await ledger.append(upload.id, paused(upload, 10), token=first.lease.token)
    await ledger.tick(upload.id, Tick(0.5, bytes_received=50), token=first.lease.token)
    assert (await ledger.get(upload.id)).bytes_received == 0
    await ledger.append(upload.id, paused(upload, 20), token=second.lease.token)


async def test_only_a_receiving_upload_can_be_stolen(ledger: Ledger, clock: Clock) -> None:
    upload = await in_pieces(ledger, clock)
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))
    with pytest.raises(WrongState):
        await arriving(ledger, upload, steal=True)


async def test_a_requested_cancel_takes_effect_at_the_pause(ledger: Ledger, clock: Clock) -> None:
    upload = await in_pieces(ledger, clock)
    claim = await arriving(ledger, upload)
    await ledger.request_cancel(upload.id, cancelled(Stage.RECEIVING))
    steal = await arriving(ledger, upload, steal=True)
    assert (await ledger.renew(steal.lease, seconds=LEASE)).cancel_requested
    ended = await ledger.append(upload.id, paused(upload, 50), token=steal.lease.token)
    assert ended.stage is Stage.CANCELLED
    assert claim.lease != steal.lease


async def test_a_lost_intake_pauses_a_resumable_upload(ledger: Ledger, clock: Clock) -> None:
    upload = await in_pieces(ledger, clock)
    await arriving(ledger, upload)
    clock.now += LEASE
    [rested] = await ledger.expire_leases(reserved_seconds=1e12)
    assert (rested.id, rested.stage) == (upload.id, Stage.RECEIVING)
    assert await ledger.expire_leases(reserved_seconds=1e12) == []
    await arriving(ledger, upload)


async def test_a_lost_intake_fails_a_concatenated_upload(ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock)
    await ledger.append(upload.id, Change(Progressed(0.0), "", resumable=TusState(concat=("a", "b"))))
    await arriving(ledger, upload)
    clock.now += LEASE
    [lost] = await ledger.expire_leases(reserved_seconds=1e12)
    assert (lost.stage, lost.error and lost.error["code"]) == (Stage.FAILED, "WORKER_LOST")


async def test_every_chunk_extends_the_reservation(ledger: Ledger, clock: Clock) -> None:
    upload = await in_pieces(ledger, clock)
    clock.now += 100
    claim = await arriving(ledger, upload)
    clock.now += 1
    assert await ledger.expire_leases(reserved_seconds=0) == [], "somebody sends"
    rested = await ledger.append(upload.id, paused(upload, 50), token=claim.lease.token)
    assert await ledger.expire_leases(reserved_seconds=clock.now - rested.updated_at) == []
    clock.now += 1
    [lapsed] = await ledger.expire_leases(reserved_seconds=0)
    assert (lapsed.id, lapsed.error and lapsed.error["code"]) == (upload.id, "STALLED")
    assert lapsed.text == "The rest of the file never arrived."


@pytest.mark.parametrize("part", [True, False])
async def test_starting_over_clears_the_tus_state_unless_the_upload_is_partial(
    ledger: Ledger, clock: Clock, part: bool
) -> None:
    upload = await created(ledger, clock)
    await ledger.append(upload.id, Change(Progressed(0.0), "", resumable=TusState("filename Zg==", partial=part)))
    await ledger.request_cancel(upload.id, cancelled(Stage.RECEIVING))
    again = await ledger.reopen(upload.id, source_stored=False)
    assert again.is_partial is part
    assert again.resumable == (TusState("filename Zg==", partial=True) if part else None)
