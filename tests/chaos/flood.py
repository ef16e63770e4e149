"""`python -m tests.chaos.flood`, or `make flood`: honest uploads beside hostile clients, compared with a quiet run.

Fifty honest clients upload pictures, follow them in their rooms and read their states: in turns alone, and while every
kind of hostile client attacks the same server from other processes. The run fails if an honest upload is lost, if the
slowest hundredth of the honest requests takes more than twice as long, or if the server's memory grows by more than
100 MB.

All of them share the machine's cores. What is measured is how the server divides its own time, so the hostile clients
run at the lowest priority, and each run says how long the server's event loop has waited for a core: its latencies mean
little where that is a large share of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.clips import make_image
from tests.support.harness import ROOT, Api, Reply, RunningServer
from tests.support.hostile_clients import HOSTILE_CLIENTS
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher

HONEST_UPLOADS = 50
AT_ONCE = 5
MAX_SLOWDOWN = 2.0
MAX_GROWTH_MB = 100.0
_ATTACK_NICENESS = 19
"""The attackers share two cores with the server they attack; their own CPU time is not what is measured."""


@dataclass
class Run:
    """The seconds that each honest request took, and the uploads that did not complete.

    `ran` and `delayed` are the seconds in which the server's event loop ran on a core, and in which it waited for one;
    `elapsed` are all seconds.
    """

    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    ran: float = 0.0
    delayed: float = 0.0
    elapsed: float = 0.0

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[int((len(self.seconds) - 1) * share)]

    @contextmanager
    def measured(self, server: RunningServer) -> Iterator[None]:
        """Add what the server's event loop does meanwhile."""
        began, (ran, delayed) = time.perf_counter(), loop_seconds(server)
        yield
        self.elapsed += time.perf_counter() - began
        now_ran, now_delayed = loop_seconds(server)
        self.ran, self.delayed = self.ran + now_ran - ran, self.delayed + now_delayed - delayed

    def __str__(self) -> str:
        median, slow = 1000 * self.percentile(0.5), 1000 * self.percentile(0.99)
        return (
            f"{len(self.seconds)} requests, p50 {median:.1f} ms, p99 {slow:.1f} ms, {len(self.lost)} lost;"
            f" the event loop ran for {self.ran / self.elapsed:.0%} of the time and waited"
            f" for a core for {self.delayed / self.elapsed:.0%}"
        )


class HonestApi(Api):
    """An honest client, whose requests are timed."""

    def __init__(self, server: RunningServer, user: str, run: Run) -> None:
        super().__init__(server, token(user))
        self._run = run

    async def request(self, method: str, path: str, **rest: Any) -> Reply:
        began = time.perf_counter()
        reply = await super().request(method, path, **rest)
        self._run.seconds.append(time.perf_counter() - began)
        return reply


def loop_seconds(server: RunningServer) -> tuple[float, float]:
    """Return the seconds that the server's main thread has run, and those that it has waited for a core."""
    ran, delayed, _ = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/schedstat").read_text().split()
    return int(ran) / 1e9, int(delayed) / 1e9


async def honest_run(server: RunningServer, picture: bytes, run: Run) -> None:
    """Upload, follow and read; add what it was like to `run`."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def upload(number: int) -> None:
        user = f"honest-{number}"
        async with slots, HonestApi(server, user, run) as api, Watcher(server.url, auth={"token": token(user)}) as room:
            upload_id, content_url = await api.reserved("picture.png", len(picture))
            await room.join(upload_id)
            assert (await api.put(content_url, picture)).status == 202
            for _ in range(10):
                assert (await api.get(upload_id)).status == 200
                assert await api.healthy()
            end = await room.end(upload_id, deadline=120)
            if end["status"] != "completed":
                run.lost.append(f"{upload_id}: {end['error']}")

    for result in await asyncio.gather(*map(upload, range(HONEST_UPLOADS)), return_exceptions=True):
        if isinstance(result, BaseException):
            run.lost.append(repr(result))


@contextmanager
def hostile(server: RunningServer, names: Sequence[str]) -> Iterator[None]:
    """Let a client of each kind attack the server, each in a process of its own."""
    with ExitStack() as stack:
        for name in names:
            command = [sys.executable, "-m", "tests.chaos.flood", "--attack", server.url, name]
            process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, start_new_session=True))
            stack.callback(process.terminate)
        yield


def attack(url: str, name: str) -> None:
    """Be a hostile client until SIGTERM. It has a token: who has none is refused sooner."""
    os.setpriority(os.PRIO_PROCESS, 0, _ATTACK_NICENESS)
    with suppress(OSError):  # Linux divides its cores between sessions first, so a session has a priority of its own
        Path("/proc/self/autogroup").write_text(str(_ATTACK_NICENESS))
    asyncio.run(HOSTILE_CLIENTS[name](url, asyncio.Event(), token("mallory")))


def resident_mb(server: RunningServer) -> float:
    """Return the largest memory that the server's process has had, in megabytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) / 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.flood", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(HOSTILE_CLIENTS), default=list(HOSTILE_CLIENTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--attack", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        attack(*options.attack)
    return compare(options.only, options.rounds)


def compare(names: Sequence[str], rounds: int) -> int:
    """Run quietly and under attack in turns, print both, and return the exit code."""
    quiet, flooded = Run(), Run()
    with tempfile.TemporaryDirectory(prefix="roomcast-flood-") as name:
        folder = Path(name)
        picture = make_image(folder / "picture.png", size=(160, 120)).read_bytes()
        with RunningServer(folder / "data", JWT_SECRET=SECRET, ROOMCAST_LOG="error") as server:
            asyncio.run(honest_run(server, picture, Run()))  # the first requests load modules, for a second
            growth = 0.0
            for _ in range(rounds):
                with quiet.measured(server):
                    asyncio.run(honest_run(server, picture, quiet))
                before = resident_mb(server)
                with hostile(server, names), flooded.measured(server):
                    asyncio.run(honest_run(server, picture, flooded))
                growth = max(growth, resident_mb(server) - before)
            errors = [line for line in server.error_lines() if "honest" in line]
    slowdown = flooded.percentile(0.99) / quiet.percentile(0.99)
    print(f"quiet: {quiet}", f"flooded: {flooded}", sep="\n")
    print(f"p99 {slowdown:.2f} × of the quiet run's; memory + {growth:.0f} MB; {len(names)} hostile clients")
    print(*quiet.lost, *flooded.lost, *errors, sep="\n")
    return int(bool(quiet.lost or flooded.lost) or slowdown > MAX_SLOWDOWN or growth > MAX_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
