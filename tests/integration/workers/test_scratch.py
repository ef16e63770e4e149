"""Scratch directories of living and of dead processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from roomcast_workers.scratch import scratch_directory

HOLD = """
import sys
from pathlib import Path
from roomcast_workers.scratch import scratch_directory
with scratch_directory(Path(sys.argv[1])) as own:
    (own / "film.mp4").write_text("x")
    print(own, flush=True)
    sys.stdin.read()
"""


def test_scratch_directory_is_empty_and_deleted_on_exit(tmp_path: Path) -> None:
    with scratch_directory(tmp_path) as own:
        (own / "film.mp4").write_text("x")
        assert own.parent == tmp_path
    assert not own.exists()


def test_directories_of_dead_processes_are_deleted_and_others_left(tmp_path: Path) -> None:
    with scratch_directory(tmp_path) as first, scratch_directory(tmp_path) as second:
        assert first != second
        other = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdin is not None
        theirs = Path(other.stdout.readline().strip())
        with scratch_directory(tmp_path):
            assert (theirs / "film.mp4").exists()
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        other.stdin.close()
        other.stdout.close()
        with scratch_directory(tmp_path):
            assert not theirs.exists()
            assert first.exists()
            assert second.exists()
