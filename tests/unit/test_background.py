"""Background tasks: what fails in them is logged and goes on; one that dies all the same ends the process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from roomcast.runtime.process import in_background, in_rounds, stopped
from roomcast.runtime.tasks import EXIT_TASK_DIED, background, end_process_with
from structlog.testing import capture_logs

from tests.support.harness import eventually
from tests.support.redis_server import RunningRedis

ROOT = Path(__file__).resolve().parent.parent.parent


async def fail() -> None:
    raise RuntimeError("the handler is closed")


async def cancel_itself() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("work", [fail, cancel_itself])
async def test_a_task_that_dies_is_logged_and_ends_the_process(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    end = end_process_with(asyncio.Event())
    with capture_logs() as logs:
        task = background(work(), "upkeep")
        await end.stop.wait()
        await asyncio.gather(task, return_exceptions=True)
    assert end.exit_code == EXIT_TASK_DIED != 0
    assert [(line["log_level"], line["task"]) for line in logs] == [("critical", "upkeep")]


async def test_a_task_that_is_stopped_ends_nothing() -> None:
    end = end_process_with(asyncio.Event())
    task = background(asyncio.Event().wait(), "upkeep")  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await stopped(task)
    async with in_background(asyncio.Event().wait(), "upkeep"):  # type: ignore[arg-type]
        await asyncio.sleep(0)
    assert (end.exit_code, end.stop.is_set()) == (0, False)


async def test_rounds_go_on_after_any_failure() -> None:
    end, rounds = end_process_with(asyncio.Event()), 0

    async def do() -> None:
        nonlocal rounds
        rounds += 1
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with in_rounds(do, 0.01, asyncio.Event(), failing="it could not be done"):
            await eventually(lambda: rounds >= 3, what="three rounds")
    assert {line["event"] for line in logs} == {"it could not be done"}
    assert end.exit_code == 0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.mark.parametrize(
    ("module", "owner", "method"),
    [
        ("roomcast", "roomcast.services.maintenance.Upkeep", "_run"),
        ("roomcast", "roomcast.dispatch.in_process.InProcessDispatch", "_work"),
        ("roomcast_workers", "roomcast.dispatch.taskiq_streams._Broker", "listen"),
    ],
)
def test_a_process_whose_background_task_dies_ends_with_an_exit_code(
    module: str, owner: str, method: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    script = f"""
        import importlib, sys
        path, _, name = "{owner}".rpartition(".")
        async def die(self, *_):
            raise RuntimeError("it is broken")
        setattr(getattr(importlib.import_module(path), name), "{method}", die)
        sys.exit(importlib.import_module("{module}.__main__").main())
    """
    env = {"PATH": os.environ["PATH"], "ROOMCAST_DATA": str(tmp_path), "PORT": "0", "ROOMCAST_WORKERS": "1"}
    if module == "roomcast_workers":
        env["REDIS_URL"] = request.getfixturevalue("redis").url
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == EXIT_TASK_DIED, ended.stderr
    assert [line for line in ended.stderr.splitlines() if '"background task died"' in line and "critical" in line]
