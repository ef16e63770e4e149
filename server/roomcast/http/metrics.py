"""`/metrics` for Prometheus: what this process counts, and the queue that all processes share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import get_args

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from roomcast.errors import Forbidden, RoomcastError
from roomcast.fanout.send_queue import SendStats
from roomcast.http.operations import Operation, ResponseSpec, RouteGroup, Tag
from roomcast.http.responses import VIEWER
from roomcast.ledger.administration import PauseTarget
from roomcast.ledger.contract import Ledger
from roomcast.runtime.clocks import unix_time
from roomcast.services.authentication import Authenticator


@dataclass(frozen=True)
class ListenerStats:
    """The clients of one transport in this process: how many are connected, and what was sent to all so far."""

    count: Callable[[], int]
    sent: SendStats


class ListenerMetrics(Collector):
    """Reads the counters of each transport when it is scraped, so that sending costs nothing more for being counted."""

    def __init__(self, transports: Mapping[str, ListenerStats]) -> None:
        self._transports = transports

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all transports."""
        connected = GaugeMetricFamily("roomcast_listeners", "Open connections", labels=["transport"])
        sent = CounterMetricFamily("roomcast_messages_sent", "Events and ticks sent", labels=["transport", "kind"])
        coalesced = CounterMetricFamily(
            "roomcast_ticks_coalesced", "Ticks replaced by a later one before they were sent", labels=["transport"]
        )
        for transport, listeners in self._transports.items():
            connected.add_metric([transport], listeners.count())
            sent.add_metric([transport, "event"], listeners.sent.events)
            sent.add_metric([transport, "tick"], listeners.sent.ticks)
            coalesced.add_metric([transport], listeners.sent.coalesced)
        yield from (connected, sent, coalesced)


class MetricsRoute(RouteGroup):
    """Serves the metrics to admins; in open mode, where there are no credentials, to everyone."""

    def __init__(self, registry: CollectorRegistry, ledger: Ledger, authenticator: Authenticator) -> None:
        self._registry = registry
        self._ledger = ledger
        self._authenticator = authenticator
        self._depth = Gauge("roomcast_queue_depth", "Uploads that wait for a worker", registry=registry)
        self._age = Gauge("roomcast_queue_age_seconds", "How long the next in the queue has waited", registry=registry)
        self._paused = Gauge("roomcast_paused_uploads", "Uploads that wait for a paused template", registry=registry)
        self._pauses = Gauge("roomcast_pauses", "Pauses by administrators", ["target"], registry=registry)

    @Operation(
        "GET",
        "/metrics",
        Tag.OPERATION,
        "Metrics for Prometheus",
        (
            ResponseSpec(
                200,
                "The metrics as text, or as OpenMetrics if `Accept` asks for it.",
                {"text/plain": str, "application/openmetrics-text": str},
            ),
        ),
        description="For admins; without authentication for everyone.",
        errors=(Forbidden,),
    )
    async def _get(self, request: web.Request) -> web.Response:
        if not (self._authenticator.open_mode or request[VIEWER].admin):
            raise Forbidden("Only an admin may read the metrics.")
        await self._read_queue()
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        headers = {hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=encode(self._registry), headers=headers)

    async def _read_queue(self) -> None:
        """Set the gauges of the queue; to NaN if the ledger does not answer, so that the others can be read."""
        depth = age = paused = math.nan
        pauses = dict.fromkeys(get_args(PauseTarget), math.nan)
        with suppress(RoomcastError):
            queue = await self._ledger.queue()
            depth, age = len(queue), 0.0
            if queue:
                age = max(0.0, unix_time() - (await self._ledger.get(queue[0])).updated_at)
            ordered = await self._ledger.administration.pauses()
            paused = sum(one.uploads for one in ordered)
            pauses = {target: sum(one.target == target for one in ordered) for target in pauses}
        for target, count in pauses.items():
            self._pauses.labels(target).set(count)
        self._paused.set(paused)
        self._depth.set(depth)
        self._age.set(age)
