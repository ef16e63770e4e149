"""The dispatch of many processes: taskiq over a Redis Stream. The only module that knows taskiq.

What lies in Redis is JSON: the name of one task and an upload's id. Nothing is unpickled, so whoever can write to Redis
can wake a worker and no more.

    roomcast:wake                the stream of hints, with one consumer group; trimmed, as old hints are worth nothing
    roomcast:wake:hint:<hint>    a hint that was given lately, so that the same one is not given twice
    roomcast:wake:workers        the processes with workers, by the time at which each was last heard of

A hint is acknowledged when its handler has returned. One that died with its process is taken over by another.
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

from roomcast.dispatch.contract import LIVE_WORKER_SECONDS, Handler
from roomcast.dispatch.delays import Delays
from roomcast.errors import StorageError
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.process import process_name
from roomcast.runtime.redis_connection import SOCKET_SECONDS, connect
from roomcast.runtime.redis_lua import CALL_SECONDS, Call, Script, Scripts
from roomcast.runtime.redis_trust import VERIFIED, RedisTrust
from roomcast.runtime.tasks import cancel_and_wait, start_background_task

log = structlog.get_logger(__name__)

_TASK = "wake"
_HINTS_KEPT = 1000
_HINT_SECONDS = 60
"""For how long the same hint is not given again."""

_BLOCK_SECONDS = 2.0
_TAKE_OVER_SECONDS = 30.0
"""A hint that was not acknowledged for so long is given to another process as well."""

_HEARTBEAT_SECONDS = 1.0
_FORGET_CONSUMER_SECONDS = 86400.0
_BACKOFF = Backoff(0.05, cap=1.0, jitter=(0.5, 1.5))
_CONNECTIONS = 16

_WORKERS_SEEN = Script(
    """
local WORKERS, now, me, seconds = KEYS[1], time_of(''), ARGV[1], tonumber(ARGV[2])
if me ~= '' then redis.call('ZADD', WORKERS, exact(now), me) end
redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', exact(now - seconds))
return redis.call('ZRANGE', WORKERS, 0, -1)
"""
)


class TaskiqDispatch:
    """See `roomcast.dispatch.contract.Dispatch`, the contract."""

    def __init__(self, client: Redis, name: str) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._name = name
        self._broker = _Broker(client, name)
        self._workers_key = f"{name}:workers"
        self._delays = Delays()
        self._sending: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, trust: RedisTrust = VERIFIED, name: str = "roomcast:wake"
    ) -> AsyncIterator[TaskiqDispatch]:
        """`name` is the stream's, and that of the keys beside it."""
        # A read blocks while there is no hint, and ends by itself; one that does not end has lost its server.
        client = connect(url, trust=trust, read_seconds=_BLOCK_SECONDS + SOCKET_SECONDS, connections=_CONNECTIONS)
        dispatch = cls(client, name)
        try:
            yield dispatch
        finally:
            await dispatch.close()

    async def close(self) -> None:
        """Let go of Redis. What was to be announced later is left to the backstop."""
        self._delays.close()
        await cancel_and_wait(*self._sending)
        await self._client.aclose()

    async def wake(self, upload_id: str, seq: int, *, not_before: float = 0.0) -> None:
        if not_before > time.time():
            self._delays.call_at(not_before, partial(self._announce_soon, upload_id, seq))
            return
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._announce(upload_id, seq)
        except Exception as error:  # noqa: BLE001 - whoever queued the upload must not fail for it
            log.warning("hint lost", upload=upload_id, error=_reason(error))

    async def _announce(self, upload_id: str, seq: int) -> None:
        hint = f"{self._name}:hint:{upload_id}.{seq}"
        if await self._client.set(hint, b"", nx=True, ex=_HINT_SECONDS):
            task: AsyncKicker[[str], None] = AsyncKicker(_TASK, self._broker, {})
            await task.kiq(upload_id)

    def _announce_soon(self, upload_id: str, seq: int) -> None:
        sending = asyncio.create_task(self.wake(upload_id, seq))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def live_workers(self) -> Counter[str]:
        return await self._workers_seen("")

    async def _workers_seen(self, me: str) -> Counter[str]:
        call = Call(_WORKERS_SEEN, [self._workers_key], [me, repr(LIVE_WORKER_SECONDS)])
        try:
            there = [process.decode().rpartition(" ") for process in await self._scripts.run(call)]
        except StorageError as error:
            raise StorageError("The dispatch could not be reached.") from error
        return Counter({process: int(count) for process, _, count in there})

    @asynccontextmanager
    async def workers(self, handler: Handler, count: int) -> AsyncIterator[None]:
        async def wake(upload_id: str) -> None:
            try:
                await handler(upload_id)
            except Exception:
                log.exception("worker failed", hint=upload_id)

        self._broker.register_task(wake, task_name=_TASK)
        receiver = Receiver(
            self._broker,
            max_async_tasks=count,
            validate_params=False,
            run_startup=False,
            ack_type=AcknowledgeType.WHEN_EXECUTED,
        )
        me, stop = f"{process_name()} {count}", asyncio.Event()
        with suppress(StorageError):  # so that they are seen at once; otherwise with the next heartbeat
            await self._workers_seen(me)
        listening = start_background_task(receiver.listen(stop), "dispatch")
        heartbeat = start_background_task(self._be_seen(me), "dispatch heartbeat")
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(listening, return_exceptions=True)
            await cancel_and_wait(heartbeat)
            await self._leave(me)

    async def _be_seen(self, me: str) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            try:
                await self._workers_seen(me)
            except StorageError as error:
                log.warning("heartbeat lost", error=_reason(error.__cause__ or error))

    async def _leave(self, me: str) -> None:
        """Nobody need wait until this process is not seen any more."""
        try:
            async with asyncio.timeout(SOCKET_SECONDS):
                await self._client.zrem(self._workers_key, me)
                await self._broker.forget_consumer()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("workers not signed off", error=_reason(error))


class _Broker(RedisStreamBroker):
    """taskiq's, on connections of ours. It listens in its own way: taskiq's loses a connection of the pool whenever one
    breaks, ends with the first error, and takes over what the dead left only when there are new hints."""

    def __init__(self, client: Redis, name: str) -> None:
        super().__init__(
            "redis://",
            queue_name=name,
            consumer_group_name=name,
            consumer_name=process_name(),
            consumer_id="0",  # hints that were given before there was a group count, too
            maxlen=_HINTS_KEPT,
        )
        self._client = client
        self.connection_pool = cast("BlockingConnectionPool", client.connection_pool)
        self._take_over_at = 0.0

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        failures = 0
        while True:
            try:
                await self._declare_consumer_group()
                await self._forget_the_long_gone()
                while True:
                    for number, fields in await self._next():
                        yield AckableMessage(data=fields[b"data"], ack=partial(self._acknowledge, number))
                    failures = 0
            except Exception as error:  # noqa: BLE001 - nobody else would listen on
                log.warning("dispatch interrupted", error=_reason(error))
            failures += 1
            await _BACKOFF.wait(failures)

    async def _next(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """One hint, no more than there is a worker for: others may be idle. None when none comes for a while."""
        if time.monotonic() >= self._take_over_at:
            _, left, *_ = await self._client.xautoclaim(
                self.queue_name,
                self.consumer_group_name,
                self.consumer_name,
                min_idle_time=int(_TAKE_OVER_SECONDS * 1000),
                count=1,
            )
            if left:
                return [(number, fields) for number, fields in left if fields]  # without fields, it was trimmed
            self._take_over_at = time.monotonic() + _TAKE_OVER_SECONDS / 2
        streams: Any = await self._client.xreadgroup(
            self.consumer_group_name,
            self.consumer_name,
            {self.queue_name: ">"},
            count=1,
            block=int(_BLOCK_SECONDS * 1000),
        )
        return [hint for _, hints in streams for hint in hints]

    async def _acknowledge(self, number: bytes) -> None:
        """A hint that stays unacknowledged comes again, which does no harm."""
        try:
            await self._client.xack(self.queue_name, self.consumer_group_name, number)
        except (RedisError, OSError) as error:
            log.warning("hint not acknowledged", error=_reason(error))

    async def forget_consumer(self) -> None:
        """Leave the group. What this process took and did not finish is announced again by the backstop."""
        with suppress(ResponseError):  # there is no group
            await self._client.xgroup_delconsumer(self.queue_name, self.consumer_group_name, self.consumer_name)

    async def _forget_the_long_gone(self) -> None:
        """Processes that died without leaving would stay in the group for ever."""
        for consumer in await self._client.xinfo_consumers(self.queue_name, self.consumer_group_name):
            if consumer["idle"] > _FORGET_CONSUMER_SECONDS * 1000 and not consumer["pending"]:
                name = consumer["name"]
                await self._client.xgroup_delconsumer(self.queue_name, self.consumer_group_name, name)


def _reason(error: BaseException) -> str:
    """What to log of an error: taskiq's own errors say nothing, what caused them does."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"
