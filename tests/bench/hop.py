"""The hop over Redis: one process makes uploads move, another has the watchers, and that one's CPU is looked at.

Ours: a web process calls `Ledger.tick`, and Redis publishes to those who follow the upload. The peer: `io.to(room)`
through @socket.io/redis-adapter. Redis and the sender share the load's core.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.bench.fanout import LATE_SECONDS, PAYLOAD
from tests.bench.generator import Watchers
from tests.bench.rows import Row, interleaved, row
from tests.bench.servers import LOAD_CORE, BenchServer, Node, Roomcast
from tests.support.redis_server import RunningRedis

_ROOMS = 200
_PER_SECOND = 1000


@dataclass(frozen=True)
class Hop:
    """Microseconds of CPU of the process that has the watchers, for each event: of an upload that one client watches
    there, and of one that nobody does."""

    watched: float
    unwatched: float


def measure(folder: Path, *, seconds: float, pairs: int) -> list[Row]:
    with RunningRedis(folder / "redis") as redis:

        def turn(make: type[Roomcast] | type[Node]) -> Hop:
            name = make.__name__.lower()
            sender = make(folder / f"{name}-sender", REDIS_URL=redis.url)
            sender.core = LOAD_CORE
            with sender, make(folder / f"{name}-web", REDIS_URL=redis.url) as web:
                return _hop(sender, web, seconds, folder)

        hops = interleaved(pairs, lambda: turn(Roomcast), lambda: turn(Node))
    what, idle = "Redis hop, events by one web process", "  CPU per event that nobody watches here"
    return [
        row("redis_hop_vs_node", what, "/CPU s", "≥ 1", lambda one: 1e6 / one.watched, *hops),
        row("redis_hop_unwatched_us", idle, "µs", "~0", lambda one: one.unwatched, *hops, compared=False),
    ]


def _hop(sender: BenchServer, web: BenchServer, seconds: float, folder: Path) -> Hop:
    ids = sender.tell("open", rooms=2 * _ROOMS)["ids"]
    watched, unwatched = ids[:_ROOMS], ids[_ROOMS:]
    rounds = max(1, round(_PER_SECOND * seconds / _ROOMS))
    events = rounds * _ROOMS

    def cost(of: list[str]) -> float:
        before = web.cpu()
        per_second = events / seconds
        sender.tell("emit", how="ticks", ids=of, payload=PAYLOAD, per_second=per_second, seconds=seconds)
        counts = watchers.heard(events if of is watched else 0, within=LATE_SECONDS)
        if of is watched and counts.messages < events:
            print(f"  {web.name} delivered {counts.messages:,} of {events:,} messages")
        return (web.cpu() - before) / events * 1e6

    with Watchers(web.port, watched, list_at=folder / "rooms") as watchers:
        watchers.connect(len(watched))
        watchers.count()
        return Hop(cost(watched), cost(unwatched))
