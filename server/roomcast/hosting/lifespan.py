"""The lifespan protocol: an ASGI application starts before the first request, and stops after the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from roomcast.errors import RoomcastError
from roomcast.hosting.loading import AsgiApplication, AsgiMessage
from roomcast.runtime.tasks import cancel_and_wait

log = structlog.get_logger(__name__)

_STOP_SECONDS = 10.0


@asynccontextmanager
async def lifespan(application: AsgiApplication) -> AsyncIterator[dict[str, Any]]:
    """Start the application, yield its state, and stop it on exit.

    An application that raises an error before it has answered does not support the protocol, and needs no start. Raise
    `RoomcastError` if it answers that it cannot start.
    """
    state: dict[str, Any] = {}
    received: asyncio.Queue[AsgiMessage] = asyncio.Queue()
    answers: asyncio.Queue[AsgiMessage | None] = asyncio.Queue()

    async def run() -> None:
        try:
            scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
            await application(scope, received.get, answers.put)
        except Exception as error:  # noqa: BLE001  (an application may raise anything)
            log.debug("asgi_lifespan_ended", reason=str(error))
        finally:
            answers.put_nowait(None)

    received.put_nowait({"type": "lifespan.startup"})
    task = asyncio.create_task(run(), name="asgi lifespan")
    try:
        answer = await answers.get()
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise RoomcastError(f"The ASGI application cannot start. {answer.get('message', '')}".strip())
        yield state
        if answer is not None:
            received.put_nowait({"type": "lifespan.shutdown"})
            async with asyncio.timeout(_STOP_SECONDS):
                await answers.get()
    except TimeoutError:
        log.warning("asgi_application_not_stopped", seconds=_STOP_SECONDS)
    finally:
        await cancel_and_wait(task)
