"""README's examples, run as they stand but for the port. An example is found by the comment above it."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.harness import ROOT, RunningServer

EXAMPLES = dict(re.findall(r"<!-- example:(\w+) -->\n```sh\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL))
ENDS = {
    "stream": ("event: upload-progress", '"status":"completed"'),
    "files": ("event: progress", '"progress_percentage":100.0'),
    "task": ('"status":"completed"', '"message":"Forgotten"'),
    "assembly": ('"ok":"ASSEMBLY_COMPLETED"',),
    "transflow": ('"type":"done"', '"completedFiles":1'),
    "metrics": ("roomcast_queue_depth", "roomcast_listeners"),
}


@pytest.mark.parametrize("name", ENDS)
async def test_an_example(server: RunningServer, shelf: Shelf, tmp_path: Path, name: str) -> None:
    shelf.clip().rename(tmp_path / "holiday.mov")
    script = EXAMPLES[name].replace("http://127.0.0.1:8000", server.url)
    assert script != EXAMPLES[name]
    command = ["bash", "-euo", "pipefail", "-c", script]
    ran = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for expected in ENDS[name]:
        assert expected in ran.stdout
