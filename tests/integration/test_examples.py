"""README's examples, run as they stand but for the port. An example is found by the comment above it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import ROOT

README = (ROOT / "README.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example:(\w+) -->\n```(?:sh|python)\n(.+?)```", README, re.DOTALL))
ENDS = {
    "stream": ("event: upload-progress", '"status":"completed"'),
    "files": ("event: progress", '"progress_percentage":100.0'),
    "task": ('"status":"completed"', '"status":"cleaned"'),
    "assembly": ('"ok":"ASSEMBLY_COMPLETED"',),
    "transflow": ('"type":"done"', '"completedFiles":1'),
    "admin": ('"queue":{"depth":',),
    "metrics": ("roomcast_queue_depth", "roomcast_listeners"),
    "command": ("results/holiday.mov", "done\t100"),
}
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("name", ENDS)
async def test_an_example(server: AppServer, shelf: Shelf, tmp_path: Path, name: str) -> None:
    said = await run(["bash", "-euo", "pipefail", "-c"], name, server, shelf, tmp_path)
    for expected in ENDS[name]:
        assert expected in said


async def test_the_example_in_python(server: AppServer, shelf: Shelf, tmp_path: Path) -> None:
    *progress, status = (await run([sys.executable, "-c"], "python", server, shelf, tmp_path)).splitlines()
    assert (progress[-1], status) == ("100.0", "completed")
    assert [path.suffix for path in (tmp_path / "results").iterdir()] == [".mp4"]


async def run(command: list[str], name: str, server: AppServer, shelf: Shelf, folder: Path) -> str:
    """What the example says when it is run in a folder that holds a film."""
    shelf.clip(seconds=1).rename(folder / "holiday.mov")
    script = EXAMPLES[name].replace("http://127.0.0.1:8000", server.url)
    assert script != EXAMPLES[name]
    environment = {**os.environ, "PATH": PATH}
    ran = await asyncio.to_thread(
        subprocess.run, [*command, script], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
