"""Uploads at every point of their way, for the suites over ledgers."""

from __future__ import annotations

from roomcast.errors import RoomcastError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.uploads.lifecycle import Entered, Failed, Stage
from roomcast.uploads.model import Change, Source, Upload, error_body, new_upload_id

LEASE = 5.0
STEPS = (Stage.PROBING, Stage.COMPRESSING, Stage.THUMBNAILS, Stage.STORING, Stage.CLEANING, Stage.DONE)
SOURCE = Source("key", 100, "video", "mov", "video/mp4", "0" * 32, "0" * 64)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def fresh(clock: Clock, owner: str = "ada", *, priority: int = 0) -> Upload:
    clock.now += 0.001
    return Upload(new_upload_id(), owner, "auto", "film.mp4", "e1", clock(), clock(), priority=priority)


async def created(ledger: Ledger, clock: Clock, owner: str = "ada", *, priority: int = 0) -> Upload:
    upload = fresh(clock, owner, priority=priority)
    await ledger.create([upload])
    return upload


async def queued(
    ledger: Ledger, clock: Clock, owner: str = "ada", *, priority: int = 0, source: Source = SOURCE
) -> Upload:
    upload = await created(ledger, clock, owner, priority=priority)
    clock.now += 0.001
    return await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "Queued", source=source))


async def claimed(ledger: Ledger, clock: Clock) -> Claim:
    await queued(ledger, clock)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    return claim


async def failed(ledger: Ledger, clock: Clock, *, stage: Stage = Stage.COMPRESSING) -> Upload:
    """An upload that has failed in a stage."""
    claim = await claimed(ledger, clock)
    error = error_body(RoomcastError("It failed."), stage, retryable=True)
    return await ledger.append(claim.upload.id, Change(Failed(), "It failed.", error=error), token=claim.lease.token)


async def finish(ledger: Ledger, claim: Claim) -> Upload:
    upload = claim.upload
    for stage in STEPS:
        upload = await ledger.append(upload.id, Change(Entered(stage), stage), token=claim.lease.token)
    return upload
