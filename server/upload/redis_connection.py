"""The connection to Redis: how long it may keep a caller waiting, and whom it trusts."""

from __future__ import annotations

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from server.upload.redis_scripts import AT_ONCE

SOCKET_SECONDS = 2.0
"""How long one read, write or connect may take."""

_CONNECTIONS = 2 * AT_ONCE
"""For the ledger and for the records beside it."""

_IDLE_SECONDS = 15


def connect(url: str, *, verify: bool = True) -> Redis:
    """A client of the Redis at `url` (`redis://`, `rediss://`, `unix://`); it connects with its first command.

    `verify=False` takes any certificate of a `rediss://` server, for hosts that sign their own (Heroku). Nothing is
    tried twice: whether a command that got no answer was carried out, only its caller can find out.
    """
    options: dict[str, Any] = {}
    if url.startswith("rediss://") and not verify:
        options |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=SOCKET_SECONDS,
        # Whoever calls has a deadline of their own (`redis_scripts`). With this one the client would send through
        # `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes just when it is done.
        socket_timeout=None,
        socket_connect_timeout=SOCKET_SECONDS,
        socket_keepalive=True,
        health_check_interval=_IDLE_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=False,
        **options,
    )
    return Redis.from_pool(pool)
