"""The `Procfile`, run by honcho with and without Redis: its processes start, work and stop."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.conftest import Shelf
from tests.support.harness import EXIT_WITHIN, ROOT, Api, RunningServer, eventually
from tests.support.ports import free_port
from tests.support.redis_server import RunningRedis
from tests.support.tokens import SECRET


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

    def logged(self, words: str) -> bool:
        return words in self.log.read_text()

    def running(self, module: str) -> list[psutil.Process]:
        """The processes of this program."""
        found = []
        for process in self.leftovers():
            with suppress(psutil.NoSuchProcess):  # it has ended since
                if ["-m", module] == process.cmdline()[-2:]:
                    found.append(process)
        return found


@contextmanager
def honcho_start(folder: Path, **env: str) -> Iterator[Honcho]:
    pytest.importorskip("honcho")
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    command = ("-m", "honcho", "start", "--no-colour", "--no-prefix")
    honcho = Honcho(folder / "data", command=command, PATH=path, **env)
    honcho.start()
    try:
        yield honcho
    finally:
        for process in honcho.leftovers():
            process.kill()
        if honcho.alive:
            honcho.process.kill()


async def compresses_and_stops(honcho: Honcho, shelf: Shelf, *, worker_says: str) -> None:
    """An upload goes through, while the web process and the worker run once; SIGTERM ends them all in time."""
    async with Api(honcho) as api:

        async def ready() -> bool:
            try:
                return (await api.request("GET", "/readyz")).status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(ready, 60.0, what="a web process that is ready, with a worker")
        upload_id = await api.accepted(shelf.clip())
        assert (await api.finished(upload_id))["status"] == "completed"
        await eventually(lambda: honcho.logged(worker_says), 60.0, what="a worker process that has started")
        assert [len(honcho.running(module)) for module in ("roomcast", "roomcast_workers")] == [1, 1]
    code, seconds = honcho.stop()
    assert seconds <= EXIT_WITHIN
    assert code in (0, 143, -15), honcho.tail()
    assert honcho.leftovers() == []
    assert honcho.logged("Roomcast is ready")
    print(f"honcho: SIGTERM to the end of all: {seconds:.2f} s, exit code {code}")


async def test_honcho_with_redis_runs_a_web_process_and_a_worker(
    tmp_path: Path, redis: RunningRedis, shelf: Shelf
) -> None:
    with honcho_start(tmp_path, REDIS_URL=redis.url) as honcho:
        await compresses_and_stops(honcho, shelf, worker_says="Roomcast is working.")


async def test_honcho_without_redis_runs_a_web_process_that_works_and_an_idle_worker(
    tmp_path: Path, shelf: Shelf
) -> None:
    idle = "Roomcast runs its workers inside the web process, because REDIS_URL is not set"
    with honcho_start(tmp_path) as honcho:
        await compresses_and_stops(honcho, shelf, worker_says=idle)
        assert not honcho.logged("Roomcast is working.")


async def test_web_process_on_a_platform_listens_on_every_address_and_warns_of_its_disk(tmp_path: Path) -> None:
    with honcho_start(tmp_path, DYNO="web.1", JWT_SECRET=SECRET) as honcho:
        await eventually(lambda: honcho.logged("Roomcast is ready"), 60.0, what="a web process that is ready")
        (web,) = honcho.running("roomcast")
        listening = {at.laddr.ip for at in web.net_connections() if at.status == psutil.CONN_LISTEN}
        assert listening == {"0.0.0.0"}
        assert honcho.logged("Heroku empties this disk at every restart, and all uploads are lost with it.")
        honcho.stop()
