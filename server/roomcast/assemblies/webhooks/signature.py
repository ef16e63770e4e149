"""How a delivery proves who sent it. Pure.

`X-Transflow-Signature` is the HMAC-SHA256 of the exact body. `X-Roomcast-Signature` covers the time too, so that a
receiver can refuse a request that somebody kept and sends again. `X-Roomcast-Delivery` is the same for every try of one
delivery, so that a receiver can tell what it has heard before.
"""

from __future__ import annotations

import hashlib
import hmac


def headers(secret: bytes, body: bytes, delivery_id: str, now: int) -> dict[str, str]:
    """The headers that go with `body`; `now` is in seconds since the Unix epoch."""
    return {
        "X-Transflow-Signature": f"sha256={_hmac(secret, body)}",
        "X-Roomcast-Signature": f"t={now},v1={_hmac(secret, f'{now}.'.encode() + body)}",
        "X-Roomcast-Delivery": delivery_id,
    }


def _hmac(secret: bytes, content: bytes) -> str:
    return hmac.new(secret, content, hashlib.sha256).hexdigest()
