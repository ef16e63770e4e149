"""Films that are planned and encoded in segments as workers do it, without a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from roomcast.segments.plan import InitFile, SegmentBoard, SegmentFile, SegmentPlan, TaskResult
from roomcast_workers.job import Job
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.segments.fragments import read_fragments
from roomcast_workers.segments.planner import SingleRun, plan_film
from roomcast_workers.segments.task_encoder import encode_task
from roomcast_workers.sources.reader import read_source
from roomcast_workers.video.encoder import settings_for
from roomcast_workers.video.rate_control import quality_metric

from tests.support.jobs import job_on


@dataclass(frozen=True)
class PlannedFilm:
    """A film that was read and planned: the job, what the source contains, and the plan."""

    job: Job
    media: VerifiedMedia
    plan: SegmentPlan

    @property
    def source_times(self) -> list[float]:
        """When the frames of the source are shown, from the beginning of the result."""
        assert self.media.info.video is not None
        begin = self.plan.settings["seeks"][0] - self.plan.segments[0].start
        return [time - begin for time in sorted(self.media.scan.stream(self.media.info.video.index).times)]


async def read_and_plan(
    clip: Path, folder: Path, **template: Any
) -> tuple[Job, VerifiedMedia, SegmentPlan | SingleRun]:
    """Read a clip and plan it."""
    job, _ = job_on(clip, folder, **{"preset": "ultrafast"} | template)
    job.state.fetched = job.path
    job, media = await read_source(job)
    settings = await settings_for(job, media)
    metric = await quality_metric(job, settings.codec.name) if "target_quality" in template else None
    return job, media, plan_film(job, media, settings, metric, encoder="encoder-1")


async def planned_film(clip: Path, folder: Path, **template: Any) -> PlannedFilm:
    """Read a clip and plan it in segments."""
    job, media, plan = await read_and_plan(clip, folder, **template)
    assert isinstance(plan, SegmentPlan), plan
    return PlannedFilm(job, media, plan)


async def encode_all(
    film: PlannedFilm, on_fraction: Callable[[float], None] = lambda _: None
) -> tuple[SegmentBoard, dict[str, Path]]:
    """Encode all tasks of a film, and return its board and the files by their names."""
    board, paths = SegmentBoard(film.plan), dict[str, Path]()
    for task in film.plan.tasks:
        similar = board.nearest(film.plan.renditions[0].name, task.segment)
        made = await encode_task(film.job, film.plan, task, on_fraction, similar=similar)
        files, inits = list[SegmentFile](), list[InitFile]()
        for file in made.files:
            name, init = f"{file.rendition}-{task.segment}.m4s", f"{file.rendition}-init.mp4"
            header = file.init_path.read_bytes()
            assert init not in paths or paths[init].read_bytes() == header, "all segments must have the same header"
            paths[name] = file.path.rename(file.path.with_name(name))
            paths[init] = file.init_path.rename(file.init_path.with_name(init))
            files.append(
                SegmentFile(
                    *(file.rendition, task.segment, name, paths[name].stat().st_size, file.frames),
                    crf=file.crf,
                    score=file.score,
                )
            )
            inits.append(InitFile(file.rendition, init, "", file.codec))
        board = replace(
            board, results={**board.results, task.number: TaskResult(tuple(files), tuple(inits), made.missing)}
        )
    return board, paths


def shown_times(board: SegmentBoard, paths: dict[str, Path], rendition: str) -> list[float]:
    """Return when the frames of a rendition are shown, in seconds, as its segments have it one after the other."""
    init = board.init(rendition)
    assert init is not None
    times = list[float]()
    for file in board.files(rendition):
        read = read_fragments(memoryview(paths[init.name].read_bytes() + paths[file.name].read_bytes()))
        assert read.frames[0].keyframe
        times += [tick / 90_000 for tick in read.shown]
    return times
