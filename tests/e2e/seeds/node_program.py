"""Programs in plain JavaScript that talk to a server as other people's clients do, and say what they see."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.support.node_host import NodeProgram

Line = dict[str, Any]


async def run_program(name: str, *arguments: str) -> list[Line]:
    """Run a program of this folder to its end, and return what it printed."""
    async with asyncio.timeout(100), NodeProgram(Path(__file__).with_name(name), *arguments) as program:
        return [line async for line in program.lines()]


def of_kind(lines: list[Line], kind: str) -> list[Line]:
    """What it said of one kind."""
    return [one for one in lines if one["kind"] == kind]
