"""Connections by the thousand: how fast they are taken, what each weighs, what it costs when all leave, and what a few
that read nothing do to the rest. Every turn is in a server of its own, for what it has seen stays in its memory.

Weighed are connections that have joined a room and heard a message. Leaving is from the moment in which the clients'
connections end until the server has closed the last one and come to rest. Of those that only come and go, again and
again, nothing should stay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from tests.bench.fanout import LATE_SECONDS, PAYLOAD
from tests.bench.generator import Watchers
from tests.bench.rows import Row, interleaved, row
from tests.bench.servers import BenchServer, Node, Roomcast
from tests.harness import eventually

T = TypeVar("T")

_CROWD, _ROOMS = 3000, 1000
_HEALTHY, _STALLED = 50, 20
_WARMING_UP = 50
_MESSAGES_PER_SECOND = 200
"""To the room in which some read nothing."""

_LONG_TEXT = "x" * 4000
"""What makes those messages long enough to fill, within some seconds, the 4 MiB that Linux holds for a socket."""

_FILLED_AFTER_SECONDS = 8.0

_LOOKS_AT_REST = 15
_CPU_AT_REST = 0.02
"""At rest: so many looks in a row, 0.02 s apart, between the first and last of which so little CPU was used."""


@dataclass(frozen=True)
class Crowd:
    """What many connections cost a server, in seconds of CPU and in bytes."""

    per_second: float
    bytes_each: float
    leaving: float


@dataclass(frozen=True)
class Stall:
    """Beside clients that read nothing: the percentage of the messages that those got who read, and the bytes by which
    the server grew for each who did not."""

    percent: float
    bytes_each: float


def measure(folder: Path, *, seconds: float, pairs: int, visits: int) -> list[Row]:
    turns = count()

    def both(look: Callable[[BenchServer, Path], T], pairs: int = pairs) -> tuple[list[T], list[T]]:
        def turn(make: type[Roomcast] | type[Node]) -> T:
            place = folder / f"turn{next(turns)}"
            with make(place / "data") as server:
                return look(server, place)

        return interleaved(pairs, lambda: turn(Roomcast), lambda: turn(Node))

    crowds = both(_crowd)
    stalls = both(lambda server, place: _stall(server, place, seconds))
    grown = both(lambda server, place: _visited(server, place, visits), pairs=1)
    return [
        row("connections_per_second_vs_node", "connections taken", "/s", "≥ 1", lambda one: one.per_second, *crowds),
        row("rss_per_connection_vs_node", "memory of one", "bytes", "≤ 1.1", lambda one: one.bytes_each, *crowds),
        row("leave_3000_cpu_vs_node", "CPU when 3,000 leave", "s", "≤ 1.5", lambda one: one.leaving, *crowds),
        row("stalled_healthy_percent", "20 stalled: the 50 others get", "%", "100", lambda one: one.percent, stalls[0]),
        row(
            "stalled_growth_bytes",
            "  growth for each stalled",
            "bytes",
            "< 65,536",
            lambda one: one.bytes_each,
            *stalls,
            compared=False,
        ),
        row(
            "visits_growth_mib",
            f"growth after {visits:,} came and went",
            "MiB",
            "flat",
            lambda mebibytes: mebibytes,
            *grown,
            compared=False,
        ),
    ]


def _crowd(server: BenchServer, place: Path) -> Crowd:
    with Watchers(server.port, list_at=place / "none") as watchers:
        watchers.connect(_WARMING_UP)
        watchers.leave()
        _come_to_rest(server)
        ids = server.tell("open", rooms=_ROOMS)["ids"]
        before, descriptors = server.memory(), server.descriptors()
        with Watchers(server.port, ids * (_CROWD // _ROOMS), list_at=place / "rooms") as crowd:
            crowd.connect(_CROWD)
            _emit(server, ids, rounds=1, seconds=1.0)
            crowd.heard(_CROWD, within=LATE_SECONDS)
            weight = server.memory() - before
            began = server.cpu()
            crowd.leave()
            _come_to_rest(server, descriptors)
            leaving = server.cpu() - began
        seconds = watchers.connect(_CROWD)
    return Crowd(_CROWD / seconds, weight / _CROWD, leaving)


def _stall(server: BenchServer, place: Path, seconds: float) -> Stall:
    seconds = max(seconds, _FILLED_AFTER_SECONDS)
    rounds = round(_MESSAGES_PER_SECOND * seconds)
    (upload_id,) = server.tell("open", rooms=1)["ids"]
    with Watchers(server.port, [upload_id] * (_HEALTHY + _STALLED), list_at=place / "rooms") as watchers:
        watchers.connect(_HEALTHY + _STALLED)
        _emit(server, [upload_id], rounds=_MESSAGES_PER_SECOND, seconds=1.0)
        watchers.heard((_HEALTHY + _STALLED) * _MESSAGES_PER_SECOND, within=LATE_SECONDS)
        before = server.memory()
        watchers.stall(_STALLED)
        watchers.count()
        _emit(server, [upload_id], rounds=rounds, seconds=seconds)
        counts = watchers.heard(_HEALTHY * rounds, within=LATE_SECONDS)
        return Stall(counts.least / rounds * 100, (server.memory() - before) / _STALLED)


def _visited(server: BenchServer, place: Path, visits: int) -> float:
    """By how many mebibytes the server has grown since a first crowd had gone."""
    with Watchers(server.port, list_at=place / "none") as watchers:
        before = 0
        for number in range(1 + visits // _CROWD):
            watchers.connect(_CROWD)
            watchers.leave()
            if number == 0:
                _come_to_rest(server)
                before = server.memory()
        _come_to_rest(server)
        return (server.memory() - before) / (1 << 20)


def _emit(server: BenchServer, ids: list[str], *, rounds: int, seconds: float) -> None:
    payload = {**PAYLOAD, "message": _LONG_TEXT} if len(ids) == 1 else PAYLOAD
    per_second = rounds * len(ids) / seconds
    server.tell("emit", how="notices", ids=ids, payload=payload, per_second=per_second, seconds=seconds)


def _come_to_rest(server: BenchServer, descriptors: int | None = None) -> None:
    """Until the server does nothing any more and, if it is told, has no more than so many descriptors open."""
    used: deque[float] = deque(maxlen=_LOOKS_AT_REST)

    def rests() -> bool:
        used.append(server.cpu())
        still = len(used) == _LOOKS_AT_REST and used[-1] - used[0] < _CPU_AT_REST
        return still and (descriptors is None or server.descriptors() <= descriptors)

    asyncio.run(eventually(rests, deadline=30, what="the server's rest"))
