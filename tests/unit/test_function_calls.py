"""Calls of an application's functions: results, errors, deadlines, threads, and who blocks the event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

import pytest
import structlog
from roomcast import Rejected
from roomcast.errors import Code, HookFailed
from roomcast.extensions.calls import FunctionCalls

REQUEST: ContextVar[str] = ContextVar("request", default="none")


@pytest.fixture
async def calls() -> AsyncIterator[FunctionCalls]:
    made = FunctionCalls(deadline_seconds=20.0, blocking_seconds=30.0)
    yield made
    made.close()


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


class Doubling:
    async def __call__(self, number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number


async def coroutine(number: int) -> int:
    return await Doubling()(number)


def plain(number: int) -> int:
    assert threading.current_thread() is not threading.main_thread()
    assert REQUEST.get() == "this one"
    return 2 * number


def plain_that_returns_a_coroutine(number: int) -> Any:
    return coroutine(number)


@wraps(coroutine)
def decorated(number: int) -> Any:
    return plain_that_returns_a_coroutine(number)


@wraps(coroutine)
def synchronous(number: int) -> int:
    """Runs the coroutine as asgiref's `async_to_sync` does, which cannot be called on the event loop."""
    return asyncio.run(coroutine(number))


@pytest.mark.parametrize(
    "function",
    [coroutine, plain, plain_that_returns_a_coroutine, Doubling(), partial(coroutine), decorated, synchronous],
    ids=["coroutine", "plain", "returns-a-coroutine", "callable-object", "partial", "decorated", "synchronous"],
)
async def test_result_of_every_sort_of_function_is_returned(calls: FunctionCalls, function: Any) -> None:
    REQUEST.set("this one")
    assert await calls.call(function, 21) == 42


async def test_rejection_is_raised_as_it_is_and_not_logged(calls: FunctionCalls, log: list[Any]) -> None:
    async def reject() -> None:
        raise Rejected("NO_SUBSCRIPTION", "Your subscription has ended.")

    with pytest.raises(Rejected, match="has ended") as refused:
        await calls.call(reject)
    assert (refused.value.code, refused.value.retryable, log) == ("NO_SUBSCRIPTION", False, [])


async def raises() -> None:
    raise KeyError("the secret of somebody")


async def exits() -> None:
    sys.exit("Bye.")


async def interrupts() -> None:
    raise KeyboardInterrupt


async def cancels_itself() -> None:
    raise asyncio.CancelledError


def raises_in_a_thread() -> None:
    raise OSError("no such table")


def exits_in_a_thread() -> None:
    sys.exit(3)


async def takes_no_argument_of_ours(_: int) -> None: ...


@pytest.mark.parametrize(
    "function",
    [raises, exits, interrupts, cancels_itself, raises_in_a_thread, exits_in_a_thread, takes_no_argument_of_ours],
    ids=lambda function: function.__name__,
)
async def test_error_of_a_function_becomes_a_stable_code_and_is_named_in_the_log(
    calls: FunctionCalls, log: list[Any], function: Any
) -> None:
    with pytest.raises(HookFailed) as failure:
        await calls.call(function)
    assert (failure.value.code, failure.value.retryable) == (Code.HOOK_FAILED, True)
    assert "secret" not in failure.value.message
    (entry,) = log
    assert (entry["event"], entry["log_level"]) == ("function_failed", "error")
    assert entry["function"] == f"{__name__}.{function.__qualname__}"
    assert entry["exc_info"]


async def test_function_that_never_returns_is_given_up_at_the_deadline_although_it_ignores_its_cancellation(
    log: list[Any],
) -> None:
    calls, released, cancelled = FunctionCalls(deadline_seconds=0.02), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                cancelled.set()

    with pytest.raises(HookFailed):
        await calls.call(stubborn)
    await cancelled.wait()
    assert [(entry["event"], entry["seconds"]) for entry in log] == [("function_timed_out", 0.02)]
    assert log[0]["function"].endswith("stubborn")
    released.set()
    calls.close()


async def test_plain_function_that_never_returns_is_given_up_at_the_deadline(log: list[Any]) -> None:
    calls, released = FunctionCalls(deadline_seconds=0.02), threading.Event()
    with pytest.raises(HookFailed):
        await calls.call(released.wait)
    assert [entry["event"] for entry in log] == ["function_timed_out"]
    released.set()
    calls.close()


async def test_cancellation_of_the_caller_reaches_the_function(calls: FunctionCalls) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    caller = asyncio.create_task(calls.call(waits))
    await started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await cancelled.wait()


async def test_function_that_blocks_the_event_loop_is_named_while_it_does_so() -> None:
    reported = threading.Event()
    entries: list[Any] = []

    def record(_: Any, level: str, entry: Any) -> Any:
        entries.append((level, dict(entry)))
        reported.set()
        raise structlog.DropEvent

    async def blocks() -> str:
        await asyncio.sleep(0)  # the first step is short
        assert reported.wait(20)
        return "done"

    calls = FunctionCalls(blocking_seconds=0.02)
    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [record]
    try:
        assert await calls.call(blocks) == "done"
    finally:
        processors[:] = before
        calls.close()
    assert [(level, entry["event"]) for level, entry in entries] == [
        ("error", "event_loop_blocked"),
        ("warning", "event_loop_was_blocked"),
    ]
    assert all(entry["function"].endswith("blocks") for _, entry in entries)


async def test_exception_thrown_into_a_function_by_what_it_awaits_can_be_caught(calls: FunctionCalls) -> None:
    async def recovers() -> str:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failed.set_exception, ValueError("no"))
        try:
            await failed
        except ValueError:
            return "recovered"
        return "no error"

    assert await calls.call(recovers) == "recovered"


async def test_function_that_never_returns_is_not_called_again_for_the_same_upload_and_others_go_on(
    log: list[Any],
) -> None:
    released = threading.Event()
    called: list[str] = []

    def hang_for_the_first(upload: str) -> str:
        called.append(upload)
        if upload == "first":
            released.wait(60)
        return upload

    calls = FunctionCalls(deadline_seconds=0.05)
    try:
        with pytest.raises(HookFailed):
            await calls.call(hang_for_the_first, "first", once_for="first")
        calls._deadline = 20.0
        for _ in range(40):
            with pytest.raises(HookFailed):
                await calls.call(hang_for_the_first, "first", once_for="first")
        assert await calls.call(hang_for_the_first, "second", once_for="second") == "second"
        assert await calls.call(hang_for_the_first, "second", once_for="second") == "second"
        assert called == ["first", "second", "second"]
        assert {entry["reason"] for entry in log if entry["event"] == "function_failed"} == {
            "An earlier call has not returned yet."
        }
    finally:
        released.set()
        calls.close()
