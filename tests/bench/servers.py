"""The servers side by side, each a process that is pinned, told what to do, and looked at from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.support.harness import ROOT, RunningServer

PEER = Path(__file__).parent / "peer"
PARENT = ROOT / "build" / "parent"

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]
"""A server has a core to itself, and whatever loads it has another; on a machine with one they share it."""

_CPU_CLOCK = 2
"""CPUCLOCK_SCHED of Linux: a process's CPU clock is `~pid << 3 | 2`, see clock_getcpuclockid(3)."""


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class BenchServer(RunningServer):
    """A server on the server's core that takes the commands of `tests/bench/roomcast.py`."""

    core = SERVER_CORE

    def __init__(self, data: Path, *command: str, **env: str) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._socket = data / "commands"
        super().__init__(data, command=command, BENCH_COMMANDS=str(self._socket), **env)

    def start(self, *, deadline: float = 30.0) -> Self:
        self._socket.unlink(missing_ok=True)
        with pinned(self.core):
            super().start(deadline=deadline)
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(self._socket))
        self._answers = self._connection.makefile()
        return self

    def close(self) -> None:
        self._answers.close()
        self._connection.close()
        super().close()

    def begin(self, do: str, **how: Any) -> None:
        """Give a command; `end` returns its answer."""
        self._connection.sendall(json.dumps({"do": do, **how}).encode() + b"\n")

    def end(self) -> dict[str, Any]:
        line = self._answers.readline()
        assert line, f"the server is gone; its log:\n{self.tail()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, do: str, **how: Any) -> dict[str, Any]:
        """Give a command, and its answer."""
        self.begin(do, **how)
        return self.end()

    def cpu(self) -> float:
        """Seconds of CPU, user and system, that the process and all its threads have used."""
        return time.clock_gettime(~self.process.pid << 3 | _CPU_CLOCK)

    def memory(self) -> int:
        """Resident bytes."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        found = re.search(r"^Rss:\s+(\d+) kB$", rollup, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208  (names alone are wanted)


class Roomcast(BenchServer):
    """Ours, with the limits that a bench would run into out of the way."""

    def __init__(self, data: Path, **env: str) -> None:
        limits = {"ROOMCAST_MAX_IN_FLIGHT": "1000000", "ROOMCAST_LOG": "warning"}
        super().__init__(data, "-m", "tests.bench.roomcast", **{**limits, **env})


class Node(BenchServer):
    """Node's Socket.IO and @tus/server."""

    ready = re.compile(r"^Node is ready: (http://127\.0\.0\.1:(\d+))\n$")

    def __init__(self, data: Path, **env: str) -> None:
        files = data / "files"
        files.mkdir(parents=True, exist_ok=True)
        super().__init__(data, BENCH_FILES=str(files), NODE_ENV="production", **env)
        self._command = ["node", str(PEER / "server.mjs")]


class Stock(BenchServer):
    """python-socketio as it comes, on uvloop and without compression of WebSockets."""

    ready = re.compile(r"^Stock is ready: (http://127\.0\.0\.1:(\d+))\n$")

    def __init__(self, data: Path, **env: str) -> None:
        super().__init__(data, "-m", "tests.bench.stock", **env)


class Parent(Roomcast):
    """Roomcast as it was at another commit, which `install_parent` has brought."""

    root = PARENT

    def __init__(self, data: Path, **env: str) -> None:
        super().__init__(data, **env)
        self._command[0] = str(PARENT / ".venv" / "bin" / "python")


def install_parent(revision: str) -> None:
    """The tree of that commit, with its own packages."""
    name = subprocess.run(["git", "rev-parse", revision], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    stamp = PARENT / ".revision"
    if stamp.exists() and stamp.read_text() == name:
        return
    shutil.rmtree(PARENT, ignore_errors=True)
    PARENT.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", name.strip()], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x"], cwd=PARENT, check=True, input=archive.stdout)
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=PARENT, check=True)
    install = [
        str(PARENT / ".venv" / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    for what in (["-r", "requirements.txt"], ["--no-deps", "-e", "."]):
        subprocess.run([*install, *what], cwd=PARENT, check=True)
    stamp.write_text(name)


def install_peer() -> None:
    """What the peer is made of, from npm, once for each `package.json`."""
    package, stamp = PEER / "package.json", PEER / "node_modules" / ".done"
    if not stamp.exists() or stamp.stat().st_mtime < package.stat().st_mtime:
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=PEER, check=True)
        stamp.touch()
