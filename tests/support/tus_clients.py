"""tus clients in processes of their own: the official one for JavaScript, and the one from PyPI."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.harness import ROOT, ServerUnderTest
from tests.support.tokens import token

JAVASCRIPT = ("node", str(ROOT / "tests" / "node" / "tus.mjs"))
PYTHON = (sys.executable, str(ROOT / "tests" / "support" / "tuspy_client.py"))


class TusClientProcess:
    """A running client, and the JSON lines that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []

    async def reports(self, *keys: str) -> dict[str, Any]:
        """Return the next line that has one of these keys or kinds."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                report: dict[str, Any] = json.loads(line)
                self.lines.append(report)
                if report.get("kind") in keys or report.keys() & set(keys):
                    return report
        raise AssertionError(f"the client ended after {self.lines}")

    async def succeeds(self) -> None:
        assert await self._process.wait() == 0


@asynccontextmanager
async def client(
    command: tuple[str, ...], server: ServerUnderTest, file: Path, **options: Any
) -> AsyncIterator[TusClientProcess]:
    merged = {"headers": {"Authorization": f"Bearer {token('ada')}"}, "metadata": {"filename": file.name}, **options}
    process = await asyncio.create_subprocess_exec(
        *command, f"{server.url}/api/tus/", str(file), json.dumps(merged), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield TusClientProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
