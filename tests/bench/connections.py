"""Connections by the thousand: how fast they are taken, what each weighs, what it costs when all leave, and what a few
that read nothing do to the rest. Every turn is in a server of its own, for what it has seen stays in its memory.

Weighed are connections that have joined a room and heard a message. Leaving is from the moment in which the clients'
connections end until the server has closed the last one and come to rest. Of those that only come and go, again and
again, nothing should stay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from tests.bench.fanout import LATE_SECONDS, PAYLOAD
from tests.bench.generator import Watchers
from tests.bench.rows import Row, rounds, row
from tests.bench.servers import BenchServer, Node, Parent, Roomcast, Stock
from tests.support.harness import eventually

T = TypeVar("T")

_CROWD, _ROOMS = 3000, 1000
_LARGE_CROWD = 12_000
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
    """What many connections cost a server: how many it takes in a second; microseconds of its CPU for one that
    connects, one that joins a room as well, and one that leaves; and bytes for each."""

    per_second: float
    connect: float
    join: float
    leave: float
    bytes_each: float


@dataclass(frozen=True)
class Stall:
    """Beside clients that read nothing: the percentage of the messages that those got who read, and the bytes by which
    the server grew for each who did not."""

    percent: float
    bytes_each: float


def measure(folder: Path, *, seconds: float, pairs: int, visits: int, parent: bool) -> list[Row]:
    """Stock, browsers and a large crowd take long, and are left out where turns are short."""
    turns, thorough = count(), seconds >= 1

    def each(
        makers: Mapping[str, type[BenchServer]], look: Callable[[BenchServer, Path], T], pairs: int = pairs
    ) -> Any:
        def turn(make: type[BenchServer]) -> T:
            place = folder / f"turn{next(turns)}"
            with make(place / "data") as server:
                return look(server, place)

        return rounds(pairs, {name: partial(turn, make) for name, make in makers.items()})

    pair: dict[str, type[BenchServer]] = {"roomcast": Roomcast, "node": Node}
    crowds = each({**pair, **({"stock": Stock} if thorough else {}), **({"parent": Parent} if parent else {})}, _crowd)
    stalls = each(pair, lambda server, place: _stall(server, place, seconds))
    grown = each(pair, lambda server, place: _visited(server, place, visits), 1)
    ours, node = crowds["roomcast"], crowds["node"]
    rows = [
        row("connections_per_second_vs_node", "connections taken", "/s", "≥ 1", lambda one: one.per_second, ours, node)
    ]
    for key, what, unit, aim, figure in _CROWD_ROWS:
        rows.append(row(f"{key}_vs_node", what, unit, aim, figure, ours, node))
        if parent:
            rows.append(
                row(f"{key}_vs_parent", "  compared with the other commit", unit, "", figure, ours, crowds["parent"])
            )
        if thorough:
            rows.append(row(f"stock_{key}_vs_node", "  stock python-socketio", unit, "", figure, crowds["stock"], node))
    if thorough:
        browsers = each(pair, partial(_crowd, how="browser"), 1)
        large = each({"roomcast": Roomcast}, partial(_crowd, size=_LARGE_CROWD), 1)["roomcast"]
        in_browsers = browsers["roomcast"], browsers["node"]
        share = f"  a leaver of {_LARGE_CROWD:,} beside one of {_CROWD:,}"
        rows.append(row("leaver_12000_vs_3000", share, "µs", "≤ 1.2", lambda one: one.leave, large, ours))
        rows.append(
            row(
                "browser_rss_bytes",
                "memory of a browser's",
                "bytes",
                "≤ 5,120",
                lambda one: one.bytes_each,
                *in_browsers,
                compared=False,
            )
        )
    return [
        *rows,
        row(
            "stalled_healthy_percent",
            "20 stalled: the 50 others get",
            "%",
            "100",
            lambda one: one.percent,
            stalls["roomcast"],
        ),
        row(
            "stalled_growth_bytes",
            "  growth for each stalled",
            "bytes",
            "< 8,192",
            lambda one: one.bytes_each,
            stalls["roomcast"],
            stalls["node"],
            compared=False,
        ),
        row(
            "visits_growth_mib",
            f"growth after {visits:,} came and went",
            "MiB",
            "flat",
            lambda mebibytes: mebibytes,
            grown["roomcast"],
            grown["node"],
            compared=False,
        ),
    ]


_CROWD_ROWS: list[tuple[str, str, str, str, Callable[[Crowd], float]]] = [
    ("rss_per_connection", "memory of one", "bytes", "≤ 0.4", lambda one: one.bytes_each),
    ("connect_cpu", "CPU per connect", "µs", "≤ 0.75", lambda one: one.connect),
    ("join_cpu", "CPU per connect + join", "µs", "≤ 0.75", lambda one: one.join),
    ("leave_cpu", f"CPU per leaver of {_CROWD:,}", "µs", "≤ 0.5", lambda one: one.leave),
]


def _crowd(server: BenchServer, place: Path, *, how: str = "websocket", size: int = _CROWD) -> Crowd:
    def each_of(used: float) -> float:
        return used / size * 1e6

    with Watchers(server.port, how=how, list_at=place / "none") as watchers:
        watchers.connect(_WARMING_UP)
        watchers.leave()
        _come_to_rest(server)
        ids = server.tell("open", rooms=_ROOMS)["ids"]
        before, descriptors = server.memory(), server.descriptors()
        with Watchers(server.port, ids * (size // _ROOMS), how=how, list_at=place / "rooms") as crowd:
            began = server.cpu()
            crowd.connect(size)
            joining = server.cpu() - began
            _emit(server, ids, rounds=1, seconds=1.0)
            crowd.heard(size, within=LATE_SECONDS)
            weight = server.memory() - before
            began = server.cpu()
            crowd.leave()
            _come_to_rest(server, descriptors)
            leaving = server.cpu() - began
        began = server.cpu()
        seconds = watchers.connect(size)
        connecting = server.cpu() - began
    return Crowd(size / seconds, each_of(connecting), each_of(joining), each_of(leaving), weight / size)


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
