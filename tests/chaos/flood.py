"""`python -m tests.chaos.flood`, or `make flood`: honest uploads beside hostile clients, compared with a quiet run.

Fifty honest clients upload pictures, follow them in their rooms and read their states. They do so twice: alone, and
while every kind of hostile client attacks the same server from other processes. The run fails if an honest upload is
lost, if the slowest hundredth of the honest requests takes more than twice as long, or if the server's memory grows by
more than 100 MB.
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
from contextlib import ExitStack, contextmanager
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
_ATTACK_NICENESS = 10
"""The attackers share two cores with the server they attack; their own CPU time is not what is measured."""


@dataclass
class Run:
    """The seconds that each honest request took, and the uploads that did not complete."""

    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[int((len(self.seconds) - 1) * share)]


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


async def honest_run(server: RunningServer, picture: bytes) -> Run:
    """Upload, follow and read; return what it was like."""
    run, slots = Run(), asyncio.Semaphore(AT_ONCE)

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
    return run


@contextmanager
def hostile(server: RunningServer, names: Sequence[str]) -> Iterator[None]:
    """Let a client of each kind attack the server, each in a process of its own."""
    with ExitStack() as stack:
        for name in names:
            command = [sys.executable, "-m", "tests.chaos.flood", "--attack", server.url, name]
            process = stack.enter_context(subprocess.Popen(command, cwd=ROOT))
            stack.callback(process.terminate)
        yield


def attack(url: str, name: str) -> None:
    """Be a hostile client until SIGTERM. It has a token: who has none is refused sooner."""
    os.nice(_ATTACK_NICENESS)
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
    parser.add_argument("--attack", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        attack(*options.attack)
    return compare(options.only)


def compare(names: Sequence[str]) -> int:
    """Run quietly and under attack, print both, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="roomcast-flood-") as name:
        folder = Path(name)
        picture = make_image(folder / "picture.png", size=(160, 120)).read_bytes()
        with RunningServer(
            folder / "data", JWT_SECRET=SECRET, ROOMCAST_LOG="error", ROOMCAST_LEASE_SECONDS="30"
        ) as server:
            quiet = asyncio.run(honest_run(server, picture))
            before = resident_mb(server)
            with hostile(server, names):
                flooded = asyncio.run(honest_run(server, picture))
            growth = resident_mb(server) - before
            errors = [line for line in server.error_lines() if "honest" in line]
    slowdown = flooded.percentile(0.99) / quiet.percentile(0.99)
    for label, run in (("quiet", quiet), ("flooded", flooded)):
        median, slow = 1000 * run.percentile(0.5), 1000 * run.percentile(0.99)
        print(f"{label}: {len(run.seconds)} requests, p50 {median:.1f} ms, p99 {slow:.1f} ms, {len(run.lost)} lost")
    print(f"p99 {slowdown:.2f} × of the quiet run's; memory + {growth:.0f} MB; {len(names)} hostile clients")
    print(*quiet.lost, *flooded.lost, *errors, sep="\n")
    return int(bool(quiet.lost or flooded.lost) or slowdown > MAX_SLOWDOWN or growth > MAX_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
