"""Report one upload's events and progress to the ledger, under its lease."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self, TypedDict, Unpack

import structlog
from roomcast.errors import RoomcastError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.runtime.tasks import cancel_and_wait
from roomcast.tracing import Span, make_current, start_span, traceparent
from roomcast.uploads.lifecycle import TABLE, Entered, Progressed, Stage
from roomcast.uploads.model import Change, Forecast, Tick

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.25

RECORDED_PERCENT = 1.0
"""The bar of what resumes after a kill moves by so much at once, and each time as an event: a tick would be lost with
the process, and the bar would fall back when another continues."""


class EventDetails(TypedDict, total=False):
    """What an event within a stage may carry. `text` replaces the sentence of the stage."""

    text: str | None
    poster: dict[str, Any] | None
    playable: dict[str, Any] | None
    forecast: Forecast | None


class StageReporter(Protocol):
    """What reports the progress of a stage."""

    def progress(self, tick: Tick) -> None:
        """Set the progress of the current stage, to be written soon."""

    async def update(self, *, fraction: float = 0.0, **details: Unpack[EventDetails]) -> None:
        """Write an event within the current stage, of which at least `fraction` is done."""


class StepReporter:
    """Reports the progress of one step, which makes the progress of its stage from `start` to `end` (0–1)."""

    def __init__(self, stage: StageReporter, start: float = 0.0, end: float = 1.0) -> None:
        self._stage = stage
        self._start = start
        self._end = end
        self._share = end - start
        self._is_only = (start, end) == (0.0, 1.0)

    def between(self, start: float, end: float) -> StepReporter:
        """Return the reporter of what makes the progress of this step from `start` to `end` (0–1)."""
        return StepReporter(self._stage, self._in_stage(start), self._in_stage(end))

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
        self._stage.progress(replace(tick, fraction=self._in_stage(fraction), eta=eta, forecast=forecast))

    async def update(self, *, fraction: float = 0.0, **details: Unpack[EventDetails]) -> None:
        """Write an event within the current stage. Raise `LeaseLost` if the lease is no longer valid.

        At least `fraction` of the step is done.
        """
        await self._stage.update(fraction=self._in_stage(fraction), **details)

    def _in_stage(self, fraction: float) -> float:
        return min(self._end, self._start + fraction * self._share)  # a rounded sum may be above the end


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
        self._writing = asyncio.Lock()
        self._records = False
        self._recorded = 0.0
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
        async with self._writing:
            await self._ledger.append(self._upload_id, Change(Entered(stage), text), token=self._token)
            self.stage, self._recorded = stage, 0.0
        self._text = text

    def record_progress(self) -> None:
        """From now on, show only progress that is recorded, because the next attempt would continue from here."""
        self._records = True

    @property
    def position(self) -> str:
        """Where the work is: the application's step, or else the stage."""
        return self.step or self.stage

    def _begin_stage_span(self, stage: Stage) -> None:
        if self._stage_span:
            self._stage_span.end()
        self._stage_span = start_span(stage, parent=self._attempt_span, upload_id=self._upload_id)
        make_current(self._stage_span)

    async def update(self, *, fraction: float = 0.0, **details: Unpack[EventDetails]) -> None:
        """Write an event within the current stage. Raise `LeaseLost` if the lease is no longer valid.

        At least `fraction` of the stage is done.
        """
        self._text = details.get("text") or self._text
        poster, playable, forecast = details.get("poster"), details.get("playable"), details.get("forecast")
        change = Change(Progressed(fraction), self._text, poster=poster, playable=playable, forecast=forecast)
        async with self._writing:
            await self._ledger.append(self._upload_id, change, token=self._token)
            self._recorded = max(self._recorded, fraction)

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
                    if self._records:
                        tick = await self._record(tick)
                    await self._ledger.tick(self._upload_id, tick, token=self._token)
                except RoomcastError:
                    continue  # A lost tick does no harm, and a lost ledger shows in the renewal of the lease.
                except Exception:
                    log.exception("tick_failed", upload=self._upload_id)
            await asyncio.sleep(TICK_SECONDS)

    async def _record(self, tick: Tick) -> Tick:
        """Record the progress if it has grown by enough, and return the tick with what is recorded."""
        fraction = min(1.0, tick.fraction)
        async with self._writing:  # the stage is that of the tick until the next one has begun
            if self._latest is tick and fraction - self._recorded >= _recorded_fraction(self.stage):
                await self._ledger.append(self._upload_id, Change(Progressed(fraction), self._text), token=self._token)
                self._recorded = fraction
            return replace(tick, fraction=self._recorded)


def _recorded_fraction(stage: Stage) -> float:
    """Return how much of a stage's progress is recorded at once."""
    low, high = TABLE[stage].share or (0.0, 0.0)
    return min(1.0, RECORDED_PERCENT / max(high - low, RECORDED_PERCENT))
