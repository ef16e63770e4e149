"""Fan-out: the server's CPU time per delivered message, and the latency of a message.

The servers run side by side, each with connected watchers, and are loaded in turns: ours, Node's, stock
python-socketio, and ours of another commit if there is one. Most rows give complete messages to our relay (see
`roomcast.py`), as Node's `emit` gets them; the rows of `sio.emit` use python-socketio's public method. The rows of a
tick start at the ledger, for which Node has no counterpart: it emits a payload of the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.generator import Counts, Watchers
from tests.bench.rows import Row, rounds, row
from tests.bench.servers import BenchServer, Node, Parent, Roomcast, Stock

LATE_SECONDS = 3.0
"""How long to wait for the last messages."""

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
    """A load: the number of rooms, the watchers of each, and messages per second to all watchers together."""

    rooms: int
    watchers: Sequence[int]
    per_second: float
    how: str = "notices"
    polling: bool = False

    def sizes(self) -> list[int]:
        """Return the number of watchers of each room: the numbers of `watchers` in turn."""
        return [self.watchers[number % len(self.watchers)] for number in range(self.rooms)]


ONE_ROOM = {watchers: Shape(1, [watchers], 10_000) for watchers in (100, 1000, 4000)}
ROOMS = Shape(1000, [1, 2, 3, 4, 5], 10_000)
ACTIVE = Shape(1000, [1], 4000, how="ticks")
"""A worker reports at most four readings per second and upload."""

POLLING = Shape(1, [100], 2000, polling=True)


@dataclass(frozen=True)
class Sample:
    """The measurement of one turn of one server."""

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
        transport = "polling" if shape.polling else "websocket"
        self.watchers = Watchers(server.port, rooms, how=transport, list_at=folder / f"{server.name}.rooms")

    @contextmanager
    def present(self) -> Iterator[Audience]:
        """Connect all watchers and let them join their rooms."""
        with self.watchers:
            self.watchers.connect(self._size)
            yield self

    def sample(self, seconds: float, payload: dict[str, Any], *, how: str | None = None) -> Sample:
        """Send the messages of one turn at an even rate, and wait until they are received."""
        rounds = max(1, round(self._shape.per_second * seconds / self._size))
        emissions = rounds * self._shape.rooms
        self.watchers.count()
        before = self._server.cpu()
        self._server.tell(
            "emit",
            how=how or self._shape.how,
            ids=self.ids,
            payload=payload,
            per_second=emissions / seconds,
            seconds=seconds,
        )
        counts = self.watchers.heard(rounds * self._size, within=LATE_SECONDS)
        used = self._server.cpu() - before
        if counts.messages < rounds * self._size:  # ticks may be dropped, but should not be at this rate
            print(f"  {self._server.name} delivered {counts.messages:,} of {rounds * self._size:,} messages")
        assert counts.messages, self._server.tail()
        assert counts.most <= rounds, f"{self._server.name} delivered something twice"
        return Sample(used / counts.messages * 1e6, counts)


_STOCK_PER_SECOND = 4000
"""The load of stock python-socketio, which delivers more messages than this late."""


def measure(folder: Path, *, seconds: float, pairs: int, parent: bool) -> list[Row]:
    """Measure all rows. With short turns, stock python-socketio, whose clients connect slowly, has one shape only."""
    thorough = ["stock"] if seconds >= 1 else []
    with ExitStack() as running:
        makers: dict[str, type[BenchServer]] = {"roomcast": Roomcast, "node": Node, "stock": Stock}
        makers |= {"parent": Parent} if parent else {}
        servers = {name: running.enter_context(make(folder / name)) for name, make in makers.items()}

        def each(shape: Shape, *names: str) -> dict[str, list[Sample]]:
            """Return samples by server name; `emit` is our server with python-socketio's public method."""
            with ExitStack() as stack:
                turns: dict[str, Callable[[], Sample]] = {}
                for name in (name for name in names if name in servers):
                    slower = replace(shape, per_second=min(shape.per_second, _STOCK_PER_SECOND))
                    audience = Audience(servers[name], slower if name == "stock" else shape, folder)
                    stack.enter_context(audience.present())
                    payload = _same_size(audience.example) if shape.how == "ticks" and audience.example else PAYLOAD
                    audience.sample(seconds / 4, payload)  # warm-up
                    turns[name] = partial(audience.sample, seconds, payload)
                    if name == "roomcast" and "emit" in names:
                        turns["emit"] = partial(audience.sample, seconds, payload, how="emit")
                return rounds(pairs, turns)

        one_room = {
            watchers: each(
                shape, "roomcast", "node", "emit", "parent", *({100: ["stock"], 1000: thorough}.get(watchers, []))
            )
            for watchers, shape in ONE_ROOM.items()
        }
        rooms = each(ROOMS, "roomcast", "node", "emit", *thorough, "parent")
        polling = each(POLLING, "roomcast", "node", *thorough, "parent")
        active = each(ACTIVE, "roomcast", "node")
    rows = []
    for watchers, samples in one_room.items():
        key, what = f"fanout_one_room_{watchers}_cpu", f"CPU per message, 1 room × {watchers:,}"
        rows += _cpus(key, what, samples, {"roomcast": "≤ 0.5", "emit": "≤ 0.55"})
    rows += _cpus(
        "fanout_rooms_cpu", "CPU per message, 1,000 rooms × 1–5", rooms, {"roomcast": "≤ 0.62", "emit": "≤ 0.7"}
    )
    rows += _cpus("polling_cpu", "CPU per message, polling, 1 room × 100", polling, {"roomcast": "≤ 1.1"})
    ticks = active["roomcast"], active["node"]
    return [
        *rows,
        _p99("latency_p99_vs_node", "p99 latency, emit to client, 10,000/s", "≤ 1", rooms["roomcast"], rooms["node"]),
        _cpu("tick_cpu_vs_node", "CPU per message, tick in the ledger to client", "", ticks),
        _p99("tick_to_client_p99_ms", "  p99 latency, 1,000 uploads", "≤ 50 ms", active["roomcast"]),
    ]


def _cpus(key: str, what: str, samples: Mapping[str, list[Sample]], aims: Mapping[str, str]) -> list[Row]:
    """Compare ours with Node and the other commit, and the public method and stock with Node."""
    node = samples["node"]
    rows = [_cpu(f"{key}_vs_node", what, aims["roomcast"], (samples["roomcast"], node))]
    if "parent" in samples:
        rows.append(
            _cpu(
                f"{key}_vs_parent",
                "  compared with the other commit",
                "≤ 1.05",
                (samples["roomcast"], samples["parent"]),
            )
        )
    if "emit" in samples:
        rows.append(_cpu(f"emit_{key}_vs_node", "  with `await sio.emit`", aims["emit"], (samples["emit"], node)))
    if "stock" in samples:
        rows.append(_cpu(f"stock_{key}_vs_node", "  stock python-socketio", "", (samples["stock"], node)))
    return rows


def _cpu(key: str, what: str, aim: str, samples: tuple[list[Sample], list[Sample]]) -> Row:
    return row(key, what, "µs", aim, lambda one: one.microseconds, *samples)


def _p99(key: str, what: str, aim: str, ours: Sequence[Sample], theirs: Sequence[Sample] = ()) -> Row:
    return row(key, what, "ms", aim, lambda one: one.counts.p99_ms, ours, theirs)


def _same_size(example: dict[str, Any]) -> dict[str, Any]:
    """Return a payload for Node of the size of our message, without id and time."""
    return {name: value for name, value in example.items() if name not in ("uploadId", "eta")}
