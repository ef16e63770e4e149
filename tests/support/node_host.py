"""Client programs in JavaScript, which all run in one Node process: `tests/node/host.mjs`.

It starts with the first program, and ends with the tests of this process.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_HOST = Path(__file__).parents[1] / "node" / "host.mjs"


class NodeProgram:
    """A program in the Node process. Its input and its output are lines of JSON."""

    def __init__(self, script: Path, *arguments: str) -> None:
        self._request = {"program": str(script), "arguments": arguments}

    async def __aenter__(self) -> Self:
        # A message of a large upload's end has more than the default of 64 KiB.
        self._reader, self._writer = await asyncio.open_unix_connection(_host().path, limit=2**22)
        await self.write(self._request)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def write(self, value: Any) -> None:
        """Send a line to the program."""
        self._writer.write(f"{json.dumps(value)}\n".encode())
        await self._writer.drain()

    async def end_input(self) -> None:
        """Send the end of the input, at which programs that read it end."""
        with suppress(OSError):  # it has ended already
            self._writer.write_eof()

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what the program prints until it ends; raise `AssertionError` if it fails."""
        async for line in self._reader:
            printed: dict[str, Any] = json.loads(line)
            assert printed.get("kind") != "exception", printed["reason"]
            yield printed


class _Host:
    """The Node process."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="roomcast-node-")
        self.path = f"{self._folder}/socket"
        self._process = subprocess.Popen(["node", str(_HOST), self.path], stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        assert self._process.stdout
        assert self._process.stdout.readline() == "listening\n"

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._folder)


_hosts: list[_Host] = []
"""The one that runs, if any."""


def _host() -> _Host:
    if _hosts and not _hosts[0].alive:  # by a program of an earlier test, which has failed
        end()
    if not _hosts:
        _hosts.append(_Host())
    return _hosts[0]


def pids() -> set[int]:
    """Return the ids of processes that tests share, and that outlive a test."""
    return {host.pid for host in _hosts}


def end() -> None:
    """End the Node process, if one runs."""
    while _hosts:
        _hosts.pop().end()
