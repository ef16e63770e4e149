"""What the tests of the workers share: a clip, processes that existed before a test, programs without limits."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from roomcast_workers.sandbox import subprocess_runner

from tests.support import ffmpeg_runs
from tests.support.clips import make_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", seconds=1)


@pytest.fixture
def only_new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look for processes left behind: those that run already are none of theirs."""
    monkeypatch.setattr(ffmpeg_runs, "earlier", set(psutil.Process().children(recursive=True)))


@pytest.fixture
def unlimited_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what programs make of media: the programs start at once, and not through the Python process that
    sets their limits, which takes more CPU than ffprobe does for a clip."""
    monkeypatch.setattr(subprocess_runner, "sandboxed_argv", lambda argv, *_, **__: list(argv))
