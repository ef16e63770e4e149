"""Coordinate the compression of a film in segments: plan it, wait for its tasks, and join what they have made.

The coordinator has the upload's lease. It records the plan and parks: workers, of this process and of others, do the
tasks. Meanwhile it makes the sound. Once all is done it joins the segments and the sound into the MP4 file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import structlog
from roomcast.dispatch.wake_ups import count_workers, wake_worker, wake_workers
from roomcast.errors import Code, NotFound, RoomcastError, StorageError, TranscodeError, UnreadableMedia
from roomcast.media.result_keys import SEGMENTS
from roomcast.runtime.tasks import cancel_and_wait, run_for_each
from roomcast.segments.plan import (
    AUDIO,
    AudioSegment,
    AudioTrack,
    InitFile,
    SegmentBoard,
    SegmentPlan,
    SegmentProgress,
    TaskFailure,
)
from roomcast.segments.playlists import MASTER_PLAYLIST, playable, playlists
from roomcast.uploads.model import results_folder

from roomcast_workers.job import Job, ResultFile, WorkerContext
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.segments.join import join_film, missing_frames, verify_headers
from roomcast_workers.segments.planner import SingleRun, plan_film
from roomcast_workers.segments.sound import EncodedSound, encode_early_sound, encode_sound
from roomcast_workers.segments.stored_files import file_sha256, init_name, segment_name, sound_name
from roomcast_workers.video.encoder import EncodedFile, settings_for
from roomcast_workers.video.pipeline import (
    add_video,
    compress_video,
    hls_cost,
    is_copied,
    make_renditions,
    verified_media,
    wants_hls,
    within_template,
)
from roomcast_workers.video.progress_meter import FilmMeter, ProgressMeter
from roomcast_workers.video.rate_control import fit_bytes, quality_metric
from roomcast_workers.video.size_budget import exceeds_target

log = structlog.get_logger(__name__)

_PROGRESS_SECONDS = 0.25
_WAKE_SECONDS = 1.0
_BOARD_SECONDS = 1.0
"""The shortest interval between two readings of the board, which has the results of all tasks."""

_SHORT_SECONDS = 120.0
"""The sound of a film up to that length takes about a second of CPU time, and is made beside the first segment."""

_TASKS_PER_WORKER = 16
"""How many tasks a film has for each worker at least if one of them begins it alone. So it takes a sixteenth longer at
most, and in practice hardly, because one encoder has threads for several processors."""

_PLAN_ERRORS = frozenset({Code.TRANSCODE_ERROR, Code.UNREADABLE_MEDIA})
"""Errors of a segment that a run over the complete film need not have."""

_COPYING_COST, _TWO_PASSES_COST = 0.02, 1.7
"""What making the video beside its ladder costs, in relation to compressing it once."""

_RETRY_TEXT = "A segment could not be compressed and will be tried again. The others continue."

_FETCHES_AT_ONCE = 8
_PLAYLIST_MIME = "application/vnd.apple.mpegurl"


async def plan_video(job: Job) -> None:
    """Decide whether the video is copied, or else whether it is compressed in segments; then record the plan."""
    source, state = verified_media(job), job.state
    if source.info.video is None:
        return
    try:
        state.copies = await is_copied(job, source)
    except (UnreadableMedia, TranscodeError) as error:
        if not job.is_source_partial:
            raise
        log.warning("source_read_whole", reason=error.message)
        await job.complete_source()
        state.copies = await is_copied(job, source)
    if job.worker is None:
        return
    planned = await _plan(job, job.worker, source)
    if isinstance(planned, str):
        log.info("film_in_one_run", reason=planned)
        await _forget_plan(job, job.worker)
    else:
        state.plan = planned
        await job.reporter.update(text=_text(planned))
        state.is_first_alone = len(planned.tasks) >= _TASKS_PER_WORKER * await count_workers(job.worker.dispatch)
        if not state.is_first_alone:
            await wake_workers(job.worker.dispatch, job.upload.id, at_most=len(planned.tasks))


async def compress_film(job: Job, worker: WorkerContext, plan: SegmentPlan) -> None:
    """Compress the video, or its ladder alone, in segments, and store its playlists."""
    if plan.ladder_only:
        await _compress_beside_ladder(job, worker, plan)
        return
    source = verified_media(job)
    try:
        board = await _Coordinator(job, worker, plan, source).complete()
        await job.complete_source()  # which may be copied instead
        encoded = await _join(job, worker, board, source)
    except RoomcastError as error:
        await _compress_in_one_run(job, worker, error)
        return
    settings = encoded.settings or await settings_for(job, source)
    meter = ProgressMeter(source.seconds, job.reporter.progress, starts_at=1.0)
    await add_video(job, source, await within_template(job, source, settings, encoded, meter))
    _add_playlists(job, board)


async def _compress_beside_ladder(job: Job, worker: WorkerContext, plan: SegmentPlan) -> None:
    """Make the ladder in segments, then copy the video or compress it in one run, and store the playlists.

    The ladder comes first, because viewers can watch it meanwhile.
    """
    cost = hls_cost(job)
    share = cost / (cost + (_COPYING_COST if job.state.copies else _TWO_PASSES_COST))
    ladder = replace(job, reporter=job.reporter.between(0, share))
    try:
        board = await _Coordinator(ladder, worker, plan, verified_media(job)).complete()
        verify_headers(board)
    except RoomcastError as error:
        await _compress_in_one_run(job, worker, error)
        return
    await compress_video(replace(job, reporter=job.reporter.between(share, 1)))
    if missing := missing_frames(board, verified_media(job).seconds):
        job.state.results.extra["partial"] = missing
    _add_playlists(job, board)


async def _compress_in_one_run(job: Job, worker: WorkerContext, error: RoomcastError) -> None:
    """Compress the video in one run, if an error shows that its plan does not fit the file. Raise any other error."""
    if error.code not in _PLAN_ERRORS or error.retryable:
        raise error
    log.warning("film_in_one_run", reason=error.message)
    await _forget_plan(job, worker)
    job.state.plan = None
    await compress_video(job)
    if wants_hls(job):
        await make_renditions(job)


async def _plan(job: Job, worker: WorkerContext, source: VerifiedMedia) -> SegmentPlan | str:
    """Record the plan of the film and return it, or why it is compressed in one run."""
    settings, target_bytes = await settings_for(job, source), job.template.target_bytes
    if target_bytes is not None and exceeds_target(job.source.size, job.template):
        settings, _ = fit_bytes(source, settings, target_bytes)
    wants_quality = job.template.target_quality is not None and not job.state.copies
    metric = await quality_metric(job, settings.codec.name) if wants_quality else None
    planned = await asyncio.to_thread(plan_film, job, source, settings, metric, encoder=worker.encoder)
    if isinstance(planned, SingleRun):
        return planned.reason
    before = await worker.segments.progress(job.upload.id)
    if before is not None and before.plan_id != planned.id:  # by an encoder of another version, or for other settings
        await _forget_plan(job, worker)
    board = await worker.segments.plan(worker.lease, planned)
    log.info("film_planned", plan=planned.id[:8], segments=len(planned.segments), done=len(board.results))
    return planned


async def _forget_plan(job: Job, worker: WorkerContext) -> None:
    """Delete the plan of an earlier attempt, and what was made by it."""
    if await worker.segments.progress(job.upload.id) is not None:
        await job.reporter.update(playable={})  # first: if the process is killed, the next attempt finds the plan
        await worker.segments.withdraw(worker.lease)
        await job.deps.media.discard_segments(results_folder(job.upload))
        job.state.is_plan_withdrawn = True


class _Coordinator:
    """Waits for the tasks and the sound of one film, and reports how far they are."""

    def __init__(self, job: Job, worker: WorkerContext, plan: SegmentPlan, source: VerifiedMedia) -> None:
        self._job = job
        self._worker = worker
        self._plan = plan
        self._source = source
        self._meter = FilmMeter(plan.seconds, plan.fps, job.reporter.progress)
        self._playable = {} if job.state.is_plan_withdrawn else job.upload.playable or {}
        self._version = -1
        self._has_delayed = False
        self._first_done = asyncio.Event()  # the task of the first segment
        self._is_first_alone = job.state.is_first_alone
        self._read_at = self._woken_at = time.monotonic() - _WAKE_SECONDS

    async def complete(self) -> SegmentBoard:
        """Return the board once all tasks are done and the sound is complete, without a slot meanwhile."""
        sound = asyncio.create_task(self._make_sound(), name="sound of a film")
        try:
            if self._is_first_alone:
                self._woken_at = time.monotonic()  # the worker that has planned the film does its first task
            async with self._worker.slot.parked():
                while not await self._are_tasks_done():
                    if sound.done():
                        sound.result()
                    await asyncio.sleep(_PROGRESS_SECONDS)
                self._first_done.set()
                await sound
                return await self._read_board()
        finally:
            await cancel_and_wait(sound)

    async def _are_tasks_done(self) -> bool:
        """Report the progress of the tasks, wake a worker if some wait, and return whether all are done."""
        try:
            progress = await self._worker.segments.progress(self._job.upload.id)
        except StorageError as error:  # the renewal of the lease decides whether it lasts too long
            log.warning("progress_not_read", reason=error.message)
            return False
        if progress is None or progress.plan_id != self._plan.id:
            raise StorageError("The plan of the film was lost.")
        if progress.failure:
            raise TaskFailed(progress.failure)
        now = time.monotonic()
        if progress.version != self._version and now - self._read_at >= _BOARD_SECONDS:
            self._read_at = now
            await self._read_board()
        self._meter.update(progress)
        if bool(progress.delayed) != self._has_delayed:
            self._has_delayed = bool(progress.delayed)
            await self._job.reporter.update(text=_RETRY_TEXT if self._has_delayed else _text(self._plan))
        if progress.waiting:
            await self._wake_workers(progress)
        return progress.done == progress.tasks

    async def _wake_workers(self, progress: SegmentProgress) -> None:
        """Wake a worker for the tasks that wait. If the first is done alone, wake none meanwhile, and all after it."""
        dispatch, upload_id, now = self._worker.dispatch, self._job.upload.id, time.monotonic()
        if self._is_first_alone and (self._first_done.is_set() or progress.delayed):
            self._is_first_alone = False
            await wake_workers(dispatch, upload_id, at_most=progress.waiting)
        elif now - self._woken_at >= _WAKE_SECONDS and not (self._is_first_alone and progress.running):
            self._woken_at = now
            await wake_worker(dispatch, upload_id)

    async def _read_board(self) -> SegmentBoard:
        """Read the results so far, and report what can be played of them and how many bytes they have."""
        board = await self._worker.segments.board(self._job.upload.id)
        if board is None:
            raise StorageError("The plan of the film was lost.")
        self._version = board.version
        if self._plan.tasks[0].number in board.results:
            self._first_done.set()
        if not self._plan.ladder_only:
            self._record_size(board)
        found = cast(dict[str, Any], playable(board, self._job.segments_folder) or {})
        if found != self._playable:  # nothing, if results of the plan were lost
            self._playable = found
            await self._job.reporter.update(playable=found)
        return board

    def _record_size(self, board: SegmentBoard) -> None:
        """Note how many bytes what there is of the video has."""
        best = board.files(self._plan.renditions[0].name)
        seconds, size = sum(self._plan.segments[file.segment].seconds for file in best), sum(file.size for file in best)
        if board.audio and board.audio.segments:
            heard = sum(segment.seconds for segment in board.audio.segments)
            size += round(sum(segment.size for segment in board.audio.segments) * seconds / max(heard, 1e-3))
        self._meter.record_size(seconds, size)

    async def _make_sound(self) -> None:
        """Make the sound, and record it as far as it is stored. Do nothing if it is complete already.

        All of the sound of a long film would take a processor from the first segment. So it is made after that, and
        beside it only the first segments of the sound.
        """
        board = await self._worker.segments.board(self._job.upload.id)
        if not self._plan.has_audio or (board and board.audio and board.audio.complete):
            return
        has_sound, is_short = board is not None and board.audio is not None, self._plan.seconds <= _SHORT_SECONDS
        stored = list[AudioSegment]()
        init: InitFile | None = None

        async def on_segments(sound: EncodedSound) -> None:
            nonlocal init
            if init is None:
                init = InitFile(AUDIO, init_name(self._plan.id, AUDIO), file_sha256(sound.init_path), sound.codec)
                await self._job.store_segment(sound.init_path, init.name)
            for number in range(len(stored), len(sound.segments)):
                made, name = sound.segments[number], segment_name(self._plan.id, AUDIO, number)
                stored.append(AudioSegment(name, made.seconds, made.path.stat().st_size))
                await self._job.store_segment(made.path, name)
            file = None
            if sound.file:
                file = sound_name(self._plan.id)
                await self._job.store_segment(sound.file, file)
            track = AudioTrack(init, sound.channels, tuple(stored), complete=file is not None, file=file)
            await self._worker.segments.set_audio(self._worker.lease, track)

        if not has_sound and (self._job.is_source_partial or not is_short):
            await self._make_early_sound(on_segments)
        await self._job.complete_source()
        if not is_short:
            await self._first_done.wait()
        await encode_sound(self._job, self._source, self._plan, on_segments)

    async def _make_early_sound(self, on_segments: Callable[[EncodedSound], Awaitable[None]]) -> None:
        """Make the first segments of the sound, so that the film is playable with its first segment.

        They are made again with the others.
        """
        job = replace(self._job, scratch=self._job.scratch / "early")
        await asyncio.to_thread(job.scratch.mkdir)
        try:
            sound = await encode_early_sound(job, self._source, self._plan)
        except (UnreadableMedia, TranscodeError) as error:
            log.warning("early_sound_not_made", reason=error.message)
        else:
            if sound is not None:
                await on_segments(sound)


def _text(plan: SegmentPlan) -> str:
    return f"Compressing the video in {len(plan.segments)} segments"


class TaskFailed(RoomcastError):
    """A task of the film failed for good, with the code and the message of its error.

    It was tried as often as an upload is, so the upload is not tried again by itself. If the error is `retryable`, its
    owner can do so.
    """

    def __init__(self, failure: TaskFailure) -> None:
        super().__init__(failure.message)
        self.code = failure.code
        self._retryable = failure.retryable

    @property
    def retryable(self) -> bool:
        return self._retryable


async def _join(job: Job, worker: WorkerContext, board: SegmentBoard, source: VerifiedMedia) -> EncodedFile:
    """Join the segments of the best rendition and the sound into one file.

    A stored segment that is missing, as after a restored backup, is made again by the next attempt.
    """
    best = board.plan.renditions[0].name
    init, audio = board.init(best), board.audio
    names = [file.name for file in board.files(best)] + [found.name for found in (init,) if found]
    names += [audio.file] if audio and audio.file else []
    folder, paths = job.scratch / SEGMENTS, dict[str, Path]()
    folder.mkdir()
    async with AsyncExitStack() as fetched:

        async def fetch(name: str) -> None:
            result = job.deps.media.fetch_result(f"{job.segments_folder}/{name}", folder)
            paths[name] = await fetched.enter_async_context(result)

        try:
            await run_for_each(names, fetch, at_once=_FETCHES_AT_ONCE)
        except NotFound as error:
            await _forget_plan(job, worker)
            raise StorageError("A segment of the film is missing in the media store.") from error
        return await join_film(job, source, board, paths)


def _add_playlists(job: Job, board: SegmentBoard) -> None:
    """Add the final playlists to the results. They are listed if the template asks for the ladder."""
    largest = next((one for one in board.plan.renditions if one.listed), board.plan.renditions[0])
    for name, text in playlists(board).items():
        path = job.scratch / name
        path.write_text(text)
        file = ResultFile(path, "hls", _PLAYLIST_MIME, listed=False, subfolder=SEGMENTS)
        if name == MASTER_PLAYLIST and job.template.hls:
            size = largest.width, largest.height
            file = replace(file, width=size[0], height=size[1], duration=round(board.plan.seconds, 3), listed=True)
        job.state.results.files.append(file)
