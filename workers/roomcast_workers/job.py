"""A job: one upload being processed, with what its steps need and what they return."""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roomcast.errors import Code
from roomcast.media.contract import MediaStore
from roomcast.media.result_keys import DOWNLOAD
from roomcast.uploads.model import Forecast, Source, Upload, results_folder
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
from roomcast_workers.reporter import Reporter
from roomcast_workers.sandbox.sandbox import ResourceLimits

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
    """A result that is still a local file and will be stored under its own file name.

    One that is not `listed` is stored but reached through another: a segment through its playlist.
    """

    path: Path
    kind: str
    mime: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    listed: bool = True

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Results:
    """What a source was processed into.

    `files` are still to be stored, the main result first; `stored` are outputs that were stored and reported during
    processing. `original` describes the source (fields of `element.original`), `extra` the result (fields of
    `element`).
    """

    files: list[ResultFile]
    stored: list[dict[str, Any]] = field(default_factory=list)
    original: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One upload to process: its source is the read-only local file `path`, and `scratch` is an empty directory for
    the results."""

    upload: Upload
    source: Source
    path: Path
    template: Template
    deps: WorkerDeps
    reporter: Reporter
    scratch: Path

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
        timeout_seconds: float = math.inf,
    ) -> None:
        """Run ffmpeg with arguments made by `commands`; see `run_ffmpeg` for its errors.

        `timeout_seconds` shortens the limit that every step has.
        """
        await run_ffmpeg(
            self.deps.binaries,
            arguments,
            on_progress=on_progress,
            stall_seconds=self.deps.stall_seconds,
            timeout_seconds=min(timeout_seconds, self.deps.step_seconds),
            limits=self._encode_limits(),
            media_limits=self.deps.limits,
            readable=[self.path],
            cwd=self.scratch,
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
        folder = results_folder(self.upload) + (f"/{DOWNLOAD}" if file.kind == "file" else "")
        key = await self.deps.media.store(file.path, folder, file.name, on_bytes, filename=self.upload.filename)
        return {
            "name": file.path.stem,
            "kind": file.kind,
            "key": key,
            "bucket": self.deps.media.bucket,
            "mime": file.mime,
            "size": size,
            "width": file.width,
            "height": file.height,
            "duration": file.duration,
        }


ProcessingStep = Callable[[Job], Awaitable[Results]]
"""A step processes one kind of source: it enters the stages `compressing` and `thumbnails`, reports progress through
`job.reporter`, and writes only in `job.scratch`. It returns its results, or raises a `RoomcastError`."""
