"""Films that are planned in a ledger, and their tasks, for the suites over ledgers."""

from __future__ import annotations

from dataclasses import replace

from roomcast.ledger.contract import Claim, Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.segments import TaskClaim
from roomcast.segments.plan import SegmentPlan, TaskFailure, TaskResult

from tests.support.ledgers import LEASE, Clock, queued
from tests.support.segment_files import film_plan, made_by, sound_of

ENCODER = "encoder-1"


def plan_of(segments: int = 3, *, plan_id: str = "plan-1", encoder: str = ENCODER, audio: bool = False) -> SegmentPlan:
    """A plan with so many segments, and so one task more: the first segment is two of them."""
    plan = film_plan([8.0] * segments, audio=audio, plan_id=plan_id)
    return replace(plan, encoder=encoder, settings={"crf": {"720": 23}, "streams": [0, 1]})


def result_of(claim: TaskClaim, *, frames: int = 200) -> TaskResult:
    """The result of a task, whose segments have so many frames."""
    result = made_by(claim.plan, claim.task)
    return replace(result, files=tuple(replace(file, frames=frames) for file in result.files))


async def planned(ledger: Ledger, clock: Clock, plan: SegmentPlan, owner: str = "ada") -> Claim:
    """An upload that a worker has claimed and planned."""
    await queued(ledger, clock, owner)
    claim = await ledger.claim_next(holder="coordinator", seconds=3600)
    assert claim is not None
    await ledger.segments.plan(claim.lease, plan)
    return claim


async def next_task(ledger: Ledger, holder: str = "w", *, upload_id: str | None = None) -> TaskClaim:
    claim = await ledger.segments.claim(holder=holder, encoder=ENCODER, seconds=LEASE, upload_id=upload_id)
    assert claim is not None
    return claim


async def no_task(ledger: Ledger, holder: str = "w", *, encoder: str = ENCODER) -> bool:
    return await ledger.segments.claim(holder=holder, encoder=encoder, seconds=LEASE) is None


async def film_life(ledger: RedisLedger, claim: Claim) -> None:
    """Everything that can happen to the tasks of a film, which is planned in the end."""
    segments = ledger.segments
    await segments.plan(claim.lease, plan_of())
    await segments.withdraw(claim.lease)
    await segments.plan(claim.lease, plan_of())
    await segments.set_audio(claim.lease, sound_of(plan_of(), 1))
    done, delayed, failing = [await next_task(ledger) for _ in range(3)]
    await segments.renew(done.lease, seconds=LEASE, fraction=0.5)
    await segments.complete(done.lease, result_of(done))
    await segments.release(delayed.lease, failed=True, not_before=1e12)
    await segments.fail(failing.lease, TaskFailure(2, "INTERNAL", "No.", retryable=True))
    await ledger.scripts.command("HSET", ledger.scripts.key("tasks", claim.upload.id), "0:result", b"{")
    board = await segments.plan(claim.lease, plan_of())
    assert (board.results, board.failure, await segments.board(claim.upload.id)) == ({}, None, board)
    assert (await segments.progress(claim.upload.id) or board).version > 2
    await segments.plan(claim.lease, plan_of(plan_id="other"))
    await next_task(ledger)
