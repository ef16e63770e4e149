"""Lua scripts in Redis: each runs as one atomic step. Every failure is a `StorageError`, within `CALL_SECONDS`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from roomcast.errors import StorageError, Unavailable
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.logs.outages import Availability, availability

T = TypeVar("T")

CALL_SECONDS = 3.0
"""The longest time that a call may take, including the wait for a connection."""

_WRITABLE_AFTER_SECONDS = 10.0

MAX_CONCURRENT_CALLS = 16
"""How many calls of one `Scripts` are sent to Redis at a time."""

LUA_HELPERS = """
-- The time in seconds: the caller's, if it passes one, else Redis's own, which is the same for all machines.
local function time_of(given)
  if given ~= '' then return tonumber(given) end
  local now = redis.call('TIME')
  return tonumber(now[1]) + tonumber(now[2]) / 1000000
end

-- A number as a reply: Redis would cut off its fraction.
local function exact(number) return string.format('%.17g', number) end
"""


class RedisRefused(Unavailable):
    """Redis answers, but cannot be used. `permanent`: not before an operator changes the settings."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class Script:
    """A Lua script, which Redis knows by its SHA-1. It is made of `LUA_HELPERS` and the texts given."""

    def __init__(self, *texts: str) -> None:
        self.lua = "".join((LUA_HELPERS, *texts))
        self.sha = hashlib.sha1(self.lua.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Call:
    """One run of a script. All keys must be in one hash slot."""

    script: Script
    keys: Sequence[str]
    args: Sequence[str | bytes | int]

    def command(self, *, known: bool) -> tuple[str | bytes | int, ...]:
        """Return the Redis command: with the SHA-1 if the script is `known`, else with its text, which makes it so."""
        head = ("EVALSHA", self.script.sha) if known else ("EVAL", self.script.lua)
        return (*head, len(self.keys), *self.keys, *self.args)


class RedisTime:
    """The clock of Redis, estimated from the times in its replies; or the `clock` of a test."""

    def __init__(self, clock: Callable[[], float] | None) -> None:
        self._clock = clock

    @property
    def arg(self) -> str:
        """The time to pass to a script, or "" for a script that is to read Redis's own clock."""
        return repr(self._clock()) if self._clock else ""

    def now(self) -> float:
        """Return the estimated time of Redis, in Unix seconds."""
        return self._clock() if self._clock else unix_time()

    def sync(self, now: float) -> None:
        """Adjust the clock of the process to the time `now` in a reply."""
        if self._clock is None:
            unix_time.sync(now)


class Scripts:
    """Runs scripts and plain commands. Every failure is a `StorageError`."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        self._availability, self._writability = availability_of(client), writability_of(client)
        self._answered = False

    async def run(self, call: Call) -> Any:
        """Return the script's reply."""
        return await self._limited(lambda: self._run(call))

    async def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """Send all calls to Redis in one round trip. Return their replies."""
        return await self._limited(lambda: self._run_all(calls)) if calls else []

    async def command(self, *arguments: str | bytes | int) -> Any:
        """Return the reply to a plain command."""
        return await self._limited(lambda: self._execute(arguments))

    async def _run(self, call: Call) -> Any:
        try:
            return await self._execute(call.command(known=True))
        except NoScriptError:  # Redis forgets its scripts when it restarts
            return await self._execute(call.command(known=False))

    async def _execute(self, command: Sequence[str | bytes | int]) -> Any:
        return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _run_all(self, calls: Sequence[Call]) -> list[Any]:
        replies = await self._pipeline(calls, known=True)
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await self._pipeline([calls[index] for index in unknown], known=False)
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _pipeline(self, calls: Sequence[Call], *, known: bool) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.execute_command(*call.command(known=known))
            return list(await pipeline.execute(raise_on_error=False))

    async def _limited(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, of which at most `MAX_CONCURRENT_CALLS` run at a time, first come, first served.
        The client's pool is not fair: under load, some callers would wait for ever."""
        try:
            async with asyncio.timeout(CALL_SECONDS), self._slots:
                result = await work()
        except (RedisError, OSError, TimeoutError) as error:
            raise self._failure(error) from error
        self._answered = True
        self._availability.succeeded()
        self._writability.succeeded()
        return result

    def _failure(self, error: Exception) -> StorageError:
        """Return the error to raise for one of the client."""
        if (refusal := refusal_of(error)) is not None:
            if self._answered or not refusal.permanent:  # a permanent one at the start ends the process
                self._writability.failed(refusal.message)
            return refusal
        if isinstance(error, ResponseError):
            return StorageError("The ledger could not be reached.")
        report_outage(self._client, error, answered=self._answered)
        return Unavailable("The ledger could not be reached.")


def availability_of(client: Redis) -> Availability:
    """Return whether the Redis answers that a client of `redis_connection.connect` uses."""
    return availability("redis", _address(client))


def writability_of(client: Redis) -> Availability:
    """Return whether the same Redis accepts what this process sends. One that refuses writes still answers reads, so
    only a time without a refusal shows that it is over."""
    return availability("redis_writes", _address(client), quiet_seconds=_WRITABLE_AFTER_SECONDS)


def _address(client: Redis) -> str:
    return str(client.connection_pool.connection_kwargs.get("address", ""))


def is_outage(error: BaseException) -> bool:
    """Return whether an error of the client means that Redis has not answered."""
    return isinstance(error, RedisError | OSError | TimeoutError) and not isinstance(error, ResponseError)


def report_outage(client: Redis, error: Exception, *, answered: bool = True) -> None:
    """Record that a request of a client has got no answer. If none was ever `answered`, TLS may be the reason."""
    text = str(error).strip().removesuffix(".") or f"There was no answer within {CALL_SECONDS:g} s"
    hint = ""
    if not answered and _address(client).endswith("TLS"):
        hint = " If Redis does not use TLS, begin REDIS_URL with redis://."
    elif not answered and "closed by server" in text:
        hint = " If Redis expects TLS, begin REDIS_URL with rediss://."
    availability_of(client).failed(f"{text}.{hint}")


def refusal_of(error: Exception) -> RedisRefused | None:
    """Return the reason for which a Redis that answers cannot be used, or None for any other error."""
    match error:
        case AuthenticationError():
            return RedisRefused("Redis refuses the user name or the password in REDIS_URL.", permanent=True)
        case NoPermissionError():
            return RedisRefused("The user in REDIS_URL may not run the commands that Roomcast needs.", permanent=True)
        case ReadOnlyError():
            return RedisRefused("Redis is a read-only replica.")
        case OutOfMemoryError():
            return RedisRefused("Redis has no memory left for writes (maxmemory).")
        case BusyLoadingError():
            return RedisRefused("Redis is loading its data.")
        case ResponseError() if "DB index" in str(error):
            return RedisRefused("Redis has no database with the number in REDIS_URL.", permanent=True)
        case ResponseError() if str(error).startswith("MISCONF"):
            return RedisRefused("Redis refuses writes because it cannot save its data.")
    return None
