"""What a worker says about the upload it holds: events at once, readings at most four times a second."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import structlog
from roomcast.errors import RoomcastError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.runtime.tasks import cancel_and_wait
from roomcast.uploads.lifecycle import Entered, Progressed, Stage
from roomcast.uploads.model import Change, Forecast, Tick

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.25


class Reporter:
    """One upload's voice. Readings are latest-wins: a slow ledger makes them rarer, never later."""

    def __init__(self, ledger: Ledger, claim: Claim) -> None:
        self._ledger = ledger
        self._upload_id = claim.upload.id
        self._token = claim.lease.token
        self.stage = claim.upload.stage
        self._text = claim.upload.text
        self._latest: Tick | None = None
        self._fresh = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._pump = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pump:
            await cancel_and_wait(self._pump)

    async def enter(self, stage: Stage, text: str) -> None:
        """The next stage has begun; `LeaseLost` when the upload is no longer ours."""
        self._latest = None
        await self._ledger.append(self._upload_id, Change(Entered(stage), text), token=self._token)
        self.stage = stage
        self._text = text

    async def note(self, *, poster: dict[str, Any] | None = None, forecast: Forecast | None = None) -> None:
        """There is news in the midst of a stage; `LeaseLost` when the upload is no longer ours."""
        change = Change(Progressed(0.0), self._text, poster=poster, forecast=forecast)
        await self._ledger.append(self._upload_id, change, token=self._token)

    def progress(self, tick: Tick) -> None:
        """A reading of the present stage."""
        self._latest = tick
        self._fresh.set()

    async def _run(self) -> None:
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            if tick := self._latest:
                try:
                    await self._ledger.tick(self._upload_id, tick, token=self._token)
                except RoomcastError:
                    continue  # a reading may be lost; that the ledger is gone, the lease tells
                except Exception:
                    log.exception("reading lost", upload=self._upload_id)
            await asyncio.sleep(TICK_SECONDS)
