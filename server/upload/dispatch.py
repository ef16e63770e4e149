"""Dispatch: tells workers that there is something to do. The only module that knows docket.

A dispatch is a hint that carries an id and nothing else; which upload a woken worker takes, the ledger decides (that
is how no owner starves another). So a hint that is lost, late or double does no harm, and nothing here needs to be
durable: what waits is announced again on start, and a slow sweep announces it once more.

Two of docket's habits are designed around: it stops renewing its own lease while it drains (the ledger's lease
counts, not its), and it delivers without a cap (the ledger's `attempt` is one).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog
from docket import Docket, Worker
from redis.exceptions import RedisError

from server.upload.errors import StorageError
from server.upload.process import process_name

Handler = Callable[[str], Awaitable[None]]

log = structlog.get_logger(__name__)

_TASK = "process"
_CHECK = timedelta(milliseconds=200)
EMBEDDED = "memory://"


class Dispatch:
    """Hints from whoever queues an upload to whoever works."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, verify: bool = True, name: str = "roomcast") -> AsyncIterator[Dispatch]:
        """`url` is `memory://` for hints inside this process, or a Redis server's; without `verify`, one whose
        certificate nobody vouches for."""
        if url.startswith("rediss://") and not verify:
            url += ("&" if "?" in url else "?") + "ssl_cert_reqs=none&ssl_check_hostname=false"
        async with Docket(name=name, url=url, execution_ttl=timedelta(0)) as docket:
            docket.register(_announced, names=[_TASK])
            yield cls(docket)

    async def announce(self, upload_id: str, seq: int, *, not_before: float = 0.0) -> None:
        """Say that the upload is queued as of event `seq`; the same hint twice counts once while it waits.

        Never fails: what is lost here, the sweep makes up for.
        """
        when = datetime.fromtimestamp(not_before, UTC) if not_before else None
        try:
            await self._docket.add(_TASK, when=when, key=f"{upload_id}.{seq}")(upload_id)
        except (RedisError, OSError) as error:
            log.warning("hint lost", upload=upload_id, error=str(error))

    async def workers_seen(self) -> Counter[str]:
        """How many workers have been heard of lately, by the `process_name` of their process; `StorageError` when
        nobody can tell."""
        try:
            return Counter(worker.name.rpartition(".")[0] for worker in await self._docket.workers())
        except (RedisError, OSError) as error:
            raise StorageError("The dispatch could not be reached.") from error

    @asynccontextmanager
    async def workers(self, handler: Handler, count: int) -> AsyncIterator[None]:
        """Run `count` workers, each with one upload at a time. On leaving they end when their handler returns."""
        self._docket.register(handler, names=[_TASK])
        stop = asyncio.Event()
        # Each in a task of its own: docket wants a worker left in the context in which it was entered.
        running = [asyncio.create_task(self._work(number, stop)) for number in range(count)]
        for task in running:
            task.add_done_callback(_died)
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*running, return_exceptions=True)

    async def _work(self, number: int, stop: asyncio.Event) -> None:
        worker = Worker(
            self._docket,
            name=f"{process_name()}.{number}",
            concurrency=1,
            minimum_check_interval=_CHECK,
            scheduling_resolution=_CHECK,
            reconnection_delay=timedelta(seconds=1),
            schedule_automatic_tasks=False,
        )
        async with worker:
            running = asyncio.create_task(worker.run_forever())
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
        await running


async def _announced(upload_id: str) -> None:
    """What docket knows the hints by in a process that only gives them; workers put their handler in its place."""
    raise NotImplementedError(upload_id)


def _died(task: asyncio.Task[None]) -> None:
    """A worker only ends by itself through a bug; whoever reads the log must hear of it."""
    if not task.cancelled() and (error := task.exception()):
        log.critical("worker died", exc_info=error)
