"""The contract of `roomcast.dispatch.contract.Dispatch`, held by every implementation."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from roomcast.dispatch import taskiq_streams
from roomcast.dispatch.contract import Dispatch
from roomcast.dispatch.in_process import InProcessDispatch
from roomcast.dispatch.taskiq_streams import TaskiqDispatch
from roomcast.runtime.process import process_name
from structlog.testing import capture_logs

from tests.support.harness import eventually
from tests.support.recording_handler import RecordingHandler


@pytest.fixture(params=["in process", "taskiq"])
async def dispatch(request: pytest.FixtureRequest) -> AsyncIterator[Dispatch]:
    if request.param == "in process":
        yield InProcessDispatch()
        return
    url = request.getfixturevalue("redis").url
    async with TaskiqDispatch.open(url, name=f"roomcast:{secrets.token_hex(4)}") as opened:
        yield opened


async def test_wake_calls_the_handler_with_the_upload_s_id(dispatch: Dispatch) -> None:
    handler = RecordingHandler()
    async with dispatch.workers(handler, 1):
        await dispatch.wake("upload_a", 2)
        await handler.called_with("upload_a")


async def test_wakeups_before_the_first_worker_are_handled_by_it(dispatch: Dispatch) -> None:
    handler = RecordingHandler()
    for number in range(3):
        await dispatch.wake(f"upload_{number}", 2)
    async with dispatch.workers(handler, 1):
        await handler.called_with("upload_0", "upload_1", "upload_2")
    assert handler.most_at_once == 1


async def test_same_wakeup_twice_is_handled_once(dispatch: Dispatch) -> None:
    handler = RecordingHandler()
    for seq in (2, 2, 2, 5):
        await dispatch.wake("upload_a", seq)
    await dispatch.wake("upload_b", 2)
    async with dispatch.workers(handler, 1):
        await handler.called_with("upload_b")
    assert Counter(handler.ids) == {"upload_a": 2, "upload_b": 1}


async def test_each_worker_handles_one_wakeup_at_a_time(dispatch: Dispatch) -> None:
    handler = RecordingHandler()
    handler.may_return.clear()
    async with dispatch.workers(handler, 2):
        for number in range(4):
            await dispatch.wake(f"upload_{number}", 2)
        await eventually(lambda: handler.running == 2, what="both workers")
        handler.may_return.set()
        await handler.called_with(*(f"upload_{number}" for number in range(4)))
    assert handler.most_at_once == 2


async def test_delayed_wakeup_is_not_handled_early(dispatch: Dispatch) -> None:
    handler = RecordingHandler()
    async with dispatch.workers(handler, 1):
        due = time.time() + 0.3
        await dispatch.wake("upload_later", 4, not_before=due)
        await dispatch.wake("upload_now", 2)
        await handler.called_with("upload_now")
        assert handler.ids == ["upload_now"] or time.time() >= due
        await handler.called_with("upload_later")
        assert time.time() >= due


async def test_leaving_waits_for_running_handlers_and_starts_no_other(dispatch: Dispatch) -> None:
    handler = RecordingHandler()
    handler.may_return.clear()
    workers = dispatch.workers(handler, 1)
    await workers.__aenter__()
    await dispatch.wake("upload_a", 2)
    await handler.called_with("upload_a")
    leaving = asyncio.create_task(workers.__aexit__(None, None, None))
    await dispatch.wake("upload_b", 2)
    done, _ = await asyncio.wait({leaving}, timeout=0.2)
    assert not done
    assert handler.running == 1
    handler.may_return.set()
    await leaving
    assert handler.ids == ["upload_a"]


async def test_failed_handler_is_logged_and_its_worker_goes_on(dispatch: Dispatch) -> None:
    good = RecordingHandler()

    async def fail_once(upload_id: str) -> None:
        if upload_id == "upload_bad":
            raise ValueError("no such upload")
        await good(upload_id)

    with capture_logs() as logs:
        async with dispatch.workers(fail_once, 1):
            await dispatch.wake("upload_bad", 2)
            await dispatch.wake("upload_good", 2)
            await good.called_with("upload_good")
    assert [line["upload"] for line in logs if line["event"] == "worker_failed"] == ["upload_bad"]


async def test_live_workers_counts_workers_while_they_run(dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taskiq_streams, "LIVE_WORKER_SECONDS", 60.0)  # a process may stand still for a while
    assert await dispatch.live_workers() == Counter()
    async with dispatch.workers(RecordingHandler(), 3):
        assert await dispatch.live_workers() == {process_name(): 3}
    assert await dispatch.live_workers() == Counter()
