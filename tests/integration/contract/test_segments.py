"""The contract of `SegmentTasks`, for every ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from roomcast.errors import LeaseLost, NotFound, WrongState
from roomcast.ledger.contract import Claim, Ledger
from roomcast.ledger.segments import MAX_TASK_LOSSES
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.segments.plan import SegmentProgress, TaskFailure, TaskResult
from roomcast.uploads.lifecycle import Entered, Failed, Retrying, Stage
from roomcast.uploads.model import Change
from roomcast.uploads.transitions import MAX_WORKER_LOSSES, cancelled

from tests.support.film_tasks import ENCODER, next_task, no_task, plan_of, planned, result_of
from tests.support.ledgers import LEASE, Clock, claimed, failed, finish, queued
from tests.support.segment_files import sound_of

PLAN = plan_of()


async def progress(ledger: Ledger, upload_id: str) -> SegmentProgress:
    found = await ledger.segments.progress(upload_id)
    assert found is not None
    return found


def counts(found: SegmentProgress) -> tuple[int, int, int]:
    return found.done, found.running, found.waiting


async def complete_next(ledger: Ledger) -> int:
    claim = await next_task(ledger)
    await ledger.segments.complete(claim.lease, result_of(claim))
    return claim.task.number


async def test_plan_is_stored_and_its_tasks_are_done_in_order(ledger: Ledger, clock: Clock) -> None:
    plan = plan_of(audio=True)
    upload = await queued(ledger, clock)
    claim = await ledger.claim_next(holder="coordinator", seconds=3600)
    assert claim
    assert await ledger.segments.progress(upload.id) is None
    assert await ledger.segments.board(upload.id) is None
    board = await ledger.segments.plan(claim.lease, plan)
    assert (board.plan, board.version, board.results, board.running) == (plan, 0, {}, ())
    assert counts(await progress(ledger, upload.id)) == (0, 0, 4)
    first, second = await next_task(ledger, "w.1"), await next_task(ledger, "w.2")
    assert (first.plan, first.task, first.failures) == (plan, plan.tasks[0], 0)
    assert (first.upload.id, first.lease.plan_id, first.lease.task) == (upload.id, plan.id, 0)
    assert first.lease.expires_at == pytest.approx(clock.now + LEASE)
    renewal = await ledger.segments.renew(second.lease, seconds=LEASE, fraction=0.5)
    assert not renewal.cancel_requested
    found = await progress(ledger, upload.id)
    assert counts(found) == (0, 2, 2)
    assert (found.plan_id, found.tasks, found.weight) == (plan.id, 4, plan.weight)
    assert (found.done_weight, found.running_weight) == (0, second.task.weight / 2)
    await ledger.segments.complete(first.lease, result_of(first))
    await ledger.segments.set_audio(claim.lease, sound_of(PLAN, 2))
    found = await progress(ledger, upload.id)
    assert (counts(found), found.done_weight) == ((1, 1, 2), first.task.weight)
    stored = await ledger.segments.board(upload.id)
    assert stored
    assert stored.results == {0: result_of(first)}
    assert [(one.number, one.holder, one.fraction) for one in stored.running] == [(1, "w.2", 0.5)]
    assert stored.running[0].since == pytest.approx(clock.now, abs=0.01)
    assert stored.running[0].expires_at == pytest.approx(clock.now + LEASE)
    assert (stored.audio, stored.version, found.version) == (sound_of(PLAN, 2), 2, 2)
    assert not stored.is_complete
    await ledger.segments.complete(renewal.lease, result_of(second))
    assert [await complete_next(ledger) for _ in range(2)] == [2, 3]
    await ledger.segments.set_audio(claim.lease, sound_of(PLAN, 3, complete=True))
    stored = await ledger.segments.board(upload.id)
    assert stored
    assert (stored.is_complete, [file.segment for file in stored.files("720")]) == (True, [0, 1, 2])
    assert stored.init("480") == result_of(first).inits[0]
    assert await no_task(ledger)
    found = await progress(ledger, upload.id)
    assert (counts(found), found.done_weight, found.version) == ((4, 0, 0), plan.weight, 6)


async def test_result_is_final_and_only_its_lease_can_record_it(ledger: Ledger, clock: Clock) -> None:
    claim = await planned(ledger, clock, plan_of())
    first = await next_task(ledger, "slow")
    clock.now += LEASE
    assert counts(await progress(ledger, claim.upload.id)) == (0, 0, 4), "an expired lease is none"
    again = await next_task(ledger, "fast")
    assert (again.task.number, again.failures) == (0, 0)
    for call in (
        ledger.segments.renew(first.lease, seconds=LEASE, fraction=0.9),
        ledger.segments.complete(first.lease, result_of(first, frames=1)),
    ):
        with pytest.raises(LeaseLost):
            await call
    await ledger.segments.release(first.lease)
    await ledger.segments.fail(first.lease, TaskFailure(0, "INTERNAL", "No.", retryable=True))
    await ledger.segments.complete(again.lease, result_of(again, frames=2))
    await ledger.segments.complete(again.lease, result_of(again, frames=3))  # the answer was lost, so it is repeated
    with pytest.raises(LeaseLost):
        await ledger.segments.complete(first.lease, result_of(first, frames=4))
    with pytest.raises(LeaseLost):
        await ledger.segments.renew(again.lease, seconds=LEASE, fraction=1)
    board = await ledger.segments.board(claim.upload.id)
    assert board
    assert (board.results, board.failure, board.version, board.failures) == (
        {0: result_of(first, frames=2)},
        None,
        1,
        {0: 1},
    )
    assert counts(await progress(ledger, claim.upload.id)) == (1, 0, 3)


async def test_released_task_waits_and_counts_if_it_failed(ledger: Ledger, clock: Clock) -> None:
    claim = await planned(ledger, clock, plan_of(1))
    first = await next_task(ledger)
    await ledger.segments.renew(first.lease, seconds=LEASE, fraction=0.5)
    await ledger.segments.release(first.lease)
    first = await next_task(ledger)
    assert (first.task.number, first.failures) == (0, 0)
    assert (await progress(ledger, claim.upload.id)).running_weight == 0
    await ledger.segments.release(first.lease, failed=True, not_before=clock.now + 3)
    assert counts(await progress(ledger, claim.upload.id)) == (0, 0, 1), "the delayed one is not waiting"
    second = await next_task(ledger)
    assert second.task.number == 1
    assert await no_task(ledger)
    clock.now += 3
    assert counts(await progress(ledger, claim.upload.id)) == (0, 1, 1)
    first = await next_task(ledger)
    assert (first.task.number, first.failures) == (0, 1)
    clock.now -= 1000
    await ledger.segments.release(first.lease)
    assert (await next_task(ledger)).task.number == 0, "a clock that was set back delays nothing"


async def test_task_that_fails_for_good_stops_its_film(ledger: Ledger, clock: Clock) -> None:
    claim = await planned(ledger, clock, plan_of())
    first, second = await next_task(ledger), await next_task(ledger)
    failure = TaskFailure(0, "TRANSCODE_FAILED", "It cannot be encoded.", retryable=True)
    await ledger.segments.fail(first.lease, failure)
    await ledger.segments.fail(second.lease, replace(failure, number=1))
    found = await progress(ledger, claim.upload.id)
    assert (found.failure, counts(found)) == (failure, (0, 0, 0)), "the first failure stays"
    assert await no_task(ledger)
    board = await ledger.segments.plan(claim.lease, plan_of())
    assert (board.failure, board.failures) == (None, {})
    assert (await next_task(ledger)).failures == 0, "planned again, it starts over"


async def test_task_that_loses_every_worker_fails_for_good(ledger: Ledger, clock: Clock) -> None:
    claim = await planned(ledger, clock, plan_of())
    for losses in range(MAX_TASK_LOSSES):
        task = await next_task(ledger)
        assert (task.task.number, task.failures) == (0, 0)
        board = await ledger.segments.board(claim.upload.id)
        assert board
        assert board.failures.get(0, 0) == losses
        clock.now += LEASE
    assert await no_task(ledger)
    found = await progress(ledger, claim.upload.id)
    assert found.failure
    assert (found.failure.number, found.failure.code, found.waiting) == (0, "WORKER_LOST", 0)
    assert (await ledger.segments.plan(claim.lease, plan_of())).failure == found.failure, "as it does planned again"
    assert await no_task(ledger)


async def test_same_plan_has_its_results_and_another_one_starts_over(ledger: Ledger, clock: Clock) -> None:
    claim = await planned(ledger, clock, plan_of())
    await complete_next(ledger)
    running = await next_task(ledger)
    await ledger.segments.set_audio(claim.lease, sound_of(PLAN, 3))
    same = await ledger.segments.plan(claim.lease, plan_of())
    assert (len(same.results), [one.number for one in same.running], same.version) == (1, [1], 2)
    await ledger.segments.set_audio(claim.lease, sound_of(PLAN, 1))
    assert await ledger.segments.board(claim.upload.id) == same, "what can be played does not disappear"
    await ledger.segments.renew(running.lease, seconds=LEASE, fraction=0.1)
    other = await ledger.segments.plan(claim.lease, plan_of(5, plan_id="plan-2", encoder="encoder-2"))
    assert (other.plan.id, other.results, other.running, other.audio) == ("plan-2", {}, (), None)
    assert other.version > same.version
    with pytest.raises(LeaseLost):
        await ledger.segments.complete(running.lease, result_of(running))
    assert await no_task(ledger, encoder=ENCODER)
    assert not await no_task(ledger, encoder="encoder-2")
    assert counts(await progress(ledger, claim.upload.id)) == (0, 1, 5)


async def test_plan_needs_the_current_lease_of_its_upload(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    with pytest.raises(WrongState):
        await ledger.segments.set_audio(claim.lease, sound_of(PLAN, 1))
    await ledger.segments.withdraw(claim.lease)
    await ledger.segments.plan(claim.lease, plan_of())
    await ledger.segments.withdraw(claim.lease)
    assert await ledger.segments.board(claim.upload.id) is None
    assert await no_task(ledger)
    await ledger.segments.plan(claim.lease, plan_of())
    clock.now += LEASE
    for call in (
        ledger.segments.plan(claim.lease, plan_of()),
        ledger.segments.set_audio(claim.lease, sound_of(PLAN, 1)),
        ledger.segments.withdraw(claim.lease),
    ):
        with pytest.raises(LeaseLost):
            await call
    lost = replace(claim.lease, upload_id="upload_unknown")
    task = (await next_task(ledger)).lease
    unknown = replace(task, upload_id="upload_unknown")
    for other in (
        ledger.segments.plan(lost, plan_of()),
        ledger.segments.progress("upload_unknown"),
        ledger.segments.board("upload_unknown"),
        ledger.segments.claim(holder="w", encoder=ENCODER, seconds=LEASE, upload_id="upload_unknown"),
        ledger.segments.renew(unknown, seconds=LEASE, fraction=0),
        ledger.segments.complete(unknown, TaskResult(())),
    ):
        with pytest.raises(NotFound):
            await other


async def test_order_of_tasks_is_fair_between_owners_and_films(ledger: Ledger, clock: Clock) -> None:
    long, short, other = [
        await planned(ledger, clock, plan_of(length, plan_id=owner), owner)
        for owner, length in (("ada", 5), ("ada", 2), ("bob", 2))
    ]
    names = {long.upload.id: "long", short.upload.id: "short", other.upload.id: "other"}
    tasks = [await next_task(ledger) for _ in range(8)]
    assert [(names[one.upload.id], one.task.number) for one in tasks] == [
        ("long", 0),  # the film that was planned first
        ("other", 0),  # bob has none running
        ("short", 0),  # the first task of a film
        ("other", 1),  # bob has one, ada has two
        ("long", 1),
        ("other", 2),
        ("long", 2),
        ("long", 3),
    ]
    await ledger.segments.release(tasks[0].lease)
    assert (await next_task(ledger, upload_id=short.upload.id)).task.number == 1, "of that film alone"
    assert (await next_task(ledger)).task.number == 0
    remaining = [names[(await next_task(ledger)).upload.id] for _ in range(3)]
    assert (remaining, await no_task(ledger)) == (["long", "long", "short"], True)


async def test_paused_worker_gets_no_task_and_a_paused_template_stops_only_what_is_queued(
    ledger: Ledger, clock: Clock
) -> None:
    claim = await planned(ledger, clock, plan_of())
    await ledger.administration.pause("worker", "w", by="root")
    assert await no_task(ledger, "w")
    await ledger.administration.pause("template", "auto", by="root")
    await next_task(ledger, "other")
    await ledger.append(claim.upload.id, Change(Retrying(resumes=True), "again"), token=claim.lease.token)
    assert await no_task(ledger, "other")
    await ledger.administration.resume("template", "auto")
    await next_task(ledger, "other")


async def test_cancel_is_read_by_each_task_and_no_other_is_claimed(ledger: Ledger, clock: Clock) -> None:
    claim = await planned(ledger, clock, plan_of())
    tasks = [await next_task(ledger), await next_task(ledger)]
    await ledger.request_cancel(claim.upload.id, cancelled(Stage.COMPRESSING))
    assert await no_task(ledger)
    for task in tasks:
        renewal = await ledger.segments.renew(task.lease, seconds=LEASE, fraction=0.2)
        assert renewal.cancel_requested
    assert counts(await progress(ledger, claim.upload.id)) == (0, 2, 0)
    for task in tasks:
        await ledger.segments.release(task.lease)
    assert counts(await progress(ledger, claim.upload.id)) == (0, 0, 0)
    await ledger.append(claim.upload.id, cancelled(Stage.COMPRESSING), token=claim.lease.token)
    assert await ledger.segments.board(claim.upload.id) is None


async def test_plan_outlives_its_coordinator_and_ends_with_the_upload(ledger: Ledger, clock: Clock) -> None:
    first = await planned(ledger, clock, plan_of())
    await complete_next(ledger)
    await ledger.release(first.lease, text="back")
    assert await complete_next(ledger) == 1, "others go on while it is queued"
    second = await ledger.claim_next(holder="coordinator.2", seconds=3600)
    assert second
    assert len((await ledger.segments.plan(second.lease, plan_of())).results) == 2
    task = await next_task(ledger)
    await finish(ledger, second)
    assert await ledger.segments.progress(first.upload.id) is None
    with pytest.raises(LeaseLost):
        await ledger.segments.renew(task.lease, seconds=LEASE, fraction=0.5)
    with pytest.raises(LeaseLost):
        await ledger.segments.complete(task.lease, result_of(task))
    await ledger.segments.release(task.lease)
    assert await no_task(ledger)


async def test_failed_film_is_reopened_without_a_plan_and_pruned_without_a_trace(ledger: Ledger, clock: Clock) -> None:
    claim = await planned(ledger, clock, plan_of())
    await next_task(ledger)
    await ledger.append(claim.upload.id, Change(Failed(), "no"), token=claim.lease.token)
    assert await no_task(ledger)
    await ledger.reopen(claim.upload.id, source_stored=True)
    assert await ledger.segments.board(claim.upload.id) is None
    again = await ledger.claim_next(holder="coordinator", seconds=LEASE)
    assert again
    assert (await ledger.segments.plan(again.lease, plan_of())).results == {}
    await ledger.append(claim.upload.id, Change(Failed(), "no"), token=again.lease.token)
    await ledger.set_cleanup(claim.upload.id, None)
    clock.now += 10
    assert await ledger.prune(retention_seconds=1) == [claim.upload.id]
    with pytest.raises(NotFound):
        await ledger.segments.board(claim.upload.id)


async def test_losses_of_workers_count_only_without_a_result_in_between(ledger: Ledger, clock: Clock) -> None:
    claim: Claim | None = await planned(ledger, clock, plan_of(20))
    assert claim
    progressed = 0.0
    for attempt in range(MAX_WORKER_LOSSES + 3):
        await ledger.append(claim.upload.id, Change(Entered(Stage.PROBING), ""), token=claim.lease.token)
        await complete_next(ledger)
        clock.now += 3600
        (lost,) = await ledger.expire_leases(reserved_seconds=1e12)
        assert (lost.stage, lost.state.attempt, lost.state.losses) == (Stage.QUEUED, attempt + 2, 1)
        assert lost.state.progress >= progressed, "the next attempt has the results of this one"
        progressed = lost.state.progress
        claim = await ledger.claim_next(holder="coordinator", seconds=LEASE)
        assert claim
    for losses in range(2, MAX_WORKER_LOSSES + 1):
        clock.now += LEASE
        (lost,) = await ledger.expire_leases(reserved_seconds=1e12)
        if losses < MAX_WORKER_LOSSES:
            assert (lost.stage, lost.state.losses) == (Stage.QUEUED, losses)
            assert await ledger.claim_next(holder="coordinator", seconds=LEASE)
    assert lost.error
    assert (lost.stage, lost.error["code"]) == (Stage.FAILED, "WORKER_LOST")
    assert await no_task(ledger)


async def test_failures_do_not_count_as_lost_workers(ledger: Ledger, clock: Clock) -> None:
    claim = await claimed(ledger, clock)
    for _ in range(MAX_WORKER_LOSSES):
        await ledger.append(claim.upload.id, Change(Retrying(), "again"), token=claim.lease.token)
        again = await ledger.claim_next(holder="w", seconds=LEASE)
        assert again
        claim = again
    clock.now += LEASE
    (lost,) = await ledger.expire_leases(reserved_seconds=1e12)
    assert (lost.stage, lost.state.losses) == (Stage.QUEUED, 1)


async def test_plan_of_two_thousand_tasks_is_claimed_from_and_counted(ledger: Ledger, clock: Clock) -> None:
    plan = plan_of(1999)
    claim = await planned(ledger, clock, plan)
    assert len(plan.tasks) == 2000
    for number in range(3):
        assert await complete_next(ledger) == number
    found = await progress(ledger, claim.upload.id)
    assert (counts(found), found.weight) == ((3, 0, 1997), plan.weight)
    board = await ledger.segments.board(claim.upload.id)
    assert board
    assert (board.plan.tasks[-1], len(board.results)) == (plan.tasks[-1], 3)


async def test_failed_upload_without_a_plan_has_no_board(ledger: Ledger, clock: Clock) -> None:
    upload = await failed(ledger, clock)
    assert await ledger.segments.board(upload.id) is None
    assert await ledger.segments.progress(upload.id) is None


async def test_tasks_at_work_are_listed_and_their_film_waits_for_them(ledger: Ledger, clock: Clock) -> None:
    other = await claimed(ledger, clock)
    claim = await planned(ledger, clock, plan_of(1))
    clock.now += 1
    first, second = await next_task(ledger, "host.1"), await next_task(ledger, "host.2")
    await ledger.segments.renew(second.lease, seconds=60, fraction=0.25)
    stats = await ledger.stats(since=0, failures=0)
    waiting = {one.upload.id: one.waits_for_tasks for one in stats.leased}
    assert waiting == {other.upload.id: False, claim.upload.id: True}
    assert [(one.upload.id, one.holder, one.number, one.fraction) for one in stats.tasks] == [
        (claim.upload.id, "host.1", 0, 0.0),
        (claim.upload.id, "host.2", 1, 0.25),
    ]
    assert [one.expires_at - clock.now for one in stats.tasks] == pytest.approx([LEASE, 60])
    assert stats.tasks[0].since == pytest.approx(clock.now, abs=0.01)
    for task in (first, second):
        await ledger.segments.complete(task.lease, result_of(task))
    stats = await ledger.stats(since=0, failures=0)
    assert (stats.tasks, [one.waits_for_tasks for one in stats.leased]) == ([], [False, False])


async def test_embedded_leases_of_tasks_do_not_depend_on_the_system_clock_and_end_with_the_process(
    tmp_path: Path, clock: Clock
) -> None:
    path, running = tmp_path / "ledger.sqlite3", Clock()
    running.now = 0.0
    ledger = SqliteLedger(path, clock=clock, lease_clock=running)
    claim = await planned(ledger, clock, PLAN)
    task = await next_task(ledger)
    clock.now -= 86_400  # it was set back
    await ledger.segments.renew(task.lease, seconds=LEASE, fraction=0.5)
    board = await ledger.segments.board(claim.upload.id)
    assert board
    assert board.running[0].expires_at == pytest.approx(clock.now + LEASE)
    clock.now += 2 * 86_400  # and ahead
    await ledger.segments.renew(task.lease, seconds=LEASE, fraction=0.6)
    running.now += LEASE
    with pytest.raises(LeaseLost):
        await ledger.segments.renew(task.lease, seconds=LEASE, fraction=0.7)
    assert await complete_next(ledger) == 0
    lost, failing = await next_task(ledger), await next_task(ledger)
    await ledger.segments.release(failing.lease, failed=True, not_before=clock.now + 5)
    delayed = await claimed(ledger, clock)
    retrying = Change(Retrying(), "", not_before=clock.now + 5)
    await ledger.append(delayed.upload.id, retrying, token=delayed.lease.token)
    assert await ledger.claim_next(holder="w", seconds=LEASE) is None
    await ledger.close()
    running.now, clock.now = 0.0, clock.now - 86_400
    ledger = SqliteLedger(path, clock=clock, lease_clock=running)
    with pytest.raises(LeaseLost):
        await ledger.segments.complete(lost.lease, result_of(lost))
    again = await next_task(ledger)
    assert (again.task.number, again.failures) == (1, 0), "the task of a process that was killed"
    assert (await next_task(ledger)).task == failing.task, "its delay would last a day now"
    retried = await ledger.claim_next(holder="w", seconds=LEASE)
    assert retried is not None
    assert retried.upload.id == delayed.upload.id
    await ledger.close()
