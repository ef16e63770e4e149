"""Send the webhook deliveries that are due. Every web process takes part; a claimed delivery is leased to one of them.

A delivery is sent at least once. It may be sent twice, so it has an id by which receivers can ignore duplicates.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter

from roomcast.assemblies.delivery import Attempt, Delivery, record_attempt
from roomcast.assemblies.store import RecordStore
from roomcast.assemblies.webhooks.javascript_json import encode_json
from roomcast.assemblies.webhooks.sender import SEND_SECONDS, Sender
from roomcast.errors import LeaseLost, NotFound
from roomcast.runtime.tasks import cancel_and_wait, periodic
from roomcast.tracing import span
from roomcast.uploads.templates import Templates, Webhook

log = structlog.get_logger(__name__)

LEASE_SECONDS = SEND_SECONDS * 2
"""How long a claimed delivery is leased: longer than any request takes."""

_MAX_SENDING = 8
_POLL_SECONDS = 1.0


class Deliverer:
    """The sender of deliveries in one web process. `link` signs the links of a body that is about to be sent."""

    def __init__(
        self,
        deliveries: RecordStore[Delivery],
        templates: Templates,
        sender: Sender,
        link: Callable[[Any], Mapping[str, Any]],
        *,
        retention_seconds: float,
        registry: CollectorRegistry,
    ) -> None:
        self._attempts = Counter(
            "roomcast_webhook_attempts", "Requests to webhooks' receivers", ["outcome"], registry=registry
        )
        self._deliveries = deliveries
        self._templates = templates
        self._sender = sender
        self._link = link
        self._retention_seconds = retention_seconds
        self._woken = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look for due deliveries now instead of at the next poll."""
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send due deliveries for the duration of the context. Requests that are cut off then are repeated later."""
        try:
            async with periodic(
                self.deliver_due,
                _POLL_SECONDS,
                name="webhooks",
                wake=self._woken,
                failure_event="webhook_poll_failed",
            ):
                yield
        finally:
            await cancel_and_wait(*self._sending)
            await self._sender.close()

    async def deliver_due(self) -> None:
        """Start to send due deliveries, up to `_MAX_SENDING` at a time."""
        free = _MAX_SENDING - len(self._sending)
        for delivery in await self._deliveries.claim_due(limit=free, seconds=LEASE_SECONDS) if free else ():
            sending = asyncio.create_task(self.deliver(delivery))
            self._sending.add(sending)
            sending.add_done_callback(self._on_sent)

    async def deliver(self, delivery: Delivery) -> None:
        """Make one attempt for a claimed delivery; delete one that was delivered or dead for the retention time."""
        try:
            if delivery.status != "pending":
                await self._deliveries.delete(delivery.id)
                return
            attempt = await self._attempt(delivery, self._templates.webhook(delivery.template))
            jitter = random.random()  # noqa: S311 - it spreads load and guards no secret
            after = await self._deliveries.update(
                delivery.id,
                lambda current: record_attempt(
                    current, delivery, attempt, jitter=jitter, retention_seconds=self._retention_seconds
                ),
            )
        except (NotFound, LeaseLost):
            return  # deleted or replayed meanwhile
        except Exception:
            log.exception("webhook_attempt_not_recorded", delivery=delivery.id)
            return
        log.info(
            "webhook_delivered" if attempt.delivered else "webhook_attempt_failed",
            delivery=delivery.id,
            assembly=delivery.group,
            response=attempt.status,
            error=attempt.error,
            status=after.status,
        )

    async def _attempt(self, delivery: Delivery, webhook: Webhook | None) -> Attempt:
        if webhook is None:
            attempt = Attempt(self._sender.now(), 0.0, None, "The template has no webhook any more.")
        else:
            with span("webhook", parent=delivery.traceparent, assembly_id=delivery.group) as recorded:
                attempt = await self._sender.send(webhook, delivery.id, encode_json(self._link(delivery.body)))
                recorded.set(**{"http.response.status_code": attempt.status, "error.type": attempt.error})
        self._attempts.labels("delivered" if attempt.delivered else "failed").inc()
        return attempt

    def _on_sent(self, sending: asyncio.Task[None]) -> None:
        self._sending.discard(sending)
        self.wake()
