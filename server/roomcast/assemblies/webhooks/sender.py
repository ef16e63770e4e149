"""Send one signed request to a webhook's receiver, within limits of time and response size."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable

import aiohttp

from roomcast.assemblies.delivery import Attempt
from roomcast.assemblies.webhooks.ssrf import NotPublic, guarded_session
from roomcast.runtime.clocks import unix_time
from roomcast.tracing import traceparent
from roomcast.uploads.templates import Webhook

SEND_SECONDS = 5.0
"""The time limit for name resolution, connection, request and response together."""

_READ_BYTES = 64 * 1024


class Sender:
    """Sends requests to public addresses, and with `private` to all others too. Times are in seconds."""

    def __init__(self, *, private: bool, seconds: float = SEND_SECONDS, clock: Callable[[], float] = unix_time) -> None:
        self._session = guarded_session(
            private=private,
            timeout=aiohttp.ClientTimeout(total=seconds),
            headers={"Content-Type": "application/json"},
        )
        self._clock = clock

    def now(self) -> float:
        return self._clock()

    async def send(self, webhook: Webhook, delivery_id: str, body: bytes) -> Attempt:
        """POST the body with its signatures. Redirects are not followed: a 3xx response is a failed attempt."""
        at, began = self._clock(), time.monotonic()
        status, error = None, None
        signed = signature_headers(webhook.secret, body, delivery_id, int(at))
        if current := traceparent():
            signed["traceparent"] = current
        try:
            async with self._session.post(webhook.url, data=body, headers=signed, allow_redirects=False) as response:
                status = response.status
                await response.content.read(_READ_BYTES)  # the rest is dropped with the connection
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            error = None if status else _describe(failure)
        return Attempt(at, round(time.monotonic() - began, 3), status, error)

    async def close(self) -> None:
        await self._session.close()


def _describe(failure: Exception) -> str:
    """Return the sentence for the delivery log, without internal details."""
    match failure:
        case TimeoutError():
            return "The receiver did not respond in time."
        case aiohttp.ClientSSLError():
            return "The receiver's TLS certificate is not valid."
        case aiohttp.ClientConnectorDNSError():
            return "The receiver's host name could not be resolved."
        case aiohttp.ClientConnectorError() if isinstance(failure.os_error, NotPublic):
            return str(failure.os_error)
        case aiohttp.ClientConnectorError():
            return "The receiver refused the connection or is unreachable."
        case aiohttp.ClientConnectionError() | OSError():
            return "The connection to the receiver was lost."
    return "The response was not valid HTTP."


def signature_headers(secret: bytes, body: bytes, delivery_id: str, now: int) -> dict[str, str]:
    """Return the headers that authenticate a delivery; `now` is in seconds since the Unix epoch.

    `X-Transflow-Signature` is the HMAC-SHA256 of the exact body. `X-Roomcast-Signature` covers the time as well, so
    that a receiver can refuse a replayed request. `X-Roomcast-Delivery` is the same for every attempt of one delivery,
    so that a receiver can ignore duplicates.
    """
    return {
        "X-Transflow-Signature": f"sha256={_hmac(secret, body)}",
        "X-Roomcast-Signature": f"t={now},v1={_hmac(secret, f'{now}.'.encode() + body)}",
        "X-Roomcast-Delivery": delivery_id,
    }


def _hmac(secret: bytes, content: bytes) -> str:
    return hmac.new(secret, content, hashlib.sha256).hexdigest()
