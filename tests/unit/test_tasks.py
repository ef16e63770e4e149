"""Background tasks, their cancellation, and work that a cancellation does not interrupt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from roomcast.errors import StorageError
from roomcast.runtime import tasks
from roomcast.runtime.files import run_in_thread_shielded
from roomcast.runtime.tasks import (
    EXIT_TASK_FAILED,
    cancel_and_wait,
    exit_when_task_fails,
    finish_despite_cancel,
    periodic,
    process_heartbeats,
    run_for_each,
    start_background_task,
)
from structlog.testing import capture_logs

from tests.support.harness import eventually


async def fail() -> None:
    raise RuntimeError("the handler is closed")


async def cancel_itself() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("work", [fail, cancel_itself])
async def test_background_task_that_fails_is_logged_and_ends_the_process(
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    process_exit = exit_when_task_fails(asyncio.Event())
    with capture_logs() as logs:
        task = start_background_task(work(), "upkeep")
        await process_exit.stop.wait()
        await asyncio.gather(task, return_exceptions=True)
    assert process_exit.exit_code == EXIT_TASK_FAILED != 0
    assert [(line["event"], line["log_level"], line["task"]) for line in logs] == [
        ("background_task_failed", "critical", "upkeep")
    ]


async def test_background_task_that_is_cancelled_ends_nothing() -> None:
    process_exit = exit_when_task_fails(asyncio.Event())
    task = start_background_task(asyncio.Event().wait(), "upkeep")  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert (process_exit.exit_code, process_exit.stop.is_set()) == (0, False)


async def test_periodic_goes_on_after_a_failure() -> None:
    process_exit, rounds = exit_when_task_fails(asyncio.Event()), 0

    async def do() -> None:
        nonlocal rounds
        rounds += 1
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with periodic(do, 0.01, name="poll", failure_event="poll_failed"):
            await eventually(lambda: rounds >= 3, what="three rounds")
    assert {line["event"] for line in logs} == {"poll_failed"}
    assert process_exit.exit_code == 0


async def test_periodic_runs_at_once_when_woken() -> None:
    wake, rounds = asyncio.Event(), 0

    async def do() -> None:
        nonlocal rounds
        rounds += 1

    async with periodic(do, 3600, name="poll", wake=wake, failure_event="poll_failed"):
        await eventually(lambda: rounds == 1)
        wake.set()
        await eventually(lambda: rounds == 2)


async def test_periodic_that_hangs_is_overdue_until_it_is_stopped() -> None:
    heartbeats = process_heartbeats()

    async def hang() -> None:
        await asyncio.Event().wait()

    async with periodic(hang, 0.0, name="poll", failure_event="poll_failed", overdue_seconds=0.0):
        await eventually(heartbeats.overdue, what="an overdue loop")
        assert heartbeats.overdue()[0].startswith("The loop 'poll' has not run for ")
    assert heartbeats.overdue() == []


async def test_periodic_whose_every_run_fails_is_reported_and_one_that_recovers_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "FAILING_SECONDS", 0.0)
    heartbeats, broken = process_heartbeats(), asyncio.Event()
    broken.set()

    async def do() -> None:
        if broken.is_set():
            raise ZeroDivisionError

    with capture_logs():
        async with periodic(do, 0.01, name="poll", failure_event="poll_failed"):
            await eventually(heartbeats.failing, what="a failing loop")
            assert heartbeats.overdue() == []
            broken.clear()
            await eventually(lambda: not heartbeats.failing(), what="a loop that works again")


async def test_cancel_and_wait_repeats_a_cancellation_that_was_swallowed() -> None:
    waiting = asyncio.Event()

    async def run() -> None:
        with suppress(asyncio.CancelledError):
            waiting.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await waiting.wait()
    await cancel_and_wait(task)
    assert task.cancelled()


async def test_cancel_and_wait_ignores_failures() -> None:
    await cancel_and_wait(asyncio.create_task(fail()))
    await cancel_and_wait()


class Work:
    """Waits for `go`; counts how often it began and ended."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.began = self.ended = 0

    async def run(self) -> int:
        self.began += 1
        await self.go.wait()
        self.ended += 1
        return 42


async def started(work: Work, *, idempotent: bool = False) -> asyncio.Task[int]:
    task = asyncio.create_task(finish_despite_cancel(work.run, idempotent=idempotent))
    await eventually(lambda: work.began)
    return task


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_shielded_work_returns_its_result() -> None:
    work = Work()
    work.go.set()
    assert await finish_despite_cancel(work.run) == 42


async def test_shielded_work_raises_its_failure() -> None:
    with pytest.raises(RuntimeError):
        await finish_despite_cancel(fail)


@pytest.mark.parametrize("cancellations", [1, 2, 3])
async def test_cancelled_caller_waits_until_the_shielded_work_has_ended(cancellations: int) -> None:
    work = Work()
    task = await started(work)
    for _ in range(cancellations):
        task.cancel()
        await turns()
    assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended == 1


async def test_cancelled_caller_waits_no_longer_than_the_grace_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "GRACE_SECONDS", 0.05)
    work = Work()
    task = await started(work, idempotent=True)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (work.began, work.ended) == (1, 0)


async def test_idempotent_work_that_is_cancelled_itself_runs_once_more() -> None:
    work = Work()
    task = await started(work, idempotent=True)
    for other in asyncio.all_tasks() - {asyncio.current_task()}:
        other.cancel()
    await turns()
    assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (work.began, work.ended) == (2, 1)


async def test_thread_outlives_any_number_of_cancellations_and_the_loop_s_own() -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(10)
        ended.set()

    task = asyncio.create_task(run_in_thread_shielded(work))
    await eventually(begun.is_set)
    for _ in range(3):
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()
        await turns()
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_thread_s_disk_errors_are_storage_errors() -> None:
    def work() -> None:
        raise OSError(5, "no such luck")

    with pytest.raises(StorageError):
        await run_in_thread_shielded(work)


async def test_work_for_each_item_runs_on_so_many_at_a_time() -> None:
    running, most, done = 0, 0, list[int]()

    async def work(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    await run_for_each(range(10), work, at_once=3)
    assert (sorted(done), most) == (list(range(10)), 3)


async def test_failure_of_one_item_stops_the_others_before_it_is_raised() -> None:
    begun, ended = list[int](), list[int]()

    async def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise StorageError("The media store failed.")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(item)

    with pytest.raises(StorageError):
        await run_for_each(range(10), work, at_once=3)
    assert (begun, sorted(ended)) == ([0, 1, 2], [0, 2])
