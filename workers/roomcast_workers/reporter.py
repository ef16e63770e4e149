"""Report one upload's events and progress to the ledger, under its lease."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

import structlog
from roomcast.errors import RoomcastError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.runtime.tasks import cancel_and_wait
from roomcast.tracing import Span, make_current, start_span, traceparent
from roomcast.uploads.lifecycle import Entered, Progressed, Stage
from roomcast.uploads.model import Change, Forecast, Tick

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.25


class StageReporter(Protocol):
    """What reports the progress of a stage."""

    def progress(self, tick: Tick) -> None:
        """Set the progress of the current stage, to be written soon."""

    async def update(
        self, *, text: str | None = None, poster: dict[str, Any] | None = None, forecast: Forecast | None = None
    ) -> None:
        """Write an event within the current stage."""


class StepReporter:
    """Reports the progress of one step, which makes the progress of its stage from `start` to `end` (0–1)."""

    def __init__(self, stage: StageReporter, start: float = 0.0, end: float = 1.0) -> None:
        self._stage = stage
        self._start = start
        self._end = end
        self._share = end - start
        self._is_only = (start, end) == (0.0, 1.0)

    def progress(self, tick: Tick) -> None:
        """Set the progress of the step. Its `eta` and `forecast` are those of the step, too."""
        if self._is_only:
            self._stage.progress(tick)
            return
        fraction = min(1.0, max(0.0, tick.fraction))
        eta, forecast = tick.eta, tick.forecast
        if eta is not None and 0 < fraction < 1 and self._share > 0:
            step_seconds = eta / (1 - fraction)
            later = 1 - self._start - self._share
            eta = round(eta + step_seconds * later / self._share, 1)
        if forecast is not None and self._share > 0:
            forecast = forecast.over_share(self._share)
        in_stage = min(self._end, self._start + fraction * self._share)  # a rounded sum may be above the end
        self._stage.progress(replace(tick, fraction=in_stage, eta=eta, forecast=forecast))

    async def update(self, *, poster: dict[str, Any] | None = None, forecast: Forecast | None = None) -> None:
        """Write an event within the current stage. Raise `LeaseLost` if the lease is no longer valid."""
        await self._stage.update(poster=poster, forecast=forecast)


class Reporter:
    """Writes events at once, and the latest progress at most every `TICK_SECONDS`.

    While the ledger is slow, progress is written less often, and never late.
    """

    def __init__(self, ledger: Ledger, claim: Claim) -> None:
        self._ledger = ledger
        self._upload_id = claim.upload.id
        self._token = claim.lease.token
        self.stage = claim.upload.stage
        self.step: str | None = None
        """The step of the application that is running, or that has failed."""
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

    @property
    def position(self) -> str:
        """Where the work is: the application's step, or else the stage."""
        return self.step or self.stage

    def _begin_stage_span(self, stage: Stage) -> None:
        if self._stage_span:
            self._stage_span.end()
        self._stage_span = start_span(stage, parent=self._attempt_span, upload_id=self._upload_id)
        make_current(self._stage_span)

    async def update(
        self, *, text: str | None = None, poster: dict[str, Any] | None = None, forecast: Forecast | None = None
    ) -> None:
        """Write an event within the current stage. Raise `LeaseLost` if the lease is no longer valid.

        `text` replaces the sentence of the stage.
        """
        self._text = text or self._text
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
