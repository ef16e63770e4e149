"""Programs in plain JavaScript that talk to a server as other people's clients do, and say what they see."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]


async def run_program(name: str, *arguments: str) -> list[Line]:
    """Run a program of this folder to its end; what it said, a JSON value a line."""
    pipe = asyncio.subprocess.PIPE
    script = str(Path(__file__).with_name(name))
    process = await asyncio.create_subprocess_exec("node", script, *arguments, stdout=pipe, stderr=pipe)
    try:
        lines, error_lines = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, error_lines.decode()
    return [json.loads(line) for line in lines.splitlines()]


def of_kind(lines: list[Line], kind: str) -> list[Line]:
    """What it said of one kind."""
    return [one for one in lines if one["kind"] == kind]
