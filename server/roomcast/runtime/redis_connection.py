"""The connections to Redis, of the ledger, the repositories beside it, its notifications and the dispatch.

They differ from the client's own connections in four ways. uvloop raises `RuntimeError`, not `OSError`, when a
connection that was reset is written to; here that is the client's `ConnectionError`, as for any other lost connection.
A read can have its own timeout. A server's certificate can be accepted by its fingerprint. And where sentinels watch
Redis, each connection is made to the master of that moment.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from roomcast.errors import RoomcastError
from roomcast.runtime.redis_lua import MAX_CONCURRENT_CALLS
from roomcast.runtime.redis_trust import VERIFIED, RedisTrust, fingerprint
from roomcast.runtime.redis_url import SentinelAddress, is_sentinel_url, parse_sentinel_url, redis_address

SOCKET_SECONDS = 2.0
"""How long one write or connect may take."""

_CONNECTIONS = 2 * MAX_CONCURRENT_CALLS
"""For the ledger and for the repositories beside it."""

_HEALTH_CHECK_SECONDS = 15

_MASTER_SECONDS = 0.5
"""For how long the sentinels' answer counts."""


class UnverifiedCertificate(RedisConnectionError):
    """The server's certificate is not trusted."""


class _CheckedConnection(AbstractConnection):
    """A connection whose failures are all errors of the client library. With `read_seconds`, no response may take
    longer."""

    def __init__(self, *, read_seconds: float | None = None, address: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.address = address
        """Where the URL leads, for the log."""
        self._read_seconds = read_seconds

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health=check_health)
        except RuntimeError as error:
            raise RedisConnectionError(f"The connection was lost: {error}.") from error

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            async with asyncio.timeout(self._read_seconds):
                return await super().read_response(*args, **options)
        except RuntimeError as error:
            raise RedisConnectionError(f"The connection was lost: {error}.") from error
        except TimeoutError as error:
            raise RedisTimeoutError(f"There was no answer within {self._read_seconds:g} s.") from error


class TcpConnection(_CheckedConnection, Connection):
    """A connection to `redis://…`."""


class UnixConnection(_CheckedConnection, UnixDomainSocketConnection):
    """A connection to `unix://…`."""


class TlsConnection(_CheckedConnection, SSLConnection):
    """A connection to `rediss://…`. Nothing is sent before the certificate is accepted, and so no password."""

    def __init__(self, *, trust: RedisTrust = VERIFIED, **options: Any) -> None:
        if not trust.checks_chain:
            options |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
        super().__init__(ssl_ca_data=trust.ca, **options)
        self._trust = trust

    async def _connect(self) -> None:
        try:
            await super()._connect()  # type: ignore[no-untyped-call]
        except ssl.SSLCertVerificationError as error:
            raise UnverifiedCertificate(self._refusal(error.verify_message)) from error
        assert self._writer is not None  # noqa: S101 - it has just connected
        certificate = self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if not self._trust.accepts(certificate):
            # Not closed as TLS does it, which waits for an answer of the server, which is not trusted.
            self._writer.transport.abort()
            with suppress(OSError):
                await self._writer.wait_closed()
            self._close()  # type: ignore[no-untyped-call]
            shown = fingerprint(certificate)
            raise UnverifiedCertificate(
                self._refusal(f"its fingerprint is {shown}, which is not one of those expected")
            )

    def _refusal(self, reason: str) -> str:
        address = f"{self.host}:{self.port}"
        return (
            f"The certificate of the Redis server at {address} is not trusted: {reason}. If the server signs its own "
            "certificate, as Heroku's does, set ROOMCAST_REDIS_FINGERPRINT to what this command prints: "
            f"openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256. "
            "If your own authority signed it, set ROOMCAST_REDIS_CA to that authority's certificate."
        )


class _Masters:
    """Asks the sentinels for the master, once for all connections that are made at about the same time."""

    def __init__(self, address: SentinelAddress, trust: RedisTrust) -> None:
        self._service = address.service
        self._sentinels = list(address.sentinels)
        self._trust = trust
        self._asking = asyncio.Lock()
        self._answer: tuple[str, int] | RedisConnectionError = RedisConnectionError("No sentinel was asked yet.")
        self._good_until = 0.0

    async def find(self) -> tuple[str, int]:
        """Return the host and the port of the master. Raise `ConnectionError` if no sentinel knows it."""
        async with self._asking:
            if time.monotonic() >= self._good_until:
                self._answer = await self._ask()
                self._good_until = time.monotonic() + _MASTER_SECONDS
            if isinstance(self._answer, RedisConnectionError):
                raise self._answer
            return self._answer

    async def _ask(self) -> tuple[str, int] | RedisConnectionError:
        reasons = []
        for url in tuple(self._sentinels):
            try:
                async with asyncio.timeout(SOCKET_SECONDS), connect(url, trust=self._trust, connections=1) as client:
                    found = await client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)  # type: ignore[no-untyped-call]
            except (RedisError, OSError, TimeoutError) as error:
                reasons.append(f"{type(error).__name__}: {error}")
                continue
            if found:
                self._sentinels.remove(url)
                self._sentinels.insert(0, url)  # the next question need not wait for those that do not answer
                return found[0].decode(), int(found[1])
            reasons.append("it does not know the service")
        return RedisConnectionError(f"No sentinel named the master of {self._service!r}: {'; '.join(reasons)}.")


class _MasterConnection(_CheckedConnection):
    """A connection to the master that the sentinels name when it is made."""

    def __init__(self, *, masters: _Masters, **options: Any) -> None:
        super().__init__(**options)
        self._masters = masters

    async def _connect(self) -> None:
        self.host, self.port = await self._masters.find()
        await super()._connect()  # type: ignore[no-untyped-call, safe-super]

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """Raise `ConnectionError` if the server is no master any more: the sentinels may be late to know it."""
        await super().on_connect_check_health(check_health=check_health)
        await self.send_command("ROLE", check_health=False)
        role, *_ = await self.read_response()
        if role != b"master":
            raise RedisConnectionError(f"Redis at {self.host}:{self.port} is not the master at the moment.")

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ReadOnlyError as error:
            await self.disconnect(nowait=True)  # the next connection is made to the new master
            raise RedisConnectionError("The master has become a replica.") from error


class TcpMasterConnection(_MasterConnection, TcpConnection):
    """A connection to a master of `redis+sentinel://…`."""


class TlsMasterConnection(_MasterConnection, TlsConnection):
    """A connection to a master of `rediss+sentinel://…`."""


_CLASSES: dict[str, type[AbstractConnection]] = {
    "redis": TcpConnection,
    "rediss": TlsConnection,
    "unix": UnixConnection,
    "redis+sentinel": TcpMasterConnection,
    "rediss+sentinel": TlsMasterConnection,
}


def connect(
    url: str, *, trust: RedisTrust = VERIFIED, read_seconds: float | None = None, connections: int = _CONNECTIONS
) -> Redis:
    """Return a client of the Redis at `url`, which connects for its first command. The schemes are `redis://`,
    `rediss://`, `unix://`, and those of sentinels (`redis_url`).

    No command is retried: only the caller can find out whether one without a response was executed. With
    `read_seconds`, no response may take longer; without it, callers must have their own timeouts.
    """
    scheme, shown = url.partition(":")[0], url
    options: dict[str, Any] = {} if scheme == "unix" else {"socket_keepalive": True}
    if scheme.startswith("rediss"):
        options["trust"] = trust
    if is_sentinel_url(url):
        address = parse_sentinel_url(url)
        options["masters"], url = _Masters(address, trust), address.node
    pool = _pool(
        url,
        max_connections=connections,
        timeout=SOCKET_SECONDS,
        # Callers have their own timeouts (`redis_lua`). With this one the client would send through
        # `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes just when it is done.
        socket_timeout=None,
        socket_connect_timeout=SOCKET_SECONDS,
        health_check_interval=_HEALTH_CHECK_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=False,
        read_seconds=read_seconds,
        address=redis_address(shown),
        **options,
    )
    pool.connection_class = _CLASSES[scheme]  # otherwise the client takes the class from the URL
    try:
        pool.make_connection()  # type: ignore[no-untyped-call]  # it connects to nothing
    except TypeError as error:  # an option of the URL that it does not know
        raise _wrong_options(url) from error
    return Redis.from_pool(pool)


def _pool(url: str, **options: Any) -> BlockingConnectionPool:
    try:
        return BlockingConnectionPool.from_url(url, **options)
    except ValueError as error:
        raise _wrong_options(url) from error


def _wrong_options(url: str) -> RoomcastError:
    names = ", ".join(name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return RoomcastError(f"REDIS_URL has options after the question mark that redis-py does not accept: {names}.")


async def refuse_unverified(url: str, trust: RedisTrust) -> None:
    """Raise `RoomcastError` if the server's certificate is not trusted. Do nothing if the server cannot be reached: it
    is connected to when it is back."""
    if not url.startswith("rediss"):
        return
    client = connect(url, trust=trust, connections=1)
    connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.connect()
    except RedisError as error:
        if isinstance(error.__cause__, UnverifiedCertificate):
            raise RoomcastError(str(error)) from error
    finally:
        await connection.disconnect(nowait=True)
        await client.aclose()
