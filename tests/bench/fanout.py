"""One message, many watchers: the server's CPU per delivered message, and how long a message takes.

Both servers run side by side, with watchers on both, and are loaded in turns. `relay → client` rows give our relay
ready messages (see `roomcast.py`), which is what Node's `emit` is given; the rows of the whole path begin with a tick
at the ledger, for which Node has no counterpart: it emits a payload of the same size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.generator import Counts, Watchers
from tests.bench.rows import Row, interleaved, row
from tests.bench.servers import BenchServer, Node, Roomcast

LATE_SECONDS = 3.0
"""How long the last messages are waited for."""

PAYLOAD = {
    "seq": 1,
    "epoch": "5f0c1a2b",
    "status": "starting",
    "stage": "receiving",
    "progress": 5.0,
    "message": "Bytes arrive",
}
"""With `uploadId` and `eta`, an event of about 200 bytes."""


@dataclass(frozen=True)
class Shape:
    """So many rooms, with the watchers of each; messages to all watchers together in a second."""

    rooms: int
    watchers: Sequence[int]
    per_second: float
    how: str = "notices"
    polling: bool = False

    def sizes(self) -> list[int]:
        """How many watch each room: the numbers of `watchers` in turn."""
        return [self.watchers[number % len(self.watchers)] for number in range(self.rooms)]


ONE_ROOM = {watchers: Shape(1, [watchers], 10_000) for watchers in (100, 1000, 4000)}
ROOMS = Shape(1000, [1, 2, 3, 4, 5], 10_000)
ACTIVE = Shape(1000, [1], 4000, how="ticks")
"""A worker tells at most four readings a second of an upload."""

POLLING = Shape(1, [100], 2000, polling=True)


@dataclass(frozen=True)
class Sample:
    """One turn of one server."""

    microseconds: float
    counts: Counts


class Audience:
    """The watchers of a shape at one server."""

    def __init__(self, server: BenchServer, shape: Shape, folder: Path) -> None:
        self._server = server
        self._shape = shape
        opened = server.tell("open", rooms=shape.rooms)
        self.ids: list[str] = opened["ids"]
        self.example: dict[str, Any] = opened.get("message", {})
        rooms = [upload_id for upload_id, size in zip(self.ids, shape.sizes(), strict=True) for _ in range(size)]
        self._size = len(rooms)
        self.watchers = Watchers(server.port, rooms, polling=shape.polling, list_at=folder / f"{server.name}.rooms")

    @contextmanager
    def present(self) -> Iterator[Audience]:
        """Everybody is connected and in their room."""
        with self.watchers:
            self.watchers.connect(self._size)
            yield self

    def sample(self, seconds: float, payload: dict[str, Any]) -> Sample:
        """One turn: its messages go out evenly, and are waited for."""
        rounds = max(1, round(self._shape.per_second * seconds / self._size))
        emissions = rounds * self._shape.rooms
        self.watchers.count()
        before = self._server.cpu()
        self._server.tell(
            "emit",
            how=self._shape.how,
            ids=self.ids,
            payload=payload,
            per_second=emissions / seconds,
            seconds=seconds,
        )
        counts = self.watchers.heard(rounds * self._size, within=LATE_SECONDS)
        used = self._server.cpu() - before
        if counts.messages < rounds * self._size:  # ticks may be dropped, but should not be at this pace
            print(f"  {self._server.name} delivered {counts.messages:,} of {rounds * self._size:,} messages")
        assert counts.messages, self._server.tail()
        assert counts.most <= rounds, f"{self._server.name} delivered something twice"
        return Sample(used / counts.messages * 1e6, counts)


def measure(folder: Path, *, seconds: float, pairs: int) -> list[Row]:
    with Roomcast(folder / "roomcast") as ours, Node(folder / "node") as theirs:

        def both(shape: Shape) -> tuple[list[Sample], list[Sample]]:
            with ExitStack() as stack:
                here = stack.enter_context(Audience(ours, shape, folder).present())
                there = stack.enter_context(Audience(theirs, shape, folder).present())
                payload = _same_size(here.example) if shape.how == "ticks" else PAYLOAD
                for audience in (here, there):
                    audience.sample(seconds / 4, payload)  # warming up
                return interleaved(pairs, lambda: here.sample(seconds, payload), lambda: there.sample(seconds, payload))

        one_room = {watchers: both(shape) for watchers, shape in ONE_ROOM.items()}
        rooms, active, polling = both(ROOMS), both(ACTIVE), both(POLLING)
    rows = [
        _cpu(f"fanout_one_room_{watchers}_cpu_vs_node", f"CPU per message, 1 room × {watchers:,}", "≤ 0.5", samples)
        for watchers, samples in one_room.items()
    ]
    return [
        *rows,
        _cpu("fanout_rooms_cpu_vs_node", "  1,000 rooms × 1–5", "≤ 0.6", rooms),
        _p99("latency_p99_vs_node", "p99 of emit → client, 10,000/s", "≤ 1", *rooms),
        _cpu("polling_cpu_vs_node", "CPU per message, polling, 1 room × 100", "≤ 1.5", polling),
        _cpu("tick_cpu_vs_node", "CPU per message from the ledger's tick on", "", active),
        _p99("tick_to_client_p99_ms", "  its p99, 1,000 uploads", "≤ 50 ms", active[0]),
    ]


def _cpu(key: str, what: str, aim: str, samples: tuple[list[Sample], list[Sample]]) -> Row:
    return row(key, what, "µs", aim, lambda one: one.microseconds, *samples)


def _p99(key: str, what: str, aim: str, ours: Sequence[Sample], theirs: Sequence[Sample] = ()) -> Row:
    return row(key, what, "ms", aim, lambda one: one.counts.p99_ms, ours, theirs)


def _same_size(example: dict[str, Any]) -> dict[str, Any]:
    """For Node: what our whole message holds besides id and time."""
    return {name: value for name, value in example.items() if name not in ("uploadId", "eta")}
