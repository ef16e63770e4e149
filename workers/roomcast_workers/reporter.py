"""Report one upload's events and progress to the ledger, under its lease."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import structlog
from roomcast.errors import RoomcastError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.runtime.tasks import cancel_and_wait
from roomcast.tracing import Span, make_current, start_span, traceparent
from roomcast.uploads.lifecycle import Entered, Progressed, Stage
from roomcast.uploads.model import Change, Forecast, Tick

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.25


class Reporter:
    """Writes events at once, and the latest progress at most every `TICK_SECONDS`.

    While the ledger is slow, progress is written less often, and never late.
    """

    def __init__(self, ledger: Ledger, claim: Claim) -> None:
        self._ledger = ledger
        self._upload_id = claim.upload.id
        self._token = claim.lease.token
        self.stage = claim.upload.stage
        self._text = claim.upload.text
        self._latest: Tick | None = None
        self._tick_ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._attempt_span = traceparent()
        self._stage_span: Span | None = None

    async def __aenter__(self) -> Self:
        self._begin_stage_span(self.stage)
        self._task = asyncio.create_task(self._write_ticks())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stage_span:
            self._stage_span.end(error)
        if self._task:
            await cancel_and_wait(self._task)

    async def enter(self, stage: Stage, text: str) -> None:
        """Write the event that a stage has begun. Raise `LeaseLost` if the lease is no longer valid."""
        self._latest = None
        self._begin_stage_span(stage)
        await self._ledger.append(self._upload_id, Change(Entered(stage), text), token=self._token)
        self.stage = stage
        self._text = text

    def _begin_stage_span(self, stage: Stage) -> None:
        if self._stage_span:
            self._stage_span.end()
        self._stage_span = start_span(stage, parent=self._attempt_span, upload_id=self._upload_id)
        make_current(self._stage_span)

    async def update(self, *, poster: dict[str, Any] | None = None, forecast: Forecast | None = None) -> None:
        """Write an event within the current stage. Raise `LeaseLost` if the lease is no longer valid."""
        change = Change(Progressed(0.0), self._text, poster=poster, forecast=forecast)
        await self._ledger.append(self._upload_id, change, token=self._token)

    def progress(self, tick: Tick) -> None:
        """Set the progress of the current stage, to be written soon."""
        self._latest = tick
        self._tick_ready.set()

    async def _write_ticks(self) -> None:
        while True:
            await self._tick_ready.wait()
            self._tick_ready.clear()
            if tick := self._latest:
                try:
                    await self._ledger.tick(self._upload_id, tick, token=self._token)
                except RoomcastError:
                    continue  # A lost tick does no harm, and a lost ledger shows in the renewal of the lease.
                except Exception:
                    log.exception("tick_failed", upload=self._upload_id)
            await asyncio.sleep(TICK_SECONDS)
