"""The load: two small C programs, built here when they are needed, on the core that the servers do not have."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.servers import LOAD_CORE, pinned
from tests.support.harness import ROOT

BUILT = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Counts:
    """What the watchers heard since `count`: see `answer_counts` in `watchers.c`."""

    messages: int
    bytes: int
    least: int
    most: int
    lost: int
    seconds: float
    p50_ms: float
    p99_ms: float
    latencies: int


class Watchers:
    """`watchers.c` against one server. A context: on leaving, all connections are gone."""

    def __init__(self, port: int, rooms: Sequence[str] = (), *, how: str = "websocket", list_at: Path) -> None:
        """Client n joins `rooms[n]`, if there are any; `list_at` is where they are written down for the program.
        `how` they connect: by `websocket`, as a `browser` does it, or by `polling`."""
        self._command = [str(built("watchers")), str(port), how]
        if rooms:
            list_at.write_text("\n".join(rooms) + "\n")
            self._command.append(str(list_at))

    def __enter__(self) -> Self:
        with pinned(LOAD_CORE):
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def connect(self, count: int, *, at_once: int = 64) -> float:
        """So many more, and the seconds that it took."""
        return float(self._say(f"connect {count} {at_once}")["seconds"])

    def stall(self, count: int) -> None:
        """The latest `count` read nothing any more."""
        self._say(f"stall {count}")

    def count(self) -> None:
        """Count from now on."""
        self._say("count")

    def heard(self, messages: int, *, within: float) -> Counts:
        """What was counted, once `messages` have come or so many seconds have passed."""
        return Counts(**self._say(f"await {messages} {round(within * 1000)}"))

    def leave(self) -> None:
        """All end their connections at once."""
        self._say("leave")

    def _say(self, command: str) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the watchers ended at {command!r}: what they said is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def send_bodies(port: int, heads: Sequence[bytes], *, fill: int, tail: bytes, folder: Path) -> list[int]:
    """Send requests side by side by `bodies.c`, each its head, `fill` zero bytes and `tail`; the answers' statuses."""
    names = [folder / f"head{number}" for number in range(len(heads))]
    for name, head in zip(names, heads, strict=True):
        name.write_bytes(head)
    (folder / "tail").write_bytes(tail)
    command = [str(built("bodies")), str(port), str(fill), str(folder / "tail"), *map(str, names)]
    with pinned(LOAD_CORE):
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    statuses: list[int] = json.loads(done.stdout)["statuses"]
    return statuses


def built(name: str) -> Path:
    """The program, compiled anew when its source is newer."""
    folder, program = Path(__file__).parent, BUILT / name
    source = folder / f"{name}.c"
    newest = max(path.stat().st_mtime for path in (source, folder / "load.h"))
    if not program.exists() or program.stat().st_mtime < newest:
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)], check=True)
    return program
