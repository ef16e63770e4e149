"""The tus clients that people use, as programs of their own: the official one for JavaScript, and the one on PyPI."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.e2e.tokens import token
from tests.support.harness import ROOT, ServerUnderTest

JAVASCRIPT = ("node", str(ROOT / "tests" / "node" / "tus.mjs"))
PYTHON = (sys.executable, str(ROOT / "tests" / "support" / "tuspy_client.py"))


class Client:
    """A running client, and what it said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[dict[str, Any]] = []

    async def says(self, *keys: str) -> dict[str, Any]:
        """The next thing that it says with one of these keys, or of one of these kinds."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                said: dict[str, Any] = json.loads(line)
                self.said.append(said)
                if said.get("kind") in keys or said.keys() & set(keys):
                    return said
        raise AssertionError(f"it ended and said {self.said}")

    async def ends(self) -> None:
        assert await self._process.wait() == 0


@asynccontextmanager
async def client(command: tuple[str, ...], server: ServerUnderTest, file: Path, **wishes: Any) -> AsyncIterator[Client]:
    options = {"headers": {"Authorization": f"Bearer {token('ada')}"}, "metadata": {"filename": file.name}, **wishes}
    process = await asyncio.create_subprocess_exec(
        *command, f"{server.url}/api/tus/", str(file), json.dumps(options), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Client(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
