"""Notices over Redis pub/sub: one connection, on which only the channels that somebody follows are subscribed.

A published message is lost for whoever does not listen at that moment. So after any break of the connection it is
made anew, subscribed to all that is followed, and only then are the listeners told of the gap: what they read
after that misses nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from roomcast.errors import StorageError
from roomcast.ledger.contract import ChangeNotice, Listener
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.redis_connection import SOCKET_SECONDS
from roomcast.runtime.redis_lua import CALL_SECONDS
from roomcast.runtime.tasks import cancel_and_wait, start_background_task

log = structlog.get_logger(__name__)

_SILENCE_SECONDS = 2.0
"""After so long without a word Redis is asked whether it is there; it has as long again to answer."""

_QUEUE_AGAIN_SECONDS = 0.15
"""The queue's channel speaks at most every 0.1 s: whatever moved since it spoke is seen when looking again now."""

_BACKOFF = Backoff(0.05, cap=1.0, jitter=(0.5, 1.5))
_CHANNELS_AT_ONCE = 500

_EVENT = b"e"
"""What the notice of an event begins with; that of a tick begins with another letter."""

Command = tuple[str, str]
"""SUBSCRIBE or UNSUBSCRIBE, and the channel."""


class Notices:
    """What this process follows, and who listens. Runs from the first `add_listener` or `subscribe` until `close`."""

    def __init__(self, client: Redis, *, queue_channel: str) -> None:
        self._client = client
        self._queue_channel = queue_channel
        self._listeners: list[Listener] = []
        # A channel that is followed, and the future that is done once Redis has confirmed it on this connection.
        self._followed: dict[str, asyncio.Future[None]] = {}
        # Confirmations that are still to come, in the order in which Redis was asked; each asking has its own.
        self._unconfirmed: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._commands: deque[Command] = deque()
        self._commanded = asyncio.Event()
        self._gap = False
        self._failures = 0
        self._queue_again: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """See `Ledger.listen`."""
        self._listeners.append(listener)
        self._follow(self._queue_channel)
        return lambda: self._listeners.remove(listener)

    async def subscribe(self, channel: str) -> None:
        """Return when Redis has confirmed the subscription; `StorageError` when it does not within some seconds (the
        channel is followed all the same, as soon as that is possible)."""
        confirmed = self._follow(channel)
        await asyncio.wait({confirmed}, timeout=CALL_SECONDS)
        if not confirmed.done():
            raise StorageError("The ledger could not be reached.")

    def unsubscribe(self, channel: str) -> None:
        """Takes its turn after every `subscribe` before it."""
        if self._followed.pop(channel, None):
            self._command("UNSUBSCRIBE", channel)

    def connected(self) -> bool:
        """Connected, and subscribed to all that is followed."""
        return self._running is not None and not self._gap and not self._unconfirmed

    async def close(self) -> None:
        if self._queue_again:
            self._queue_again.cancel()
        if self._running:
            await cancel_and_wait(self._running)

    def _follow(self, channel: str) -> asyncio.Future[None]:
        confirmed = self._followed.get(channel)
        if confirmed is None:
            confirmed = asyncio.get_running_loop().create_future()
            self._ask_for(channel, confirmed)
        if self._running is None:
            self._running = start_background_task(self._run(), "redis notices")
        return confirmed

    def _ask_for(self, channel: str, confirmed: asyncio.Future[None]) -> None:
        self._followed[channel] = confirmed
        self._unconfirmed[channel].append(confirmed)
        self._command("SUBSCRIBE", channel)

    def _command(self, verb: str, channel: str) -> None:
        self._commands.append((verb, channel))
        self._commanded.set()

    async def _run(self) -> None:
        """Connect, again and again, and stay connected as long as it goes."""
        while True:
            connection = self._new_connection()
            try:
                async with asyncio.timeout(SOCKET_SECONDS):
                    await connection.connect()  # type: ignore[no-untyped-call]
                await self._stay(connection)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("notices interrupted", error=str(error))
            except Exception:
                log.exception("notices failed")
            finally:
                with suppress(RedisError, OSError, RuntimeError):
                    await connection.disconnect(nowait=True)
            self._ask_for_all_again()
            self._failures += 1
            await _BACKOFF.wait(self._failures)

    def _new_connection(self) -> AbstractConnection:
        """A connection like those of the pool, but one that may be silent for as long as nothing happens."""
        pool = self._client.connection_pool
        options = {**pool.connection_kwargs, "socket_timeout": None, "health_check_interval": 0}
        return pool.connection_class(**options)

    def _ask_for_all_again(self) -> None:
        """A new connection knows nothing of what the old one was asked."""
        self._gap = True
        self._commands.clear()
        self._unconfirmed.clear()
        for channel, confirmed in tuple(self._followed.items()):
            pending = asyncio.get_running_loop().create_future() if confirmed.done() else confirmed
            self._ask_for(channel, pending)

    async def _stay(self, connection: AbstractConnection) -> None:
        """Send and receive until one of them fails."""
        tasks = {asyncio.create_task(self._send(connection)), asyncio.create_task(self._receive(connection))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            await cancel_and_wait(*tasks)

    async def _send(self, connection: AbstractConnection) -> None:
        """Send the commands in their order, neighbours of one kind together."""
        while True:
            await self._commanded.wait()
            self._commanded.clear()
            while self._commands:
                verb, _ = self._commands[0]
                channels: list[str] = []
                while self._commands and self._commands[0][0] == verb and len(channels) < _CHANNELS_AT_ONCE:
                    channels.append(self._commands.popleft()[1])
                async with asyncio.timeout(SOCKET_SECONDS):
                    await connection.send_command(verb, *channels)

    async def _receive(self, connection: AbstractConnection) -> None:
        asked = False
        while True:
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    reply = await connection.read_response(disconnect_on_error=False)
            except TimeoutError:
                if asked:
                    raise
                asked = True
                async with asyncio.timeout(SOCKET_SECONDS):
                    await connection.send_command("PING")
                continue
            asked = False
            if isinstance(reply, list):
                self._hear(reply)

    def _hear(self, reply: list[Any]) -> None:
        """One push of Redis: `[kind, channel, …]`."""
        if reply[0] == b"message":
            channel, body = reply[1].decode(), reply[2]
            if channel == self._queue_channel:
                self._queue_moved()
            elif channel in self._followed:
                notice = ChangeNotice(orjson.loads(memoryview(body)[1:]), event=body[:1] == _EVENT)
                for listener in tuple(self._listeners):
                    listener.on_changes([notice])
        elif reply[0] == b"subscribe":
            self._confirm(reply[1].decode())

    def _confirm(self, channel: str) -> None:
        self._failures = 0
        asked = self._unconfirmed[channel]
        confirmed = asked.popleft()
        if not asked:
            del self._unconfirmed[channel]
        if not confirmed.done():
            confirmed.set_result(None)
        if self._gap and not self._unconfirmed:
            self._gap = False
            for listener in tuple(self._listeners):
                listener.on_gap()

    def _queue_moved(self) -> None:
        """Tell it now, and once more when whatever this message stands for has happened."""
        self._tell_queue_moved()
        if self._queue_again:
            self._queue_again.cancel()
        loop = asyncio.get_running_loop()
        self._queue_again = loop.call_later(_QUEUE_AGAIN_SECONDS, self._tell_queue_moved)

    def _tell_queue_moved(self) -> None:
        for listener in tuple(self._listeners):
            listener.on_queue_moved()
