"""Running Lua in Redis: each script is one step that happens whole or not at all.

Whatever goes wrong on the way to Redis and back is a `StorageError`, within a few seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from roomcast.errors import StorageError

T = TypeVar("T")

CALL_SECONDS = 3.0
"""The longest that any call waits for Redis, a free connection included."""

MAX_CONCURRENT_CALLS = 16
"""How many calls of one `Scripts` go to Redis at a time."""

TIME = """
-- The time in seconds: the caller's, if it brings one, else Redis's own, which is the same for all machines.
local function time_of(given)
  if given ~= '' then return tonumber(given) end
  local now = redis.call('TIME')
  return tonumber(now[1]) + tonumber(now[2]) / 1000000
end

-- A number as a reply: Redis would cut off its fraction.
local function exact(number) return string.format('%.17g', number) end
"""


class Script:
    """A Lua script, known to Redis by its digest."""

    def __init__(self, *parts: str) -> None:
        self.lua = "".join((TIME, *parts))
        self.sha = hashlib.sha1(self.lua.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Call:
    """One run of a script. All keys must be of one slot."""

    script: Script
    keys: Sequence[str]
    args: Sequence[str | bytes | int]

    def command(self, *, known: bool) -> tuple[str | bytes | int, ...]:
        """The command for Redis: by the digest, or with the whole text, which makes it known."""
        head = ("EVALSHA", self.script.sha) if known else ("EVAL", self.script.lua)
        return (*head, len(self.keys), *self.keys, *self.args)


class RedisTime:
    """Redis's time in seconds, as near as this process knows it, or a given clock's."""

    def __init__(self, clock: Callable[[], float] | None) -> None:
        self._clock = clock
        self._ahead = 0.0

    @property
    def arg(self) -> str:
        """The time to bring to a script; empty when it is to ask Redis."""
        return repr(self._clock()) if self._clock else ""

    def now(self) -> float:
        return self._clock() if self._clock else time.time() + self._ahead

    def sync(self, now: float) -> None:
        """A script said what time it was."""
        if self._clock is None:
            self._ahead = now - time.time()


class Scripts:
    """Runs calls and plain commands. `StorageError` is the only way in which they fail."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(MAX_CONCURRENT_CALLS)

    async def run(self, call: Call) -> Any:
        """The script's reply."""
        return await self._limited(lambda: self._run(call))

    async def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """The replies of all calls, which go to Redis in one round trip."""
        return await self._limited(lambda: self._run_all(calls)) if calls else []

    async def command(self, *parts: str | bytes | int) -> Any:
        """The reply to one plain command."""
        return await self._limited(lambda: self._execute(parts))

    async def _run(self, call: Call) -> Any:
        try:
            return await self._execute(call.command(known=True))
        except NoScriptError:  # a Redis that was restarted knows no script
            return await self._execute(call.command(known=False))

    async def _execute(self, parts: Sequence[str | bytes | int]) -> Any:
        return await self._client.execute_command(*parts)  # type: ignore[no-untyped-call]

    async def _run_all(self, calls: Sequence[Call]) -> list[Any]:
        replies = await self._pipelined(calls, known=True)
        unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await self._pipelined([calls[place] for place in unknown], known=False)
            for place, reply in zip(unknown, again, strict=True):
                replies[place] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _pipelined(self, calls: Sequence[Call], *, known: bool) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.execute_command(*call.command(known=known))
            return list(await pipeline.execute(raise_on_error=False))

    async def _limited(self, work: Callable[[], Awaitable[T]]) -> T:
        """First come, first served: the client's pool would let whoever comes at the right moment pass those that wait,
        and under load somebody would wait in vain."""
        try:
            async with asyncio.timeout(CALL_SECONDS), self._turns:
                return await work()
        except (RedisError, OSError, TimeoutError) as error:
            raise StorageError("The ledger could not be reached.") from error
