"""Runs of ffmpeg, real and fake, and the processes that they leave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import ffmpeg
import psutil
import pytest
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.ffmpeg.command_line import with_global_flags
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.ffmpeg.runner import run_ffmpeg
from roomcast_workers.sandbox.sandbox import ResourceLimits

from tests.support import fake_ffmpeg

GIB = 1 << 30
LIMITS = ResourceLimits(address_space=4 * GIB, cpu_seconds=60, file_size=GIB)
ROOT = Path(__file__).parents[2]

earlier: set[psutil.Process] | None = None
"""The processes that ran when the test began; set by the fixture `only_new_processes`."""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has it")


class Fake:
    """A fake ffmpeg of the test's own, and what it did."""

    def __init__(self, folder: Path, behaviour: str) -> None:
        real = find_binaries()
        self.path = fake_ffmpeg.install(folder, behaviour, real=real.ffmpeg)
        self.binaries = Binaries(ffmpeg=str(self.path), ffprobe=real.ffprobe)

    def pid(self, of: str = "pid") -> int | None:
        return fake_ffmpeg.pid(self.path, of)

    def pids(self) -> list[int]:
        """The processes that have started before the run was over: none, where a start takes longer."""
        return [pid for of in ("pid", "grandchild") if (pid := self.pid(of)) is not None]


def is_browser(process: psutil.Process) -> bool:
    """Return whether a process is Chromium's: tests of one process share them, and they start others when they like."""
    try:
        return process.name().startswith("chrom")
    except psutil.NoSuchProcess:
        return True


def has_ended(pid: int) -> bool:
    """Return whether the process is gone, or a zombie that its parent has not reaped yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_no_process_left(*pids: int | None) -> None:
    """Assert that no process that the test has started is running any more, and none of these."""
    assert earlier is not None, "the test must use the fixture `only_new_processes`"
    children = set(psutil.Process().children(recursive=True)) - earlier
    assert [child for child in children if not (has_ended(child.pid) or is_browser(child))] == []
    for pid in pids:
        assert pid is not None
        assert has_ended(pid)


def convert(
    binaries: Binaries,
    source: Path,
    target: Path,
    *,
    on_progress: Callable[[ProgressBlock], None] = lambda _: None,
    stall_seconds: float = 30,
    timeout_seconds: float = 60,
    limits: ResourceLimits = LIMITS,
) -> Coroutine[Any, Any, None]:
    return run_ffmpeg(
        binaries,
        with_global_flags(
            ffmpeg.input(f"file:{source}").output(f"file:{target}", vcodec="libx264", preset="ultrafast")
        ),
        on_progress=on_progress,
        stall_seconds=stall_seconds,
        timeout_seconds=timeout_seconds,
        limits=limits,
    )


def fake_run(fake: Fake, tmp_path: Path, **how: Any) -> Coroutine[Any, Any, None]:
    return convert(fake.binaries, tmp_path / "none.mp4", tmp_path / "out.mp4", **how)
