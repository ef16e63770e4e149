"""Work through the queue: claim an upload, process it under its lease, and record the outcome.

An attempt ends as a value (`Outcome`), matched in one place. A shutdown has a commit point: an upload whose results are
not stored yet is handed back to the queue, a later one is completed.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from roomcast.dispatch.contract import Dispatch
from roomcast.errors import Code, LeaseLost, NotFound, RoomcastError
from roomcast.ledger.contract import Claim, Ledger
from roomcast.ledger.lease import StopReason, append_final, run_under_lease
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.files import is_exhaustion
from roomcast.runtime.process import log_context, process_name
from roomcast.services.deletion import clean_up_after_end
from roomcast.tracing import record_span, span
from roomcast.uploads.lifecycle import Entered, Failed, HandedBack, Retrying, Stage
from roomcast.uploads.model import Change, Upload, error_body, results_folder, source_key
from roomcast.uploads.templates import Templates
from roomcast.uploads.transitions import cancelled

from roomcast_workers.job import WorkerDeps
from roomcast_workers.pipeline import process_upload
from roomcast_workers.reporter import Reporter
from roomcast_workers.scratch import scratch_directory
from roomcast_workers.steps.plan import StepPlan

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Completed:
    """The results are stored."""

    element: dict[str, Any]


@dataclass(frozen=True)
class AttemptFailed:
    """The attempt failed in `step`: a stage, or a step of the application."""

    error: RoomcastError
    step: str


@dataclass(frozen=True)
class AttemptInterrupted:
    """The attempt was interrupted in `step`."""

    reason: StopReason
    step: str


@dataclass(frozen=True)
class ResourcesExhausted:
    """This process had no descriptors, memory or processes left in `step`, which says nothing about the upload."""

    error: RoomcastError
    step: str


Outcome = Completed | AttemptFailed | AttemptInterrupted | ResourcesExhausted

_PAUSE_CHECK_SECONDS = 1.0
"""The interval between two checks of a paused process whether it has been resumed."""

_EXHAUSTED_SECONDS = 5.0
"""When an upload is tried again for which the resources of a process were exhausted."""

EXHAUSTED_GIVE_UP_SECONDS = 3600.0
"""For how long such an upload is tried again, from the first time on, before it fails."""


@dataclass(frozen=True)
class AttemptPolicy:
    """How many attempts an upload has, and the times between them. Times are in seconds."""

    lease_seconds: float
    attempts: int
    retry_seconds: float

    def backoff(self, failures: int) -> float:
        """Return how many seconds to wait before trying again, after a failure that follows `failures` earlier ones."""
        return Backoff(self.retry_seconds, jitter=(0.5, 1.5)).delay(failures + 1)


class WorkerPool:
    """The workers of one process. Each process makes its own directory below `scratch`."""

    def __init__(
        self,
        ledger: Ledger,
        dispatch: Dispatch,
        templates: Templates,
        deps: WorkerDeps,
        plan: StepPlan,
        policy: AttemptPolicy,
        scratch: Path,
    ) -> None:
        self._ledger = ledger
        self._dispatch = dispatch
        self._templates = templates
        self._deps = deps
        self._plan = plan
        self._policy = policy
        self._scratch_root = scratch
        self._name = process_name()
        self._stopping = asyncio.Event()

    @property
    def sandbox(self) -> dict[str, str | bool]:
        """The sandbox of the programs that these workers run, as `Sandbox.to_json` describes it."""
        return self._deps.binaries.sandbox.to_json()

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator[None]:
        """Process up to `count` uploads at once for the duration of the context.

        On exit, uploads in progress are handed back to the queue, or completed if their results are already stored.
        """
        self._stopping.clear()
        with scratch_directory(self._scratch_root) as self._scratch:
            async with self._dispatch.workers(self._drain_queue, count):
                try:
                    yield
                finally:
                    self._stopping.set()

    async def _drain_queue(self, upload_id: str) -> None:
        """Process queued uploads until there are none. While this process is paused, pass the wake-up on, and wait.

        `upload_id`, the one that caused the wake-up, is not necessarily processed.
        """
        while not self._stopping.is_set():
            try:
                claim = await self._ledger.claim_next(holder=self._name, seconds=self._policy.lease_seconds)
                if claim:
                    await self._work(claim)
                elif await self._ledger.administration.is_paused(self._name):
                    await self._dispatch.wake(upload_id, -round(unix_time() * 1000))
                    await self._resumed()
                else:
                    return
            except Exception:
                log.exception("worker_failed", woken_for=upload_id)
                return

    async def _resumed(self) -> None:
        """Wait until this process is not paused any more, or stops."""
        log.info("worker_paused")
        while not self._stopping.is_set() and await self._ledger.administration.is_paused(self._name):
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE_CHECK_SECONDS):
                    await self._stopping.wait()

    async def _work(self, claim: Claim) -> None:
        began = time.monotonic()
        with log_context(claim.upload.id, attempt=claim.upload.state.attempt):
            queued_at = max(claim.upload.updated_at, claim.upload.not_before)
            record_span("queue", queued_at, parent=claim.upload.traceparent, upload_id=claim.upload.id)
            log.info("upload_claimed", template=claim.upload.template, filename=claim.upload.filename)
            with span("attempt", parent=claim.upload.traceparent, upload_id=claim.upload.id) as recorded:
                outcome = await self._attempt(claim)
                label = _outcome_label(outcome)
                recorded.set(attempt=claim.upload.state.attempt, template=claim.upload.template, outcome=label)
            log.info("attempt_ended", outcome=label, seconds=round(time.monotonic() - began, 2))
            try:
                await self._record(claim, outcome)
            except (LeaseLost, NotFound):
                log.warning("lease_lost", outcome=label)

    async def _attempt(self, claim: Claim) -> Outcome:
        """Process the upload under its lease. On return no program runs and the scratch directory is deleted."""
        scratch = self._scratch / claim.lease.token
        async with Reporter(self._ledger, claim) as reporter:
            try:
                scratch.mkdir()
                template = self._templates.get(claim.upload.template)
                outcome = await run_under_lease(
                    self._ledger,
                    claim.lease,
                    process_upload(claim.upload, template, self._deps, self._plan, reporter, scratch),
                    seconds=self._policy.lease_seconds,
                    shutting_down=self._stopping,
                    committed=lambda: reporter.stage is Stage.CLEANING,
                )
            except LeaseLost:
                return AttemptInterrupted(StopReason.LEASE_LOST, reporter.position)
            except Exception as error:
                unexpected = RoomcastError("Something went wrong on the server.")
                failure = error if isinstance(error, RoomcastError) else unexpected
                if is_exhaustion(error):
                    log.exception("resources_exhausted", stage=reporter.stage)
                    return ResourcesExhausted(failure, reporter.position)
                if failure is unexpected:
                    log.exception("step_failed", stage=reporter.stage)
                return AttemptFailed(failure, reporter.position)
            finally:
                await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        return AttemptInterrupted(outcome, reporter.position) if isinstance(outcome, StopReason) else Completed(outcome)

    async def _record(self, claim: Claim, outcome: Outcome) -> None:
        """Write the outcome to the ledger, which refuses every write whose lease has expired."""
        upload, token = claim.upload, claim.lease.token
        match outcome:
            case Completed(element):
                retention = self._templates.get(upload.template).retention
                done = Change(Entered(Stage.DONE), "Done", element=element, retention=retention)
                ended = await append_final(
                    self._ledger,
                    claim.lease,
                    done,
                    seconds=self._policy.lease_seconds,
                    is_written=lambda found: found.stage is Stage.DONE,
                )
                await clean_up_after_end(self._ledger, self._deps.media, ended)
            case AttemptFailed(error, step) if error.retryable and upload.state.failures + 1 < self._policy.attempts:
                await self._record_retry(claim, error, step)
            case AttemptFailed(error, step):
                await self._record_failure(claim, error, step)
            case AttemptInterrupted(StopReason.CANCEL_REQUESTED, step):
                await self._delete_files(claim)
                await self._ledger.append(upload.id, cancelled(step), token=token)
            case AttemptInterrupted(StopReason.SHUTTING_DOWN):
                await self._after_requeue(await self._ledger.release(claim.lease, text="Waiting for another worker"))
            case AttemptInterrupted(StopReason.LEASE_LOST):
                log.warning("lease_lost")
            case ResourcesExhausted(error, step):
                await self._record_exhaustion(claim, error, step)

    async def _record_retry(self, claim: Claim, error: RoomcastError, step: str) -> None:
        state = claim.upload.state
        delay = self._policy.backoff(state.failures)
        text = f"{error.message} Trying again in {max(1, round(delay))} s (attempt {state.attempt + 1})."
        change = Change(Retrying(), text, error=error_body(error, step), not_before=unix_time() + delay)
        await self._after_requeue(await self._ledger.append(claim.upload.id, change, token=claim.lease.token))

    async def _record_exhaustion(self, claim: Claim, error: RoomcastError, step: str) -> None:
        """Return the upload to the queue, or fail it with `error`, which a retry may undo, if that lasts too long."""
        upload, token, now = claim.upload, claim.lease.token, unix_time()
        since = upload.exhausted_since or now
        if now - since >= EXHAUSTED_GIVE_UP_SECONDS:
            await self._record_failure(claim, error, step, retryable=True)
            return
        text = f"The worker has no resources left. Trying again in {_EXHAUSTED_SECONDS:g} s."
        change = Change(HandedBack(), text, not_before=now + _EXHAUSTED_SECONDS, exhausted_since=since)
        await self._after_requeue(await self._ledger.append(upload.id, change, token=token))

    async def _after_requeue(self, upload: Upload) -> None:
        """Wake a worker if the upload is queued again, or delete its files if it was cancelled instead."""
        if upload.stage is Stage.QUEUED:
            await self._dispatch.wake(upload.id, upload.seq, not_before=upload.not_before)
        await clean_up_after_end(self._ledger, self._deps.media, upload)

    async def _record_failure(
        self, claim: Claim, error: RoomcastError, step: str, *, retryable: bool | None = None
    ) -> None:
        """Fail the upload, and then delete the files that it does not need any more: without its source, another
        attempt would fail for that. `retryable` is the error's by default. A missing source makes a retry impossible.
        """
        source_missing = isinstance(error, NotFound)
        retryable = (error.retryable if retryable is None else retryable) and not source_missing
        body = error_body(error, step, retryable=retryable)
        if source_missing:
            body["code"] = Code.STORAGE_ERROR
        failed = Change(Failed(), error.message, error=body)
        ended = await self._ledger.append(claim.upload.id, failed, token=claim.lease.token)
        await clean_up_after_end(self._ledger, self._deps.media, ended)

    async def _delete_files(self, claim: Claim) -> None:
        """Delete the files of an upload that is about to be cancelled: who waits for that may expect them to be gone.

        The lease is renewed before, so that no other worker uses them. What cannot be deleted now is due for a cleanup
        after the cancel.
        """
        await self._ledger.renew(claim.lease, seconds=self._policy.lease_seconds)
        try:
            await self._deps.media.discard_results(results_folder(claim.upload))
            await self._deps.media.discard_source(source_key(claim.upload))
        except RoomcastError as error:
            log.warning("files_not_deleted", reason=error.message)


def _outcome_label(outcome: Outcome) -> str:
    match outcome:
        case Completed():
            return "completed"
        case AttemptFailed(error, step):
            return f"{error.code} in {step}"
        case AttemptInterrupted(reason, step):
            return f"{reason.value} in {step}"
        case ResourcesExhausted(_, step):
            return f"resources exhausted in {step}"
