"""What unit tests of media share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clips import make_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", seconds=1)
