"""Work through the queue: claim an upload or a task of a film, do it under its lease, and record the outcome.

A worker claims uploads and tasks in turn, so that neither waits for longer than one of the other. An upload whose film
is compressed in segments parks while its tasks are done: the worker is free for other work.

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

import structlog
from roomcast.dispatch.contract import Dispatch
from roomcast.dispatch.slots import WorkerSlot, WorkerSlots
from roomcast.dispatch.wake_ups import wake_worker
from roomcast.errors import Code, LeaseLost, NotFound, RoomcastError, unexpected_error
from roomcast.ledger.contract import Claim, Ledger
from roomcast.ledger.lease import AttemptPolicy, StopReason, append_final, run_under_lease
from roomcast.ledger.segments import TaskClaim
from roomcast.media.shared_sources import SharedSources
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.files import expected_error, is_exhaustion
from roomcast.runtime.process import log_context, process_name
from roomcast.services.deletion import clean_up_after_end
from roomcast.tracing import record_span, span
from roomcast.uploads.lifecycle import Entered, Failed, HandedBack, Retrying, Stage
from roomcast.uploads.model import Change, Upload, error_body, results_folder, source_key
from roomcast.uploads.templates import Template, Templates
from roomcast.uploads.transitions import cancelled

from roomcast_workers.job import WorkerContext, WorkerDeps
from roomcast_workers.pipeline import ProcessedUpload, process_upload
from roomcast_workers.reporter import Reporter
from roomcast_workers.scratch import scratch_directory
from roomcast_workers.segments.coordinator import TaskFailed
from roomcast_workers.segments.encoder_version import read_encoder_version
from roomcast_workers.segments.stored_files import SOUND
from roomcast_workers.segments.task_worker import EXHAUSTED_SECONDS, TaskWorker
from roomcast_workers.steps.plan import StepPlan

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Completed:
    """The results are stored."""

    upload: ProcessedUpload


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

EXHAUSTED_GIVE_UP_SECONDS = 3600.0
"""For how long an upload is tried again for that reason, from the first time on, before it fails."""

_MAX_PARKED = 8
"""How many films a process coordinates at most. Each has a lease to renew, and files."""

_PLAYABLE_SECONDS = 600.0
"""For how long after its end, and its duration more, a film's segments stay for those who are watching it."""

_STOPPED_CHECK_SECONDS = 0.05


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
        self._uploads = set[asyncio.Task[None]]()

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
        self._slots = WorkerSlots(count)
        self._encoder = await read_encoder_version(self._deps.binaries)
        with scratch_directory(self._scratch_root) as self._scratch:
            sources = SharedSources(self._deps.media, self._scratch / "sources")
            self._tasks = TaskWorker(
                *(self._ledger, self._dispatch, self._templates, self._deps, self._policy, sources, self._scratch),
                *(self._stopping, self._encoder, self._name),
            )
            try:
                async with self._dispatch.workers(self._drain_queue, count):
                    try:
                        yield
                    finally:
                        self._stopping.set()
                await asyncio.gather(*self._uploads, return_exceptions=True)
            finally:
                await sources.close()

    async def _drain_queue(self, upload_id: str) -> None:
        """Process queued uploads and tasks of films until there are none. While this process is paused, pass the
        wake-up on, and wait.

        `upload_id`, the one that caused the wake-up, is not necessarily processed.
        """
        tasks_first = False
        while not self._stopping.is_set():
            slot, claim = await self._slots.acquire(), None
            try:
                if self._stopping.is_set():
                    return
                claim = await self._claim(tasks_first=tasks_first)
                if isinstance(claim, Claim):
                    await self._start_upload(claim, slot)
                elif claim is not None:
                    await self._tasks.work(claim)
                elif await self._ledger.administration.is_paused(self._name):
                    slot.release()
                    await wake_worker(self._dispatch, upload_id)
                    await self._resumed()
                else:
                    return
            except RoomcastError as error:  # the ledger could not be read or written
                log.warning("worker_failed", woken_for=upload_id, reason=error.message)
                return
            except Exception:
                log.exception("worker_failed", woken_for=upload_id)
                return
            finally:
                if not isinstance(claim, Claim):
                    slot.release()
            tasks_first = isinstance(claim, Claim)

    async def _claim(self, *, tasks_first: bool) -> Claim | TaskClaim | None:
        """Claim an upload or a task. A process that coordinates `_MAX_PARKED` films claims no further video."""
        task = await self._tasks.claim() if tasks_first else None
        if task is None:
            seconds, videos = self._policy.lease_seconds, self._slots.parked < _MAX_PARKED
            claim = await self._ledger.claim_next(holder=self._name, seconds=seconds, videos=videos)
            if claim is not None:
                return claim
        return task or (None if tasks_first else await self._tasks.claim())

    async def _start_upload(self, claim: Claim, slot: WorkerSlot) -> None:
        """Process an upload, and return when it has ended or is parked."""
        work = asyncio.create_task(self._work(claim, slot), name=f"upload {claim.upload.id}")
        self._uploads.add(work)
        work.add_done_callback(self._on_upload_end)
        await slot.vacated.wait()

    def _on_upload_end(self, work: asyncio.Task[None]) -> None:
        self._uploads.discard(work)
        if not work.cancelled() and (error := work.exception()):
            log.error("worker_failed", task=work.get_name(), exc_info=error)

    async def _resumed(self) -> None:
        """Wait until this process is not paused any more, or stops."""
        log.info("worker_paused")
        while not self._stopping.is_set() and await self._ledger.administration.is_paused(self._name):
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE_CHECK_SECONDS):
                    await self._stopping.wait()

    async def _work(self, claim: Claim, slot: WorkerSlot) -> None:
        """Process an upload and record the outcome. The slot is given back at the end, and meanwhile while parked."""
        try:
            await self._process(claim, slot)
        finally:
            was_parked = slot.vacated.is_set()
            slot.release()
        if was_parked:  # no worker waits for its end, and uploads may wait until one film less is parked
            await wake_worker(self._dispatch, claim.upload.id)

    async def _process(self, claim: Claim, slot: WorkerSlot) -> None:
        began = time.monotonic()
        with log_context(claim.upload.id, attempt=claim.upload.state.attempt):
            queued_at = max(claim.upload.updated_at, claim.upload.not_before)
            record_span("queue", queued_at, parent=claim.upload.traceparent, upload_id=claim.upload.id)
            log.info("upload_claimed", template=claim.upload.template, filename=claim.upload.filename)
            with span("attempt", parent=claim.upload.traceparent, upload_id=claim.upload.id) as recorded:
                outcome = await self._attempt(claim, slot)
                label = _outcome_label(outcome)
                recorded.set(attempt=claim.upload.state.attempt, template=claim.upload.template, outcome=label)
            log.info("attempt_ended", outcome=label, seconds=round(time.monotonic() - began, 2))
            try:
                await self._record(claim, outcome)
            except (LeaseLost, NotFound):
                log.warning("lease_lost", outcome=label)

    async def _attempt(self, claim: Claim, slot: WorkerSlot) -> Outcome:
        """Process the upload under its lease. On return no program runs and the scratch directory is deleted."""
        scratch = self._scratch / claim.lease.token
        segments, sources = self._ledger.segments, self._tasks.sources
        worker = WorkerContext(claim.lease, segments, self._dispatch, slot, self._encoder, sources)
        async with Reporter(self._ledger, claim) as reporter:
            try:
                scratch.mkdir()
                template = self._templates.of_accepted(claim.upload)
                outcome = await run_under_lease(
                    self._ledger,
                    claim.lease,
                    process_upload(claim.upload, template, self._deps, self._plan, reporter, scratch, worker),
                    seconds=self._policy.lease_seconds,
                    shutting_down=self._stopping,
                    committed=lambda: reporter.stage is Stage.CLEANING,
                )
            except LeaseLost:
                return AttemptInterrupted(StopReason.LEASE_LOST, reporter.position)
            except Exception as error:
                expected = expected_error(error)
                failure = expected or unexpected_error()
                if is_exhaustion(error):
                    log.exception("resources_exhausted", stage=reporter.stage)
                    return ResourcesExhausted(failure, reporter.position)
                if expected is None:
                    log.exception("step_failed", stage=reporter.stage)
                return AttemptFailed(failure, reporter.position)
            finally:
                await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        return AttemptInterrupted(outcome, reporter.position) if isinstance(outcome, StopReason) else Completed(outcome)

    async def _record(self, claim: Claim, outcome: Outcome) -> None:
        """Write the outcome to the ledger, which refuses every write whose lease has expired."""
        upload, token = claim.upload, claim.lease.token
        match outcome:
            case Completed(processed):
                template = self._templates.of_accepted(upload)
                done = Change(
                    Entered(Stage.DONE),
                    "Done",
                    element=processed.element,
                    retention=template.retention,
                    segments_expire_at=_segments_expire_at(processed, template),
                    unlisted_renditions=_unlisted_renditions(processed, template),
                )
                ended = await append_final(
                    self._ledger,
                    claim.lease,
                    done,
                    seconds=self._policy.lease_seconds,
                    is_written=lambda found: found.stage is Stage.DONE,
                )
                await clean_up_after_end(self._ledger, self._deps.media, ended)
            case AttemptFailed(error, step) if self._is_tried_again(upload, error):
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

    def _is_tried_again(self, upload: Upload, error: RoomcastError) -> bool:
        may_try = upload.state.failures + 1 < self._policy.attempts
        return error.retryable and may_try and not isinstance(error, TaskFailed)

    async def _record_retry(self, claim: Claim, error: RoomcastError, step: str) -> None:
        state = claim.upload.state
        delay = self._policy.backoff(state.failures)
        text = f"{error.message} Trying again in {max(1, round(delay))} s (attempt {state.attempt + 1})."
        resumes = await self._ledger.segments.progress(claim.upload.id) is not None
        change = Change(Retrying(resumes=resumes), text, error=error_body(error, step), not_before=unix_time() + delay)
        await self._after_requeue(await self._ledger.append(claim.upload.id, change, token=claim.lease.token))

    async def _record_exhaustion(self, claim: Claim, error: RoomcastError, step: str) -> None:
        """Return the upload to the queue, or fail it with `error`, which a retry may undo, if that lasts too long."""
        upload, token, now = claim.upload, claim.lease.token, unix_time()
        since = upload.exhausted_since or now
        if now - since >= EXHAUSTED_GIVE_UP_SECONDS:
            await self._record_failure(claim, error, step, retryable=True)
            return
        text = f"The worker has no resources left. Trying again in {EXHAUSTED_SECONDS:g} s."
        change = Change(HandedBack(), text, not_before=now + EXHAUSTED_SECONDS, exhausted_since=since)
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
        await self._wait_for_tasks(claim)
        await self._ledger.renew(claim.lease, seconds=self._policy.lease_seconds)
        try:
            await self._deps.media.discard_results(results_folder(claim.upload))
            await self._deps.media.discard_source(source_key(claim.upload))
        except RoomcastError as error:
            log.warning("files_not_deleted", reason=error.message)

    async def _wait_for_tasks(self, claim: Claim) -> None:
        """Wait until no worker has a task of the upload's film. They read of the cancel themselves, and their leases
        expire if they do not."""
        while (progress := await self._ledger.segments.progress(claim.upload.id)) is not None and progress.running:
            await self._ledger.renew(claim.lease, seconds=self._policy.lease_seconds)
            await asyncio.sleep(_STOPPED_CHECK_SECONDS)


def _segments_expire_at(processed: ProcessedUpload, template: Template) -> float | None:
    """Return when the segments are to be deleted, or None if there are none or they are results."""
    if processed.plan is None or template.hls:
        return None
    return unix_time() + processed.plan.seconds + _PLAYABLE_SECONDS


def _unlisted_renditions(processed: ProcessedUpload, template: Template) -> tuple[str, ...]:
    """Return the renditions that no playlist has, whose files are not needed any more."""
    plan = processed.plan
    if plan is None:
        return ()
    sound = (SOUND,) if plan.has_audio and template.hls else ()
    return *(one.name for one in plan.renditions if not one.listed), *sound


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
