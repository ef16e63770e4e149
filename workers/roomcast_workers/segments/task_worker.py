"""Do the tasks of films: fetch the source, encode one segment in some renditions, store and record the result.

Each task is done under a lease of its own, by any worker of the deployment whose encoder has the plan's version.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from roomcast.dispatch.contract import Dispatch
from roomcast.dispatch.wake_ups import wake_worker
from roomcast.errors import (
    Code,
    LeaseLost,
    NotFound,
    RoomcastError,
    StorageError,
    TranscodeError,
    UnreadableMedia,
    unexpected_error,
)
from roomcast.ledger.contract import Ledger, Renewal
from roomcast.ledger.lease import AttemptPolicy, StopReason, run_under_lease, write_until_answered
from roomcast.ledger.lease_tokens import Lease
from roomcast.ledger.segments import SegmentTasks, TaskClaim, TaskLease
from roomcast.media.contract import SparseSource
from roomcast.media.result_keys import SEGMENTS
from roomcast.media.shared_sources import SharedSources
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.files import expected_error, is_exhaustion
from roomcast.runtime.process import log_context
from roomcast.segments.plan import InitFile, SegmentFile, SegmentProgress, TaskFailure, TaskResult
from roomcast.services.deletion import delete_unlisted_segments
from roomcast.tracing import span
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Tick, Upload, results_folder
from roomcast.uploads.templates import Templates

from roomcast_workers.job import Job, WorkerDeps
from roomcast_workers.reporter import StepReporter
from roomcast_workers.segments.stored_files import file_sha256, init_name, segment_name
from roomcast_workers.segments.task_encoder import EncodedTask, encode_task
from roomcast_workers.sources.excerpts import Excerpts
from roomcast_workers.sources.ranges import SourceRanges

log = structlog.get_logger(__name__)

EXHAUSTED_SECONDS = 5.0
"""When an upload or a task is tried again for which the resources of a process were exhausted."""

_ENDED_WITHOUT_RESULTS = frozenset({Stage.FAILED, Stage.CANCELLED, Stage.DELETED})


class _TaskRenewer:
    """Renews the lease of a task, and records with that how much of it is done: the `fraction` (0–1)."""

    def __init__(self, segments: SegmentTasks) -> None:
        self._segments = segments
        self.fraction = 0.0

    async def renew(self, lease: Lease, *, seconds: float) -> Renewal:
        assert isinstance(lease, TaskLease)  # noqa: S101  (no other is passed to `run_under_lease` below)
        renewal = await self._segments.renew(lease, seconds=seconds, fraction=self.fraction)
        return Renewal(renewal.lease, renewal.cancel_requested)

    def on_fraction(self, fraction: float) -> None:
        self.fraction = max(self.fraction, fraction)


class _Unreported:
    """The reporter of a task, whose progress is recorded with its lease."""

    def progress(self, _tick: Tick) -> None:
        return None

    async def update(self, **_details: object) -> None:
        return None


@dataclass(frozen=True)
class TaskWorker:
    """Claims and does tasks of films for one process. `encoder` is the version of its encoder, `holder` its name."""

    ledger: Ledger
    dispatch: Dispatch
    templates: Templates
    deps: WorkerDeps
    policy: AttemptPolicy
    sources: SharedSources
    scratch: Path
    stopping: asyncio.Event
    encoder: str
    holder: str

    async def claim(self) -> TaskClaim | None:
        """Lease the next task; None if there is none for this process."""
        return await self.ledger.segments.claim(
            holder=self.holder, encoder=self.encoder, seconds=self.policy.lease_seconds
        )

    async def work(self, claim: TaskClaim) -> None:
        """Do a task and record its result, or why there is none. On return nothing of it runs any more."""
        began, upload, task = time.monotonic(), claim.upload, claim.task
        with (
            log_context(upload.id, task=task.number),
            span("task", parent=upload.traceparent, upload_id=upload.id) as recorded,
        ):
            try:
                outcome = await self._attempt(claim)
            except (LeaseLost, NotFound):  # the film has ended
                outcome = "lease lost"
            recorded.set(task=task.number, segment=task.segment, outcome=outcome)
            log.info(
                "task_ended",
                plan=claim.plan.id[:8],
                segment=task.segment,
                renditions=",".join(task.renditions),
                outcome=outcome,
                seconds=round(time.monotonic() - began, 2),
            )
            if outcome != "completed":
                await self._discard_orphans(claim)

    async def _attempt(self, claim: TaskClaim) -> str:
        """Do the task under its lease, record the outcome, and return it in words."""
        segments, scratch = self.ledger.segments, self.scratch / claim.lease.token
        renewer = _TaskRenewer(segments)
        try:
            await asyncio.to_thread(scratch.mkdir)
            result = await run_under_lease(
                renewer,
                claim.lease,
                self._make(claim, scratch, renewer),
                seconds=self.policy.lease_seconds,
                shutting_down=self.stopping,
            )
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - it is recorded, and logged
            return await self._record_failure(claim, error)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        match result:
            case TaskResult():
                await self._complete(claim.lease, result)
                return "completed"
            case StopReason.LEASE_LOST:
                return str(result.value)
            case _:
                await segments.release(claim.lease)
                await wake_worker(self.dispatch, claim.upload.id)
                return str(result.value)

    async def _make(self, claim: TaskClaim, scratch: Path, renewer: _TaskRenewer) -> TaskResult:
        """Encode the task and store its files."""
        upload = claim.upload
        if upload.source is None:
            raise StorageError("The uploaded file is missing.")
        template = self.templates.of_accepted(upload)
        async with self.sources.open(upload.source.key, is_needed_again=True) as source:
            job = Job(upload, upload.source, source.path, template, self.deps, StepReporter(_Unreported()), scratch)
            encoded = await _encode(job, claim, source, renewer.on_fraction, await self._similar(claim))
        return await self._store(job, claim, encoded)

    async def _similar(self, claim: TaskClaim) -> SegmentFile | None:
        """Return the nearest segment that has been encoded for a target quality: this one needs about the same CRF."""
        best = claim.plan.renditions[0].name
        if claim.plan.settings.get("metric") is None or best not in claim.task.renditions:
            return None
        board = await self.ledger.segments.board(claim.upload.id)
        return board.nearest(best, claim.task.segment) if board is not None else None

    async def _store(self, job: Job, claim: TaskClaim, encoded: EncodedTask) -> TaskResult:
        """Store the segments and their initialization segments, and return the result that is recorded."""
        files, inits = list[SegmentFile](), list[InitFile]()
        for made in encoded.files:
            name = segment_name(claim.plan.id, made.rendition, claim.task.segment)
            init = init_name(claim.plan.id, made.rendition)
            size = made.path.stat().st_size
            files.append(
                SegmentFile(made.rendition, claim.task.segment, name, size, made.frames, crf=made.crf, score=made.score)
            )
            inits.append(InitFile(made.rendition, init, file_sha256(made.init_path), made.codec))
            await job.store_segment(made.init_path, init)
            await job.store_segment(made.path, name)
        return TaskResult(tuple(files), tuple(inits), encoded.missing)

    async def _complete(self, lease: TaskLease, result: TaskResult) -> None:
        """Record the result, which may be repeated while the ledger does not answer and the lease may be current."""
        complete = self.ledger.segments.complete
        await write_until_answered(lambda _: complete(lease, result), seconds=self.policy.lease_seconds)

    async def _record_failure(self, claim: TaskClaim, error: Exception) -> str:
        """Release the task for another attempt, or fail it with its film. Return the error's code."""
        segments, now, task = self.ledger.segments, unix_time(), claim.task.number
        if is_exhaustion(error):
            log.error("resources_exhausted", exc_info=error)
            await segments.release(claim.lease, not_before=now + EXHAUSTED_SECONDS)
            return "resources exhausted"
        if failure := expected_error(error):
            log.warning("task_failed", code=failure.code, reason=failure.message)
        else:
            failure = unexpected_error()
            log.error("task_failed", exc_info=error)
        if isinstance(failure, NotFound):  # the source: without it, another attempt would fail for that
            await segments.fail(claim.lease, TaskFailure(task, Code.STORAGE_ERROR, failure.message, retryable=False))
        elif failure.retryable and claim.failures + 1 < self.policy.attempts:
            not_before = now + self.policy.backoff(claim.failures)
            await segments.release(claim.lease, failed=True, not_before=not_before)
        else:
            await segments.fail(claim.lease, TaskFailure(task, failure.code, failure.message, failure.retryable))
        return str(failure.code)

    async def _discard_orphans(self, claim: TaskClaim) -> None:
        """Delete what was stored for a film that has no use for it, after its other files were deleted: one that has
        ended without segments, or whose plan was withdrawn."""
        folder, discard = results_folder(claim.upload), self.deps.media.discard_segments
        try:
            upload, progress = await self._film_of(claim)
            if upload is None or upload.stage in _ENDED_WITHOUT_RESULTS or _is_done_without_segments(upload):
                await discard(folder)
            elif upload.stage is Stage.DONE:
                await delete_unlisted_segments(self.deps.media, upload)
            elif progress is None or progress.plan_id != claim.plan.id:
                for name in claim.task.renditions:
                    await discard(folder, beginning=segment_name(claim.plan.id, name, claim.task.segment))
                    await discard(folder, beginning=init_name(claim.plan.id, name))
        except RoomcastError as error:
            log.warning("files_not_deleted", reason=error.message)

    async def _film_of(self, claim: TaskClaim) -> tuple[Upload | None, SegmentProgress | None]:
        """Return the upload as it is now, None if it is gone, and how far its plan is, None if it has none."""
        try:
            upload = await self.ledger.get(claim.upload.id)
            return upload, await self.ledger.segments.progress(upload.id)
        except NotFound:
            return None, None


def _is_done_without_segments(upload: Upload) -> bool:
    """Return whether a completed film has no segments: neither as results, nor for those who are watching it still."""
    outputs = (upload.element or {}).get("outputs", [])
    has_ladder = any(f"/{SEGMENTS}/" in output["key"] for output in outputs)
    return upload.stage is Stage.DONE and upload.segments_expire_at is None and not has_ladder


async def _encode(
    job: Job,
    claim: TaskClaim,
    source: SparseSource,
    on_fraction: Callable[[float], None],
    similar: SegmentFile | None,
) -> EncodedTask:
    """Encode a task from the bytes of the source that its segment needs. `similar` is an encoded segment like it.

    If that fails, the reason may be bytes that were not fetched, so it is repeated from the complete source.
    """
    path = await _fetch(job, claim, source)
    try:
        encoded = await encode_task(replace(job, path=path), claim.plan, claim.task, on_fraction, similar=similar)
        if not encoded.missing or (source.is_complete and path == source.path):
            return encoded
        reason = "Frames are missing."
    except (UnreadableMedia, TranscodeError) as error:
        if source.is_complete and path == source.path:
            raise
        reason = error.message
    log.warning("source_read_whole", reason=reason)
    await source.fill_all()
    again = job.scratch / "again"
    again.mkdir()
    return await encode_task(replace(job, scratch=again), claim.plan, claim.task, on_fraction, similar=similar)


async def _fetch(job: Job, claim: TaskClaim, source: SparseSource) -> Path:
    """Fetch the bytes of the source that the segment of a task needs, and return the file from which it is encoded."""
    settings, segment = claim.plan.settings, claim.task.segment
    if "excerpts" in settings:
        excerpts, path = Excerpts.from_json(settings["excerpts"]), job.scratch / "excerpt"
        await source.fill(excerpts.ranges(segment))
        await asyncio.to_thread(excerpts.write, segment, source.path, path)
        return path
    if "ranges" in settings:
        await source.fill(SourceRanges.from_json(settings["ranges"]).of(segment))
    else:
        await source.fill_all()
    return source.path
