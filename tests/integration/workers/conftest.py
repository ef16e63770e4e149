"""What the tests of the workers share: a clip, and the processes that existed before a test."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.support import ffmpeg_runs
from tests.support.clips import make_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", seconds=1)


@pytest.fixture
def only_new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look for processes left behind: those that run already are none of theirs."""
    monkeypatch.setattr(ffmpeg_runs, "earlier", set(psutil.Process().children(recursive=True)))
