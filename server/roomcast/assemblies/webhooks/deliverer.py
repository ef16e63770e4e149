"""Delivers what is due, wherever it was noticed: every web process takes its share, under a lease.

That a delivery is sent at least once is promised; that it is never sent twice is not, so it has an id.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter

from roomcast.assemblies.store import RecordStore
from roomcast.assemblies.webhooks.delivery import Attempt, Delivery, record_attempt
from roomcast.assemblies.webhooks.javascript_json import encode_json
from roomcast.assemblies.webhooks.sender import SEND_SECONDS, Sender
from roomcast.errors import LeaseLost, NotFound
from roomcast.runtime.tasks import cancel_and_wait, periodic
from roomcast.uploads.templates import Templates, Webhook

log = structlog.get_logger(__name__)

LEASE_SECONDS = SEND_SECONDS * 2
"""How long nobody else is given a delivery: longer than any request takes."""

_AT_ONCE = 8
_POLL_SECONDS = 1.0


class Deliverer:
    """The deliveries of one web process. `link` signs the links of a body that is about to go."""

    def __init__(
        self,
        deliveries: RecordStore[Delivery],
        templates: Templates,
        sender: Sender,
        link: Callable[[Any], Mapping[str, Any]],
        *,
        keep_seconds: float,
        registry: CollectorRegistry,
    ) -> None:
        self._attempts = Counter(
            "roomcast_webhook_attempts", "Requests to webhooks' receivers", ["outcome"], registry=registry
        )
        self._deliveries = deliveries
        self._templates = templates
        self._sender = sender
        self._link = link
        self._keep_seconds = keep_seconds
        self._news = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Something may be due."""
        self._news.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver, until this is left. What is under way then is sent again later, by whoever is there."""
        try:
            poll = periodic(self.deliver_due, _POLL_SECONDS, wake=self._news, failure_event="webhook_poll_failed")
            async with poll:
                yield
        finally:
            await cancel_and_wait(*self._sending)
            await self._sender.close()

    async def deliver_due(self) -> None:
        """Begin to send what is due, as far as there are hands."""
        hands = _AT_ONCE - len(self._sending)
        for delivery in await self._deliveries.claim_due(limit=hands, seconds=LEASE_SECONDS) if hands else ():
            sending = asyncio.create_task(self.deliver(delivery))
            self._sending.add(sending)
            sending.add_done_callback(self._done)

    async def deliver(self, delivery: Delivery) -> None:
        """One try of a delivery that was taken; one that has been over for long is forgotten instead."""
        try:
            if delivery.status != "pending":
                await self._deliveries.delete(delivery.id)
                return
            attempt = await self._try(delivery, self._templates.webhook(delivery.template))
            jitter = random.random()  # noqa: S311  (it spreads tries; it guards nothing)
            after = await self._deliveries.update(
                delivery.id,
                lambda now: record_attempt(now, delivery, attempt, jitter=jitter, keep_seconds=self._keep_seconds),
            )
        except (NotFound, LeaseLost):
            return  # forgotten, or replayed meanwhile
        except Exception:
            log.exception("delivery not recorded", delivery=delivery.id)
            return
        log.info(
            "webhook told",
            delivery=delivery.id,
            assembly=delivery.group,
            answer=attempt.status,
            error=attempt.error,
            now=after.status,
        )

    async def _try(self, delivery: Delivery, webhook: Webhook | None) -> Attempt:
        if webhook is None:
            attempt = Attempt(self._sender.now(), 0.0, None, "the template has no webhook any more")
        else:
            attempt = await self._sender.send(webhook, delivery.id, encode_json(self._link(delivery.body)))
        self._attempts.labels("delivered" if attempt.delivered else "failed").inc()
        return attempt

    def _done(self, sending: asyncio.Task[None]) -> None:
        self._sending.discard(sending)
        self.wake()
