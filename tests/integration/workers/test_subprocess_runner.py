"""No program outlives its run, however the program and the run end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, PIPE

import ffmpeg
import pytest
import uvloop
from roomcast import errors
from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.ffmpeg.command_line import with_global_flags
from roomcast_workers.ffmpeg.runner import run_ffmpeg
from roomcast_workers.sandbox import subprocess_runner as tool

from tests.support import fake_ffmpeg
from tests.support.ffmpeg_runs import LIMITS, ROOT, Fake, assert_no_process_left, convert, fake_run, has_ended, linux
from tests.support.harness import eventually

pytestmark = pytest.mark.usefixtures("only_new_processes")


async def start_and_hear_once(fake: Fake, tmp_path: Path) -> asyncio.Task[None]:
    received = asyncio.Event()
    task = asyncio.create_task(fake_run(fake, tmp_path, on_progress=lambda _: received.set()))
    await received.wait()
    return task


async def cancelled(task: asyncio.Task[None]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_grandchild_that_ignores_term_is_killed_when_ffmpeg_exits(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "KILL_GRACE", 600.0)  # it holds stdout: waiting for that would outlast the test
    fake = Fake(tmp_path, "grandchild")
    await convert(fake.binaries, clip, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert_no_process_left(fake.pid(), fake.pid("grandchild"))


@linux
async def test_only_zombies_is_true_only_when_no_process_of_the_group_runs() -> None:
    child = await asyncio.create_subprocess_exec("/bin/cat", stdin=PIPE, start_new_session=True)
    assert not tool._only_zombies(child.pid)
    child.kill()
    await child.wait()
    assert tool._only_zombies(child.pid)


@pytest.mark.parametrize("behaviour", ["slow:600", "grandchild-hang"])
async def test_cancelled_run_leaves_no_process(behaviour: str, tmp_path: Path) -> None:
    fake = Fake(tmp_path, behaviour)
    task = await start_and_hear_once(fake, tmp_path)
    task.cancel()
    await cancelled(task)
    assert_no_process_left(fake.pid(), *([fake.pid("grandchild")] if behaviour.startswith("grand") else []))


async def test_cancelled_real_encode_leaves_no_process(tmp_path: Path) -> None:
    endless = ffmpeg.input("testsrc2=size=64x48", format="lavfi", re=None)
    received = asyncio.Event()
    task = asyncio.create_task(
        run_ffmpeg(
            find_binaries(),
            with_global_flags(endless.output(f"file:{tmp_path / 'out.mp4'}", vcodec="libx264")),
            on_progress=lambda _: received.set(),
            stall_seconds=60,
            timeout_seconds=600,
            limits=LIMITS,
        )
    )
    await received.wait()
    task.cancel()
    await cancelled(task)
    assert_no_process_left()


async def test_program_that_ignores_term_is_killed_after_the_grace_period(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "TERM_GRACE", 0.2)
    fake = Fake(tmp_path, "ignore-term")
    task = await start_and_hear_once(fake, tmp_path)
    task.cancel()
    await cancelled(task)
    assert_no_process_left(fake.pid())


async def test_second_cancellation_shortens_the_grace_period_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "TERM_GRACE", 600.0)  # waiting for its end would outlast the test's own limit
    fake = Fake(tmp_path, "ignore-term")
    task = await start_and_hear_once(fake, tmp_path)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await cancelled(task)
    assert_no_process_left(fake.pid())


async def test_repeated_cancellation_leaves_no_process(tmp_path: Path) -> None:
    fake = Fake(tmp_path, "ignore-term")
    task = await start_and_hear_once(fake, tmp_path)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    await cancelled(task)
    assert_no_process_left(fake.pid())


@pytest.mark.parametrize("turns", range(8))
async def test_cancellation_during_the_start_leaves_no_process(turns: int, tmp_path: Path) -> None:
    task = asyncio.create_task(fake_run(Fake(tmp_path, "hang"), tmp_path))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await cancelled(task)
    assert_no_process_left()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_cancelled_run_leaves_no_process_on_either_event_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "TERM_GRACE", 0.2)

    async def all_of_it() -> None:
        fake = Fake(tmp_path, "grandchild")
        await convert(fake.binaries, clip, tmp_path / "out.mp4")
        assert_no_process_left(fake.pid(), fake.pid("grandchild"))
        for behaviour in ("slow:600", "ignore-term"):
            fake_ffmpeg.behave(fake.path, behaviour)
            task = await start_and_hear_once(fake, tmp_path)
            task.cancel()
            await cancelled(task)
            assert_no_process_left(fake.pid())
        fake_ffmpeg.behave(fake.path, "die")
        with pytest.raises(errors.TranscodeError):
            await fake_run(fake, tmp_path)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(all_of_it())
    assert_no_process_left()


PARENT = """
import asyncio, sys
from roomcast_workers.ffmpeg.binaries import Binaries
from roomcast_workers.ffmpeg.runner import run_ffmpeg
from roomcast_workers.sandbox.sandbox import ResourceLimits
asyncio.run(run_ffmpeg(Binaries(sys.argv[1], sys.argv[1]), ["out.mp4"], on_progress=print, stall_seconds=600,
                       timeout_seconds=600, limits=ResourceLimits(None, None, None)))
"""


@linux
async def test_killing_the_parent_kills_ffmpeg(tmp_path: Path) -> None:
    fake = Fake(tmp_path, "ignore-term")
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(fake.path), cwd=ROOT, stdout=DEVNULL
    )
    pid = await eventually(fake.pid, 60, what="the fake's start")
    assert not has_ended(pid)
    parent.kill()
    await parent.wait()
    await eventually(lambda: has_ended(pid), 60, what="the end of ffmpeg")
