"""The `Procfile` as a host runs it, by honcho: a web process and a worker come up, work, and go."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.conftest import Shelf
from tests.harness import EXIT_WITHIN, ROOT, Api, RunningServer, eventually
from tests.redis_server import RunningRedis, free_port


class Honcho(RunningServer):
    """`honcho start` in the place of one server: what its processes say on stdout, it says with a prefix."""

    ready = re.compile("")

    def start(self, *, deadline: float = 60.0) -> Honcho:
        self.port = free_port()
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**self._env, "PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        return self

    def stop(self) -> tuple[int, float]:
        """SIGTERM: the exit code, and the seconds it took."""
        assert self._process is not None
        asked = time.monotonic()
        self._process.terminate()
        return self._process.wait(EXIT_WITHIN + 5), time.monotonic() - asked

    def said(self, words: str) -> bool:
        return words in self.log.read_text()

    def running(self, module: str) -> list[psutil.Process]:
        """The processes of this program."""
        return [process for process in self.leftovers() if ["-m", module] == process.cmdline()[-2:]]


@pytest.fixture
def honcho(tmp_path: Path, redis: RunningRedis) -> Iterator[Honcho]:
    pytest.importorskip("honcho")
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    command = ("-m", "honcho", "start", "--no-colour", "--no-prefix")
    honcho = Honcho(tmp_path / "data", command=command, REDIS_URL=redis.url, HOST="127.0.0.1", PATH=path)
    honcho.start()
    try:
        yield honcho
    finally:
        for process in honcho.leftovers():
            process.kill()
        if honcho.alive:
            honcho.process.kill()


async def test_honcho_start(honcho: Honcho, shelf: Shelf) -> None:
    async with Api(honcho) as api:

        async def ready() -> bool:
            try:
                return (await api.say("GET", "/readyz")).status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(ready, 60.0, what="a web process that is ready, with a worker")
        upload_id = await api.accepted(shelf.clip())
        assert (await api.finished(upload_id))["status"] == "completed"
        assert [len(honcho.running(module)) for module in ("server", "workers")] == [1, 1]
    code, seconds = honcho.stop()
    assert seconds <= EXIT_WITHIN
    assert code in (0, 143, -15), honcho.tail()
    assert honcho.leftovers() == []
    assert honcho.said("Roomcast is ready")
    assert honcho.said("Roomcast is working.")
    print(f"honcho: SIGTERM to the end of all: {seconds:.2f} s, exit code {code}")
