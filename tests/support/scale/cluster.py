"""Several web processes and workers over one Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.support.harness import EXIT_WITHIN, RunningServer, RunningWorker


class _Member(RunningServer):
    """One process of a cluster. The data directory is everybody's, so what is its own are its descendants."""

    def leftovers(self) -> list[psutil.Process]:
        try:
            return self.process.children(recursive=True) if self.alive else []
        except psutil.NoSuchProcess:
            return []


class Web(_Member):
    """`python -m roomcast`, which only serves."""


class Worker(_Member, RunningWorker):
    """`python -m roomcast_workers`, with one upload at a time."""


class Cluster:
    """The processes that share a Redis and a data directory. The keyword arguments are everybody's environment.

    `members` hears of each process, so that a failed test's report can show the logs.
    """

    def __init__(self, folder: Path, redis_url: str, members: list[RunningServer], **env: str) -> None:
        self.data = folder / "data"
        self.webs: list[Web] = []
        self.workers: list[Worker] = []
        self._env = {"REDIS_URL": redis_url, "ROOMCAST_WORKERS": "1", **env}
        self._members = members
        self._everybody = RunningServer(self.data)  # never started: it looks for what carries the directory's name

    def web(self, command: Sequence[str] = ("-m", "roomcast"), **env: str) -> Web:
        """One more web process, not started yet."""
        web = Web(self.data, command=command, name=f"web{len(self.webs)}", **{**self._env, **env})
        self.webs.append(web)
        self._members.append(web)
        return web

    def worker(self, command: Sequence[str] = ("-m", "roomcast_workers"), **env: str) -> Worker:
        """One more worker process, not started yet."""
        worker = Worker(self.data, command=command, name=f"worker{len(self.workers)}", **{**self._env, **env})
        self.workers.append(worker)
        self._members.append(worker)
        return worker

    @property
    def members(self) -> list[RunningServer]:
        return [*self.webs, *self.workers]

    def start(self) -> Self:
        """Start whoever is not running, all at once."""
        _all_at_once(RunningServer.start, [member for member in self.members if not member.alive])
        return self

    def holder(self) -> Worker | None:
        """The worker whose ffmpeg is at work."""
        return next((worker for worker in self.workers if worker.ffmpegs()), None)

    def ffmpegs(self) -> list[psutil.Process]:
        """Every ffmpeg of every worker, dead or alive."""
        return self._everybody.ffmpegs()

    def files_of(self, upload_id: str) -> list[Path]:
        return self._everybody.files_of(upload_id)

    def scratch(self) -> list[Path]:
        return self._everybody.scratch()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            _all_at_once(RunningServer.close, self.members)
        finally:
            leftovers = self._everybody.leftovers()
            for process in leftovers:
                process.kill()
        assert not leftovers, f"left behind: {leftovers}"


def _all_at_once(act: Callable[[RunningServer], object], members: Sequence[RunningServer]) -> None:
    with ThreadPoolExecutor(max_workers=8) as threads:
        for done in [threads.submit(act, member) for member in members]:
            done.result(EXIT_WITHIN + 35)
