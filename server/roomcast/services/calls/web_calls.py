"""Calls from one web process to all: each answers with what only itself knows, such as its sockets.

A call is left for each process in Redis, and each fetches its calls twice a second. One that has died or is stuck does
not answer: it is named as missing after the deadline. Calls and answers expire by themselves.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from roomcast.runtime.process import process_name
from roomcast.runtime.tasks import log_failure, periodic

if TYPE_CHECKING:
    from roomcast.ledger.redis.scripts import LedgerScripts

CALL_DEADLINE_SECONDS = 3.0
"""How long the caller waits for the other processes."""

LIST_SOCKETS = "sockets"
"""The name of the call for the sockets that match the argument: `MAX_SOCKETS` of them, and one more if there are."""

DISCONNECT_SOCKETS = "disconnect"
"""The name of the call that disconnects those sockets and is answered with their number."""

MAX_SOCKETS = 1000

_FETCH_SECONDS = 0.5
_POLL_SECONDS = 0.1
_EXPIRE_SECONDS = 10
_MAX_FETCHED = 100

CallHandler = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Answers a call, given its name and its argument, with a JSON value."""


@dataclass(frozen=True)
class Answers:
    """The answers by process, and the processes that have not answered in time."""

    by_process: Mapping[str, Any]
    missing: Sequence[str]


class WebCalls(Protocol):
    """Calls between the web processes of a deployment."""

    async def call(self, name: str, argument: Mapping[str, Any], processes: Collection[str]) -> Answers:
        """Call these processes and this one; return the answers within `CALL_DEADLINE_SECONDS`."""

    def serving(self, handler: CallHandler) -> AbstractAsyncContextManager[None]:
        """Answer the calls to this process with `handler`, for the duration of the context."""


class LocalWebCalls:
    """`WebCalls` of a single process."""

    def __init__(self) -> None:
        self._handler: CallHandler | None = None

    async def call(self, name: str, argument: Mapping[str, Any], processes: Collection[str]) -> Answers:
        answers = {process_name(): await self._handler(name, argument)} if self._handler else {}
        return Answers(answers, [])

    @asynccontextmanager
    async def serving(self, handler: CallHandler) -> AsyncIterator[None]:
        self._handler = handler
        try:
            yield
        finally:
            self._handler = None


class RedisWebCalls:
    """`WebCalls` of all processes that share a Redis ledger. `me` is the name of this process."""

    def __init__(self, scripts: LedgerScripts, *, me: str | None = None) -> None:
        self._scripts = scripts
        self._me = me or process_name()

    async def call(self, name: str, argument: Mapping[str, Any], processes: Collection[str]) -> Answers:
        called, call_id = sorted({*processes, self._me}), secrets.token_hex(8)
        body = orjson.dumps({"id": call_id, "name": name, "argument": dict(argument)})
        for process in called:
            await self._leave(self._scripts.key("web-calls", process), body)
        answers: dict[str, Any] = {}
        give_up_at = time.monotonic() + CALL_DEADLINE_SECONDS
        while len(answers) < len(called) and time.monotonic() < give_up_at:
            await asyncio.sleep(_POLL_SECONDS)
            found = await self._scripts.command("LRANGE", self._scripts.key("web-answers", call_id), 0, -1)
            answers = {one["process"]: one["answer"] for one in map(orjson.loads, found)}
        return Answers(answers, [process for process in called if process not in answers])

    @asynccontextmanager
    async def serving(self, handler: CallHandler) -> AsyncIterator[None]:
        async def fetch() -> None:
            key = self._scripts.key("web-calls", self._me)
            for body in await self._scripts.command("LPOP", key, _MAX_FETCHED) or []:
                with log_failure("web_call_failed"):
                    call = orjson.loads(body)
                    answer = {"process": self._me, "answer": await handler(call["name"], call["argument"])}
                    await self._leave(self._scripts.key("web-answers", call["id"]), orjson.dumps(answer))

        async with periodic(fetch, _FETCH_SECONDS, name="web calls", failure_event="web_calls_failed"):
            yield

    async def _leave(self, key: str, body: bytes) -> None:
        await self._scripts.command("RPUSH", key, body)
        await self._scripts.command("EXPIRE", key, _EXPIRE_SECONDS)
