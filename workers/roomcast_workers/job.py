"""A job: one upload being processed, with what its steps need and what they have made."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from roomcast.dispatch.contract import Dispatch
from roomcast.dispatch.slots import WorkerSlot
from roomcast.errors import Code, WrongState
from roomcast.extensions.steps import SourceMedia
from roomcast.ledger.lease_tokens import Lease
from roomcast.ledger.segments import SegmentTasks
from roomcast.media.byte_ranges import ByteRange
from roomcast.media.contract import MediaStore, SparseSource
from roomcast.media.result_keys import DOWNLOAD, SEGMENTS, mime_type
from roomcast.media.shared_sources import SharedSources
from roomcast.segments.plan import SegmentPlan
from roomcast.uploads.filenames import MAX_STORED_BYTES, clean_filename, stored_filename
from roomcast.uploads.model import Forecast, Source, Tick, Upload, results_folder
from roomcast.uploads.sniff import OCTETS
from roomcast.uploads.templates import Preset, Template

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.binaries import Binaries
from roomcast_workers.ffmpeg.capabilities import Capabilities
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.ffmpeg.runner import (
    ffprobe_listing,
    read_capabilities,
    read_frame_sizes,
    run_ffmpeg,
    run_ffprobe,
    scan_packets,
)
from roomcast_workers.limits import MediaLimits
from roomcast_workers.media_info.frame_sizes import FrameSizes
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import MediaInfo, VideoStream, parse_ffprobe
from roomcast_workers.media_info.section_packets import VideoPacket, parse_packets
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.reporter import StepReporter
from roomcast_workers.sandbox.sandbox import USUAL_NICE, ResourceLimits
from roomcast_workers.step_control import StepControl

_GIB = 1 << 30

_PROBE_LIMITS = ResourceLimits(address_space=_GIB, cpu_seconds=60, file_size=1 << 20)
_ENCODE_ADDRESS_SPACE = 8 * _GIB
_MAX_RESULT = 16 * _GIB
_RESULT_PER_SOURCE = 32
_RESULT_BASE = _GIB // 4

NON_FATAL = frozenset({Code.UNREADABLE_MEDIA, Code.TRANSCODE_ERROR, Code.STALLED, Code.TIMEOUT})
"""Errors after which an upload completes without its poster or storyboard: the video itself may be fine."""


@dataclass(frozen=True)
class WorkerDeps:
    """What the steps work with. Times are in seconds: `stall_seconds` without progress, `step_seconds` in all. `preset`
    is that of templates without one."""

    media: MediaStore
    binaries: Binaries
    stall_seconds: float
    step_seconds: float
    preset: Preset = "fast"
    limits: MediaLimits = field(default_factory=MediaLimits)


@dataclass(frozen=True)
class ResultFile:
    """A result that is still a local file and will be stored as `stored_as`, by default under its own file name.

    One that is not `listed` is stored but reached through another: a segment through its playlist. `subfolder` is the
    folder in that of the results.
    """

    path: Path
    kind: str
    mime: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    codec: str | None = None
    listed: bool = True
    stored_as: str | None = None
    subfolder: str = ""

    @property
    def name(self) -> str:
        return self.stored_as or self.path.name


@dataclass
class Results:
    """What a source was processed into.

    `files` are still to be stored, the main result first, and `added` those that steps of the application have added.
    `outputs` are the entries of stored files; `published` those that were stored and reported ahead of the others.
    `original` describes the source (fields of `element.original`), `extra` the result (fields of `element`).
    """

    files: list[ResultFile] = field(default_factory=list)
    added: list[ResultFile] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)
    original: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class JobState:
    """What the steps of one attempt have found out and made so far.

    `source` is the source, of which not all bytes may be fetched yet, and `fetched` is its file. `readable` is the file
    that later steps read, with its description: the source, or a copy that ffmpeg reads completely; `verified` is what
    it contains. `copies` says whether the video is to be copied. A film that is compressed in segments has a `plan`;
    `is_first_alone` says whether no worker is woken before its first segment is done, which so has all processors, and
    `is_plan_withdrawn` says whether an earlier plan was withdrawn, with what could be played. `derived_from` is what
    renditions and pictures are made of, with its demuxer. What `opened` has is closed by the step `clean`.
    """

    source: SparseSource | None = None
    fetched: Path | None = None
    readable: tuple[Path, Source] | None = None
    verified: VerifiedMedia | None = None
    copies: bool = False
    plan: SegmentPlan | None = None
    is_first_alone: bool = False
    is_plan_withdrawn: bool = False
    derived_from: tuple[Path, MediaInfo, str] | None = None
    results: Results = field(default_factory=Results)
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)


@dataclass(frozen=True)
class WorkerContext:
    """What a job has of the worker that has its lease: the worker's `slot`, the `sources` that its process has fetched,
    the ledger's `segments`, in which films are planned, and `dispatch`, which wakes other workers. Only those whose
    encoder has the version `encoder` make segments of the same film."""

    lease: Lease
    segments: SegmentTasks
    dispatch: Dispatch
    slot: WorkerSlot
    encoder: str
    sources: SharedSources


_KIND = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_RESERVED_NAME = re.compile(r"(video|audio|image|poster|sprite|storyboard|hls)([-.].*)?", re.IGNORECASE)
"""The names of the built-in steps' results."""


@dataclass(frozen=True)
class Job:
    """One upload to process, as one step is given it; the implementation of `StepJob`.

    Its source is the read-only local file `path`, and `scratch` is the directory for the results. What the steps have
    made is in `state`, which they share. Without a `worker`, every video is compressed in one run.
    """

    upload: Upload
    source: Source
    path: Path
    template: Template
    deps: WorkerDeps
    reporter: StepReporter
    scratch: Path
    state: JobState = field(default_factory=JobState)
    own_dir: Path | None = None
    control: StepControl = field(default_factory=StepControl)
    worker: WorkerContext | None = None

    @property
    def source_path(self) -> Path:
        if self.state.fetched is None:
            raise WrongState("The source is not fetched yet: the step must run after `fetch`.")
        return self.state.fetched

    @property
    def work_dir(self) -> Path:
        return self.own_dir or self.scratch

    @property
    def results(self) -> Sequence[Path]:
        # A film's segments are stored already; their other playlists are of use only beside them.
        return [file.path for file in self.state.results.files if file.listed or file.subfolder != SEGMENTS]

    @property
    def media(self) -> SourceMedia:
        source, verified = self.upload.source or self.source, self.state.verified
        video, audio = (verified.info.video, verified.info.audio) if verified else (None, None)
        made = self.state.results.original  # of an image, its step has found out the size
        return SourceMedia(
            *(source.kind, source.format, source.mime, source.size),
            width=video.width if video else made.get("width"),
            height=video.height if video else made.get("height"),
            duration=verified.seconds if verified else None,
            codec=video.codec if video else None,
            fps=video.fps if video else None,
            audio_codec=audio.codec if audio else None,
        )

    def progress(self, fraction: float) -> Awaitable[None]:
        if not (isinstance(fraction, int | float) and 0 <= fraction <= 1):
            raise ValueError(f"The progress of a step is a number from 0 to 1, not {fraction!r}.")
        self.control.check()
        return self.control.call_soon(lambda: self.reporter.progress(Tick(float(fraction))))

    def add_output(
        self,
        path: Path,
        *,
        kind: str = "file",
        name: str | None = None,
        width: int | None = None,
        height: int | None = None,
        duration: float | None = None,
    ) -> None:
        self.control.check()
        path = Path(path).absolute()
        name = path.name if name is None else name
        if not path.is_file():
            raise ValueError(f"The output {name!r} is no file.")
        if not _KIND.fullmatch(kind):
            raise ValueError(f"The kind of an output has lower-case letters, digits and hyphens, unlike {kind!r}.")
        clean = clean_filename(name) == name and len(name.encode()) <= MAX_STORED_BYTES
        if not clean or "/" in name or name.startswith("."):
            raise ValueError(f"An output cannot be called {name!r}.")
        others = {stored_filename(self.upload.filename), *(file.name for file in self.state.results.added)}
        if name in others or _RESERVED_NAME.fullmatch(name):
            raise ValueError(f"There is another result called {name!r}. Give `add_output` another `name`.")
        mime = mime_type(name) if kind != "file" else None
        self.state.results.added.append(ResultFile(path, kind, mime or OCTETS, width, height, duration, stored_as=name))

    def input(self, path: Path, demuxer: str) -> InputFile:
        """Return a file for ffmpeg to read, with one demuxer and within this installation's limits."""
        return InputFile(path, demuxer, self.deps.limits)

    @property
    def preset(self) -> Preset:
        """How much effort goes into compressing a video, by x264's names."""
        return self.template.preset or self.deps.preset

    @property
    def source_input(self) -> InputFile:
        """The source, for ffmpeg to read."""
        return self.input(self.path, self.source.format)

    @property
    def is_source_partial(self) -> bool:
        """Whether bytes of the source are not fetched yet."""
        return self.state.source is not None and not self.state.source.is_complete

    async def fill(self, ranges: Iterable[ByteRange]) -> None:
        """Fetch these bytes of the source, so far as they are not there yet."""
        if self.state.source is not None and self.is_source_partial:
            await self.state.source.fill(ranges)

    async def complete_source(self) -> None:
        """Fetch what is not there of the source yet. Needed before more of it is read than is known to be there."""
        if self.state.source is not None and self.is_source_partial:
            await self.state.source.fill_all()

    async def probe(self, path: Path, demuxer: str) -> MediaInfo:
        """Return what ffprobe finds in a file; see `run_ffprobe` for its errors."""
        return parse_ffprobe(await run_ffprobe(self.deps.binaries, self.input(path, demuxer), limits=_PROBE_LIMITS))

    async def scan_packets(self) -> PacketScan:
        """Read every packet of the source."""
        return await scan_packets(
            self.deps.binaries, self.source_input, limits=_PROBE_LIMITS, timeout_seconds=self.deps.step_seconds
        )

    async def list_section_packets(
        self, file: InputFile, index: int, starts: Sequence[float], seconds: float
    ) -> list[VideoPacket]:
        """Return the packets of a stream in and around sections of `seconds` each."""
        listing = await ffprobe_listing(
            self.deps.binaries,
            file,
            commands.list_section_packets(file, index, starts, seconds),
            limits=_PROBE_LIMITS,
            timeout_seconds=self.deps.step_seconds,
        )
        return parse_packets(listing)

    async def read_frame_sizes(self, video: VideoStream) -> FrameSizes:
        """Return the sizes of the source's keyframes."""
        return await read_frame_sizes(
            self.deps.binaries,
            self.source_input,
            video,
            limits=self._encode_limits(),
            timeout_seconds=self.deps.step_seconds,
        )

    async def capabilities(self) -> Capabilities:
        """Return what the installed ffmpeg can do."""
        return await read_capabilities(self.deps.binaries)

    async def run_ffmpeg(
        self,
        arguments: list[str],
        on_progress: Callable[[ProgressBlock], None] = lambda _: None,
        *,
        on_log: Callable[[bytes], None] = lambda _: None,
        readable: Sequence[Path] = (),
        timeout_seconds: float = math.inf,
        nice: int = USUAL_NICE,
    ) -> None:
        """Run ffmpeg with arguments made by `commands`; see `run_ffmpeg` for its errors.

        It can read the source, the scratch folder and the files `readable`. `timeout_seconds` shortens the limit that
        every step has. `nice` is by how much its priority is below that of this process.
        """
        await run_ffmpeg(
            self.deps.binaries,
            arguments,
            on_progress=on_progress,
            stall_seconds=self.deps.stall_seconds,
            timeout_seconds=min(timeout_seconds, self.deps.step_seconds),
            limits=replace(self._encode_limits(), nice=nice),
            media_limits=self.deps.limits,
            readable=[self.path, *readable],
            cwd=self.scratch,
            on_log=on_log,
        )

    def _encode_limits(self) -> ResourceLimits:
        """Limit the result to a multiple of the source's size, and CPU time to all processors for the whole step."""
        return ResourceLimits(
            address_space=_ENCODE_ADDRESS_SPACE,
            cpu_seconds=math.ceil(self.deps.step_seconds * (os.cpu_count() or 1)),
            file_size=min(_MAX_RESULT, _RESULT_BASE + _RESULT_PER_SOURCE * self.source.size),
        )

    async def publish_poster(self, poster: ResultFile) -> dict[str, Any]:
        """Store the poster ahead of the other results, report it to the room, and return its output."""
        output = await self.store(poster, lambda _: None)
        await self.reporter.update(poster=output)
        return output

    async def publish_forecast(self, forecast: Forecast) -> None:
        """Report the expected size and duration of the compression to the room."""
        await self.reporter.update(forecast=forecast)

    async def store(self, file: ResultFile, on_bytes: Callable[[int], None]) -> dict[str, Any]:
        """Store a result and return its entry in `element.outputs`, without the URL."""
        size = file.path.stat().st_size
        subfolder = file.subfolder or (DOWNLOAD if file.mime == OCTETS else "")
        folder = "/".join(name for name in (results_folder(self.upload), subfolder) if name)
        key = await self.deps.media.store(file.path, folder, file.name, on_bytes, filename=self.upload.filename)
        entry = {
            "name": Path(file.name).stem,
            "kind": file.kind,
            "key": key,
            "bucket": self.deps.media.bucket,
            "mime": file.mime,
            "size": size,
            "width": file.width,
            "height": file.height,
            "duration": file.duration,
        }
        return entry | ({"codec": file.codec} if file.codec else {})

    @property
    def segments_folder(self) -> str:
        """The folder of the media store that has the segments of the film."""
        return f"{results_folder(self.upload)}/{SEGMENTS}"

    async def store_segment(self, path: Path, name: str) -> None:
        """Store a file of the film in the folder of its segments, as `name`. It may be moved away."""
        await self.deps.media.store(path, self.segments_folder, name, lambda _: None)
