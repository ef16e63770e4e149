"""`/metrics`, for Prometheus: what this process counts, and how the queue that all share stands."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from roomcast.auth import Authenticator
from roomcast.errors import Forbidden, RoomcastError
from roomcast.fanout.send_queue import SendStats
from roomcast.http.responses import VIEWER
from roomcast.ledger.contract import Ledger


@dataclass(frozen=True)
class Listeners:
    """Clients of one kind that listen here: how many there are, and what was sent to all that there have been."""

    count: Callable[[], int]
    stats: SendStats


class ListenerMetrics(Collector):
    """Reads the counts where they are kept, so that sending costs no more for being counted. `ways`: what listens,
    by its name."""

    def __init__(self, ways: Mapping[str, Listeners]) -> None:
        self._ways = ways

    def collect(self) -> Iterator[Metric]:
        connected = GaugeMetricFamily("roomcast_listeners", "Connections that are open", labels=["way"])
        sent = CounterMetricFamily("roomcast_messages_sent", "Events and ticks sent", labels=["way", "lane"])
        coalesced = CounterMetricFamily(
            "roomcast_ticks_coalesced", "Ticks that a later one replaced before they were sent", labels=["way"]
        )
        for way, listeners in self._ways.items():
            connected.add_metric([way], listeners.count())
            sent.add_metric([way, "event"], listeners.stats.events)
            sent.add_metric([way, "tick"], listeners.stats.ticks)
            coalesced.add_metric([way], listeners.stats.coalesced)
        yield from (connected, sent, coalesced)


class MetricsRoute:
    """Numbers and names of templates, of nobody's uploads; for admins where there are credentials, else for all."""

    def __init__(self, registry: CollectorRegistry, ledger: Ledger, authenticator: Authenticator) -> None:
        self._registry = registry
        self._ledger = ledger
        self._authenticator = authenticator
        self._depth = Gauge("roomcast_queue_depth", "Uploads that wait for a worker", registry=registry)
        self._age = Gauge("roomcast_queue_age_seconds", "How long the next in the queue has waited", registry=registry)

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/metrics", self._get)

    async def _get(self, request: web.Request) -> web.Response:
        if not (self._authenticator.open_mode or request[VIEWER].admin):
            raise Forbidden("Only an admin may read this.")
        await self._look_at_queue()
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        headers = {hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=encode(self._registry), headers=headers)

    async def _look_at_queue(self) -> None:
        """What cannot be known at the moment is not a number; the rest is told all the same."""
        depth = age = math.nan
        with suppress(RoomcastError):
            queue = await self._ledger.queue()
            depth, age = len(queue), 0.0
            if queue:
                age = max(0.0, time.time() - (await self._ledger.get(queue[0])).updated_at)
        self._depth.set(depth)
        self._age.set(age)
