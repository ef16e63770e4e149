"""Workers that compress films in segments without ffmpeg: a real ledger and media store, and an encoder that waits."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from roomcast.dispatch.in_process import InProcessDispatch
from roomcast.extensions.steps import Step
from roomcast.ledger import lease as lease_module
from roomcast.ledger.lease import AttemptPolicy
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.url_signer import UrlSigner
from roomcast.runtime.clocks import Clock, unix_time
from roomcast.segments.plan import SegmentFile, SegmentPlan, SegmentTask
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Source, SourceKind, Upload, new_upload_id
from roomcast.uploads.templates import Template, Templates
from roomcast_workers import worker
from roomcast_workers.ffmpeg.binaries import Binaries
from roomcast_workers.job import Job, ResultFile, WorkerDeps
from roomcast_workers.segments import coordinator, task_worker
from roomcast_workers.segments.planner import SingleRun
from roomcast_workers.segments.task_encoder import EncodedSegment, EncodedTask
from roomcast_workers.steps import built_in
from roomcast_workers.steps.plan import StepPlan
from roomcast_workers.video.encoder import EncodedFile
from roomcast_workers.worker import WorkerPool

from tests.support.harness import paths_below
from tests.support.segment_files import film_plan

SHORT = "short.mp4"
"""The filename of a video that is compressed in one run."""

LADDER = Template(name="ladder", hls=(720, 480))


@dataclass(frozen=True)
class Task:
    """A task that the encoder was given."""

    filename: str
    segment: int
    renditions: tuple[str, ...]


@dataclass
class Encoder:
    """Encodes a segment into a few bytes, as soon as it `may`. `begun` and `done` have its tasks in order."""

    begun: list[Task] = field(default_factory=list)
    done: list[Task] = field(default_factory=list)
    failures: list[tuple[int, Exception]] = field(default_factory=list)
    """The errors with which the next tasks of segments fail."""
    similar: dict[int, int] = field(default_factory=dict)
    """For each segment, that which was given as similar to it."""
    running: Counter[str] = field(default_factory=Counter)
    most_running: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    may: Callable[[Task], bool] = lambda _: True

    async def encode(
        self,
        job: Job,
        _plan: SegmentPlan,
        task: SegmentTask,
        on_fraction: Callable[[float], None],
        *,
        similar: SegmentFile | None,
    ) -> EncodedTask:
        if similar is not None:
            self.similar[task.segment] = similar.segment
        mine = Task(job.upload.filename, task.segment, task.renditions)
        self.running[mine.filename] += 1
        self.most_running = max(self.most_running, self.running.total())
        try:
            await self._notify(self.begun, mine)
            on_fraction(0.5)
            async with self.changed:
                await self.changed.wait_for(lambda: self.may(mine))
            for number, (segment, error) in enumerate(self.failures):
                if segment == task.segment:
                    del self.failures[number]
                    raise error
            files = tuple(self._write(job, task, name) for name in task.renditions)
            await self._notify(self.done, mine)
            return EncodedTask(files)
        finally:
            self.running[mine.filename] -= 1

    async def release(self, may: Callable[[Task], bool] = lambda _: True) -> None:
        """Let the tasks continue that `may`."""
        self.may = may
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(condition)

    async def _notify(self, tasks: list[Task], task: Task) -> None:
        tasks.append(task)
        async with self.changed:
            self.changed.notify_all()

    def _write(self, job: Job, task: SegmentTask, name: str) -> EncodedSegment:
        path, init = job.scratch / f"{name}.m4s", job.scratch / f"{name}.init"
        path.write_bytes(f"[{task.segment}]".encode())
        init.write_bytes(f"<{name}>".encode())
        return EncodedSegment(name, path, init, "avc1.64001f", 200, 24)


class FilmWorkers:
    """A deployment of one ledger and one media store. Its films have three segments in two renditions."""

    def __init__(self, folder: Path, clock: Clock = unix_time) -> None:
        self.folder = folder
        self.ledger = SqliteLedger(folder / "ledger.sqlite3", clock=clock)
        self.ledger.add_observer(self._on_event)
        self.media = DirectoryMediaStore(folder / "data", UrlSigner(b"0123456789abcdef", seconds=60))
        self.dispatch = InProcessDispatch()
        self.encoder = Encoder()
        self.plan = film_plan(listed=[480])
        self.steps: list[Step] = []  # of the application
        self.events: list[Upload] = []
        self._waiting: list[tuple[Callable[[Upload], bool], asyncio.Future[Upload]]] = []
        self.in_one_run = False
        self._pools = 0

    def _on_event(self, _before: Upload | None, upload: Upload) -> None:
        self.events.append(upload)
        for condition, found in self._waiting:
            if not found.done() and condition(upload):
                found.set_result(upload)

    async def until(self, upload_id: str, condition: Callable[[Upload], bool]) -> Upload:
        """Return an upload when an event has brought it there, or has already."""

        def holds(upload: Upload) -> bool:
            return upload.id == upload_id and condition(upload)

        for upload in self.events:
            if holds(upload):
                return upload
        found: asyncio.Future[Upload] = asyncio.get_running_loop().create_future()
        self._waiting.append((holds, found))
        async with asyncio.timeout(60):
            return await found

    async def ended(self, upload_id: str) -> Upload:
        return await self.until(upload_id, lambda upload: upload.state.terminal)

    async def queue(
        self, filename: str = "film.mp4", *, template: str = "auto", owner: str = "ada", kind: SourceKind = "video"
    ) -> str:
        upload = Upload(new_upload_id(), owner, template, filename, "e1", 0.0, 0.0)
        key = f"{upload.id}.1"
        async with self.media.receive(key) as receiving:
            await receiving.write(filename.encode())
            await receiving.commit()
        source = Source(key, len(filename), kind, "mov", "video/mp4", "0" * 32, "0" * 64)
        await self.ledger.create([upload])
        queued = await self.ledger.append(upload.id, Change(Entered(Stage.QUEUED), "Queued", source=source))
        await self.dispatch.wake(upload.id, queued.seq)
        return upload.id

    @asynccontextmanager
    async def workers(
        self, count: int, *, attempts: int = 3, retry_seconds: float = 0.001, template: Template = LADDER
    ) -> AsyncIterator[WorkerPool]:
        self._pools += 1
        deps = WorkerDeps(self.media, Binaries("ffmpeg", "ffprobe"), stall_seconds=60, step_seconds=60)
        templates, policy = Templates({template.name: template}), AttemptPolicy(60.0, attempts, retry_seconds)
        scratch = self.folder / "work" / str(self._pools)
        pool = WorkerPool(self.ledger, self.dispatch, templates, deps, StepPlan(self.steps, _STEPS), policy, scratch)
        async with pool.running(count):
            yield pool

    def stored(self, upload_id: str) -> list[str]:
        """The results of an upload, by their names below its folder."""
        folder = self.folder / "data" / "media" / upload_id
        return sorted(path.relative_to(folder).as_posix() for path in paths_below(folder) if path.is_file())


async def _probe(job: Job) -> None:
    video = SimpleNamespace(fps=25.0)
    job.state.verified = cast(Any, SimpleNamespace(info=SimpleNamespace(video=video, audio=None), seconds=24.0))


_STEPS = (
    *(step for step in built_in.BUILT_IN_STEPS if step.name in {"fetch", "compress", "store", "clean"}),
    Step("probe", _probe, after=Stage.PROBING, share=1),
    Step("plan", coordinator.plan_video, after="probe", share=1, seconds=math.inf),
)


def film_workers(folder: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock = unix_time) -> FilmWorkers:
    """Return a deployment whose films need no ffmpeg."""
    made = FilmWorkers(folder, clock)

    def plan(job: Job, *_: object, encoder: str) -> SegmentPlan | SingleRun:
        if made.in_one_run or job.upload.filename == SHORT:
            return SingleRun("The film is short.")
        return SegmentPlan(**vars(made.plan) | {"encoder": encoder, "id": f"{encoder[-1]}-{made.plan.id}"})

    async def join(job: Job, _source: object, _board: object, paths: dict[str, Path]) -> EncodedFile:
        path = job.scratch / "video.mp4"
        path.write_bytes(b"".join(paths[name].read_bytes() for name in sorted(paths)))
        return EncodedFile(path, cast(Any, None), "mov", "video/mp4")

    async def compress(job: Job) -> None:
        path = job.scratch / "video.mp4"
        path.write_bytes(b"short")
        job.state.results.files.append(ResultFile(path, "video", "video/mp4"))

    async def add(job: Job, _source: object, encoded: EncodedFile) -> None:
        job.state.results.files.append(ResultFile(encoded.path, "video", encoded.mime))

    monkeypatch.setattr(worker, "read_encoder_version", answering("encoder-1"))
    monkeypatch.setattr(task_worker, "encode_task", made.encoder.encode)
    for kind in ("video", "image"):
        monkeypatch.setitem(cast(dict[str, Any], built_in._COMPRESS), kind, compress)
    for name, patched in {
        "is_copied": answering(False),
        "settings_for": answering(None),
        "plan_film": plan,
        "join_film": join,
        "within_template": lambda _job, _source, _settings, encoded, _meter: answering(encoded)(),
        "add_video": add,
        "compress_video": compress,
        "wants_hls": lambda _job: False,
        "hls_cost": lambda _job: 1.0,
        "_PROGRESS_SECONDS": 0.005,
        "_BOARD_SECONDS": 0.0,
        "_WAKE_SECONDS": 0.01,
    }.items():
        monkeypatch.setattr(coordinator, name, patched)
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.01)
    return made


def answering(value: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A coroutine function that returns `value`."""

    async def answer(*_: object, **__: object) -> Any:
        return value

    return answer
