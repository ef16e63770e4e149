"""The dispatch of several processes: taskiq on a Redis Stream. The only module that imports taskiq.

Messages in Redis are JSON: the name of one task and an upload's id. Nothing is unpickled, so a process that can write
to Redis can wake a worker and no more.

    roomcast:wake                the stream of wake-ups, with one consumer group; trimmed, as old ones are of no use
    roomcast:wake:hint:<…>       a recent wake-up, so that the same one is not sent twice
    roomcast:wake:workers        the processes with workers, by the time of their last heartbeat

A wake-up is acknowledged when its handler has returned. One whose process died is taken over by another process.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError
from taskiq import AckableMessage
from taskiq.acks import AcknowledgeType
from taskiq.kicker import AsyncKicker
from taskiq.receiver import Receiver
from taskiq_redis import RedisStreamBroker

from roomcast.dispatch.contract import LIVE_WORKER_SECONDS, Dispatch, Handler, error_reason
from roomcast.dispatch.delays import DelayedCalls
from roomcast.errors import StorageError, Unavailable
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.process import process_name
from roomcast.runtime.redis_connection import SOCKET_SECONDS, connect
from roomcast.runtime.redis_lua import (
    CALL_SECONDS,
    Call,
    Script,
    Scripts,
    is_outage,
    refusal_of,
    report_outage,
    writability_of,
)
from roomcast.runtime.redis_trust import VERIFIED, RedisTrust
from roomcast.runtime.tasks import Heartbeat, cancel_and_wait, periodic, start_background_task

log = structlog.get_logger(__name__)

_TASK = "wake"
_MAX_STREAM_LENGTH = 1000
_REPEAT_SECONDS = 60
"""For how long the same wake-up is not sent again."""

_BLOCK_SECONDS = 2.0
_TAKE_OVER_SECONDS = 30.0
"""A wake-up that is not acknowledged for so long is given to another process as well."""

_HEARTBEAT_SECONDS = 1.0
_FORGET_CONSUMER_SECONDS = 86400.0
_BACKOFF = Backoff(0.05, cap=1.0, jitter=(0.5, 1.5))
_CONNECTIONS = 16
_OVERDUE_SECONDS = 60.0
"""How long the stream may not be read although a worker is free."""

_HEARTBEAT = Script(
    """
local WORKERS, now, me, seconds = KEYS[1], time_of(''), ARGV[1], tonumber(ARGV[2])
if me ~= '' then redis.call('ZADD', WORKERS, exact(now), me) end
redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', exact(now - seconds))
return redis.call('ZRANGE', WORKERS, 0, -1)
"""
)


class TaskiqDispatch(Dispatch):
    """Wakes workers in any process on the same Redis. Implements `roomcast.dispatch.contract.Dispatch`."""

    def __init__(self, client: Redis, name: str) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._name = name
        self._broker = _Broker(client, name)
        self._workers_key = f"{name}:workers"
        self._delayed = DelayedCalls()
        self._sending: set[asyncio.Task[None]] = set()
        self._handling = 0
        """How many calls of the handler are running."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, trust: RedisTrust = VERIFIED, name: str = "roomcast:wake"
    ) -> AsyncIterator[TaskiqDispatch]:
        """Open the dispatch for the duration of the context. `name` is the stream, and the prefix of the other keys.
        Redis is connected to by the first call."""
        # Redis ends a blocking read by itself. One that takes longer has lost its server.
        client = connect(url, trust=trust, read_seconds=_BLOCK_SECONDS + SOCKET_SECONDS, connections=_CONNECTIONS)
        dispatch = cls(client, name)
        try:
            yield dispatch
        finally:
            await dispatch.close()

    async def close(self) -> None:
        """Close the connections. Delayed wake-ups are lost."""
        self._delayed.close()
        await cancel_and_wait(*self._sending)
        await self._client.aclose()

    async def send(self, upload_id: str, seq: int, *, not_before: float) -> None:
        if not_before > unix_time():
            self._delayed.call_at(not_before, partial(self._start_wake, upload_id, seq))
            return
        async with asyncio.timeout(CALL_SECONDS):
            recent = f"{self._name}:hint:{upload_id}.{seq}"
            if await self._client.set(recent, b"", nx=True, ex=_REPEAT_SECONDS):
                task: AsyncKicker[[str], None] = AsyncKicker(_TASK, self._broker, {})
                await task.kiq(upload_id)

    def _start_wake(self, upload_id: str, seq: int) -> None:
        sending = asyncio.create_task(self.wake(upload_id, seq))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def live_workers(self) -> Counter[str]:
        return await self._heartbeat("")

    async def _heartbeat(self, me: str) -> Counter[str]:
        """Register `me`, which is a process's name and its number of workers, as live. Return all that are live."""
        call = Call(_HEARTBEAT, [self._workers_key], [me, repr(LIVE_WORKER_SECONDS)])
        try:
            live = [entry.decode().rpartition(" ") for entry in await self._scripts.run(call)]
        except Unavailable as error:
            raise Unavailable("The dispatch could not be reached.") from error
        return Counter({process: int(count) for process, _, count in live})

    @asynccontextmanager
    async def workers(self, handler: Handler, count: int) -> AsyncIterator[None]:
        async def handle(upload_id: str) -> None:
            self._handling += 1
            try:
                await handler(upload_id)
            except Exception:
                log.exception("worker_failed", upload=upload_id)
            finally:
                self._handling -= 1

        self._broker.register_task(handle, task_name=_TASK)
        receiver = Receiver(
            self._broker,
            max_async_tasks=count,
            validate_params=False,
            run_startup=False,
            ack_type=AcknowledgeType.WHEN_EXECUTED,
        )
        me, stop = f"{process_name()} {count}", asyncio.Event()

        async def send_heartbeat() -> None:
            if self._handling >= count:
                self._broker.heartbeat.beat()  # nothing is read while no worker is free
            await self._heartbeat(me)

        with suppress(StorageError):  # the first heartbeat is now, if possible, and otherwise in a second
            await self._heartbeat(me)
        heartbeat = self._broker.heartbeat
        heartbeat.beat()
        listening = start_background_task(receiver.listen(stop), heartbeat.name, heartbeat)
        async with periodic(
            send_heartbeat, _HEARTBEAT_SECONDS, name="worker heartbeat", failure_event="worker_heartbeat_failed"
        ):
            try:
                yield
            finally:
                stop.set()
                await asyncio.gather(listening, return_exceptions=True)
        await self._leave(me)

    async def _leave(self, me: str) -> None:
        """Remove this process from the live ones at once, and not after `LIVE_WORKER_SECONDS`."""
        try:
            async with asyncio.timeout(SOCKET_SECONDS):
                await self._client.zrem(self._workers_key, me)
                await self._broker.remove_consumer()
        except (RedisError, OSError, TimeoutError) as error:
            log.info("worker_leave_failed", error=error_reason(error))


class _Broker(RedisStreamBroker):
    """taskiq's broker, on our connections and with another `listen`.

    taskiq's own loses a connection of the pool whenever one breaks, ends with the first error, and takes over messages
    of dead processes only when there are new ones.
    """

    def __init__(self, client: Redis, name: str) -> None:
        super().__init__(
            "redis://",
            queue_name=name,
            consumer_group_name=name,
            consumer_name=process_name(),
            consumer_id="0",  # the group begins with the messages that are older than it
            maxlen=_MAX_STREAM_LENGTH,
        )
        self._client = client
        self.connection_pool = cast("BlockingConnectionPool", client.connection_pool)
        self._take_over_at = 0.0
        self.heartbeat = Heartbeat("wake-up stream", _OVERDUE_SECONDS)

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        failures = 0
        while True:
            try:
                await self._declare_consumer_group()
                await self._remove_dead_consumers()
                while True:
                    for message_id, fields in await self._read():
                        yield AckableMessage(data=fields[b"data"], ack=partial(self._acknowledge, message_id))
                    failures = 0
                    self.heartbeat.beat()
            except Exception as error:  # noqa: BLE001 - after every error, this must listen again
                if is_outage(error):
                    report_outage(self._client, error)
                elif refused := refusal_of(error):
                    writability_of(self._client).failed(refused.message)
                else:
                    log.warning("dispatch_interrupted", error=error_reason(error))
            failures += 1
            self.heartbeat.beat(failed=True)
            await _BACKOFF.wait(failures)

    async def _declare_consumer_group(self) -> None:
        """Create the stream and its group, unless they exist. Raise the error of a Redis that refuses it, which taskiq
        would ignore."""
        try:
            await self._client.xgroup_create(
                self.queue_name, self.consumer_group_name, id=self.consumer_id, mkstream=self.mkstream
            )
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _read(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Return one message, or none after `_BLOCK_SECONDS`. Not several: while this process has no worker for them,
        another process may have."""
        if time.monotonic() >= self._take_over_at:
            _, orphaned, *_ = await self._client.xautoclaim(
                self.queue_name,
                self.consumer_group_name,
                self.consumer_name,
                min_idle_time=int(_TAKE_OVER_SECONDS * 1000),
                count=1,
            )
            if orphaned:
                return [(message_id, fields) for message_id, fields in orphaned if fields]  # none: it was trimmed
            self._take_over_at = time.monotonic() + _TAKE_OVER_SECONDS / 2
        streams: Any = await self._client.xreadgroup(
            self.consumer_group_name,
            self.consumer_name,
            {self.queue_name: ">"},
            count=1,
            block=int(_BLOCK_SECONDS * 1000),
        )
        return [message for _, messages in streams for message in messages]

    async def _acknowledge(self, message_id: bytes) -> None:
        """Acknowledge a message. If this fails, the message comes again, which does no harm."""
        try:
            await self._client.xack(self.queue_name, self.consumer_group_name, message_id)
        except (RedisError, OSError) as error:
            log.warning("wakeup_not_acknowledged", error=error_reason(error))

    async def remove_consumer(self) -> None:
        """Leave the consumer group. Maintenance wakes workers again for what this process did not finish."""
        with suppress(ResponseError):  # there is no group
            await self._client.xgroup_delconsumer(self.queue_name, self.consumer_group_name, self.consumer_name)

    async def _remove_dead_consumers(self) -> None:
        """Remove processes that died a day ago or earlier, which would otherwise stay in the group for ever."""
        for consumer in await self._client.xinfo_consumers(self.queue_name, self.consumer_group_name):
            if consumer["idle"] > _FORGET_CONSUMER_SECONDS * 1000 and not consumer["pending"]:
                name = consumer["name"]
                await self._client.xgroup_delconsumer(self.queue_name, self.consumer_group_name, name)
