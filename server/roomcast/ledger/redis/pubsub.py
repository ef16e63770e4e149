"""Receive the ledger's notifications over Redis pub/sub: one connection, subscribed to the wanted channels only.

Messages published while the connection is broken are lost. After every break a new connection subscribes to all wanted
channels again, and only then are listeners notified of the gap: what they read after that misses nothing.
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

from roomcast.errors import Unavailable
from roomcast.ledger.contract import ChangeNotice, Listener
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.redis_connection import SOCKET_SECONDS
from roomcast.runtime.redis_lua import CALL_SECONDS, availability_of, report_outage
from roomcast.runtime.tasks import Heartbeat, cancel_and_wait, start_background_task

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 2.0
"""A PING is sent after this long without a message; Redis has as long again to answer it."""

_QUEUE_REPEAT_SECONDS = 0.15
"""The queue's channel publishes at most every 0.1 s. Listeners are notified again after this time, because the queue
may have moved since the message."""

_BACKOFF = Backoff(0.05, cap=1.0, jitter=(0.5, 1.5))
_MAX_CHANNELS = 500
_OVERDUE_SECONDS = 30.0
"""How long the loop may receive nothing and open no new connection. Each of the two takes a few seconds at most."""

_EVENT = b"e"
"""The first byte of the message of an event; that of a tick begins with another one."""

Command = tuple[str, str]
"""SUBSCRIBE or UNSUBSCRIBE, and the channel."""


class PubSub:
    """The subscriptions and listeners of one process, from the first `add_listener` or `subscribe` until `close`."""

    def __init__(self, client: Redis, *, queue_channel: str) -> None:
        self._client = client
        self._queue_channel = queue_channel
        self._listeners: list[Listener] = []
        # Each wanted channel, with a future that resolves when Redis has confirmed it on the current connection.
        self._wanted: dict[str, asyncio.Future[None]] = {}
        # The pending confirmations of each channel, one for each SUBSCRIBE, in order.
        self._unconfirmed: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._commands: deque[Command] = deque()
        self._command_ready = asyncio.Event()
        self._gap = False
        self._failures = 0
        self._queue_repeat: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._heartbeat = Heartbeat("notifications", _OVERDUE_SECONDS)

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Notify `listener`; call the returned function to remove it."""
        self._listeners.append(listener)
        self._want(self._queue_channel)
        return lambda: self._listeners.remove(listener)

    async def subscribe(self, channel: str) -> None:
        """Subscribe to a channel, and return when Redis has confirmed it.

        Raise `Unavailable` after `CALL_SECONDS` without a confirmation; the channel stays wanted, and is subscribed as
        soon as Redis can be reached.
        """
        confirmed = self._want(channel)
        await asyncio.wait({confirmed}, timeout=CALL_SECONDS)
        if not confirmed.done():
            raise Unavailable("The ledger could not be reached.")

    def unsubscribe(self, channel: str) -> None:
        """End the subscription, in order with the `subscribe` calls before it."""
        if self._wanted.pop(channel, None):
            self._command("UNSUBSCRIBE", channel)

    def connected(self) -> bool:
        """Return whether the connection is up and every wanted channel is confirmed."""
        return self._running is not None and not self._gap and not self._unconfirmed

    async def close(self) -> None:
        """Close the connection."""
        if self._queue_repeat:
            self._queue_repeat.cancel()
        if self._running:
            await cancel_and_wait(self._running)

    def _want(self, channel: str) -> asyncio.Future[None]:
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            confirmed = asyncio.get_running_loop().create_future()
            self._subscribe(channel, confirmed)
        if self._running is None:
            self._heartbeat.beat()
            self._running = start_background_task(self._run(), self._heartbeat.name, self._heartbeat)
        return confirmed

    def _subscribe(self, channel: str, confirmed: asyncio.Future[None]) -> None:
        self._wanted[channel] = confirmed
        self._unconfirmed[channel].append(confirmed)
        self._command("SUBSCRIBE", channel)

    def _command(self, verb: str, channel: str) -> None:
        self._commands.append((verb, channel))
        self._command_ready.set()

    async def _run(self) -> None:
        """Connect again after every break, with backoff."""
        while True:
            connection = self._new_connection()
            try:
                async with asyncio.timeout(SOCKET_SECONDS):
                    await connection.connect()  # type: ignore[no-untyped-call]
                await self._run_connection(connection)
            except (RedisError, OSError, TimeoutError) as error:
                report_outage(self._client, error)
            except Exception:
                log.exception("pubsub_failed")
            finally:
                with suppress(RedisError, OSError, RuntimeError):
                    await connection.disconnect(nowait=True)
            self._resubscribe_all()
            self._failures += 1
            self._heartbeat.beat()
            await _BACKOFF.wait(self._failures)

    def _new_connection(self) -> AbstractConnection:
        """Return a connection like those of the pool, but without a read timeout: messages may be rare."""
        pool = self._client.connection_pool
        options = {**pool.connection_kwargs, "socket_timeout": None, "health_check_interval": 0}
        return pool.connection_class(**options)

    def _resubscribe_all(self) -> None:
        """Queue a SUBSCRIBE of every wanted channel for the next connection."""
        self._gap = True
        self._commands.clear()
        self._unconfirmed.clear()
        for channel, confirmed in tuple(self._wanted.items()):
            pending = asyncio.get_running_loop().create_future() if confirmed.done() else confirmed
            self._subscribe(channel, pending)

    async def _run_connection(self, connection: AbstractConnection) -> None:
        """Send commands and receive messages until one of the two fails."""
        tasks = {asyncio.create_task(self._send(connection)), asyncio.create_task(self._receive(connection))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            await cancel_and_wait(*tasks)

    async def _send(self, connection: AbstractConnection) -> None:
        """Send the commands in order; consecutive ones with the same verb are sent as one."""
        while True:
            await self._command_ready.wait()
            self._command_ready.clear()
            while self._commands:
                verb, _ = self._commands[0]
                channels: list[str] = []
                while self._commands and self._commands[0][0] == verb and len(channels) < _MAX_CHANNELS:
                    channels.append(self._commands.popleft()[1])
                async with asyncio.timeout(SOCKET_SECONDS):
                    await connection.send_command(verb, *channels)

    async def _receive(self, connection: AbstractConnection) -> None:
        pinged = False
        while True:
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    reply = await connection.read_response(disconnect_on_error=False)
            except TimeoutError:
                if pinged:
                    raise
                pinged = True
                async with asyncio.timeout(SOCKET_SECONDS):
                    await connection.send_command("PING")
                continue
            pinged = False
            self._heartbeat.beat()
            if isinstance(reply, list):
                self._on_message(reply)

    def _on_message(self, reply: list[Any]) -> None:
        """Handle a push of Redis: `[type, channel, …]`."""
        if reply[0] == b"message":
            channel, body = reply[1].decode(), reply[2]
            if channel == self._queue_channel:
                self._on_queue_moved()
            elif channel in self._wanted:
                notice = ChangeNotice(orjson.loads(memoryview(body)[1:]), event=body[:1] == _EVENT)
                for listener in tuple(self._listeners):
                    listener.on_changes([notice])
        elif reply[0] == b"subscribe":
            self._confirm(reply[1].decode())

    def _confirm(self, channel: str) -> None:
        self._failures = 0
        availability_of(self._client).succeeded()
        pending = self._unconfirmed[channel]
        confirmed = pending.popleft()
        if not pending:
            del self._unconfirmed[channel]
        if not confirmed.done():
            confirmed.set_result(None)
        if self._gap and not self._unconfirmed:
            self._gap = False
            for listener in tuple(self._listeners):
                listener.on_gap()

    def _on_queue_moved(self) -> None:
        """Notify listeners now, and once more after all moves that this message stands for."""
        self._notify_queue_moved()
        if self._queue_repeat:
            self._queue_repeat.cancel()
        loop = asyncio.get_running_loop()
        self._queue_repeat = loop.call_later(_QUEUE_REPEAT_SECONDS, self._notify_queue_moved)

    def _notify_queue_moved(self) -> None:
        for listener in tuple(self._listeners):
            listener.on_queue_moved()
