"""Work that outlasts its caller's cancellation."""

from __future__ import annotations

import asyncio

import pytest
from roomcast.runtime import shield as s3_shield
from roomcast.runtime.shield import outlast

from tests.support.harness import eventually


class Work:
    """Waits until it is let go; counts how often it began and ended."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.began = self.ended = 0

    async def run(self) -> int:
        self.began += 1
        await self.go.wait()
        self.ended += 1
        return 42


async def begun(work: Work, *, again: bool = False) -> asyncio.Task[int]:
    task = asyncio.create_task(outlast(work.run, again=again))
    await eventually(lambda: work.began)
    return task


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_its_outcome_is_the_callers() -> None:
    work = Work()
    work.go.set()
    assert await outlast(work.run) == 42


async def test_its_failure_is_the_callers() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await outlast(fail)


@pytest.mark.parametrize("cancellations", [1, 2, 3])
async def test_a_cancelled_caller_waits_for_its_end(cancellations: int) -> None:
    work = Work()
    task = await begun(work)
    for _ in range(cancellations):
        task.cancel()
        await turns()
    assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended == 1


async def test_a_cancelled_caller_waits_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_shield, "GRACE_SECONDS", 0.05)
    work = Work()
    task = await begun(work, again=True)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (work.began, work.ended) == (1, 0)


async def test_work_that_is_cancelled_itself_is_done_again_where_that_is_right() -> None:
    work = Work()
    task = await begun(work, again=True)
    for other in asyncio.all_tasks() - {asyncio.current_task()}:
        other.cancel()
    await turns()
    assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (work.began, work.ended) == (2, 1)
