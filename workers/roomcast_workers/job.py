"""One upload being worked on: what its steps have at hand, and what they hand back."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roomcast.errors import Code
from roomcast.media.contract import DOWNLOAD, MediaStore
from roomcast.uploads.model import Forecast, Source, Upload, results_folder
from roomcast.uploads.templates import Template

from roomcast_workers.ffmpeg.binaries import Binaries
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.ffmpeg.runner import features, run_ffmpeg, run_ffprobe, scan_packets
from roomcast_workers.limits import MediaLimits
from roomcast_workers.media_info import probe
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.reporter import Reporter
from roomcast_workers.sandbox.sandbox import Limits

GIB = 1 << 30

_PROBE_LIMITS = Limits(address_space=GIB, cpu_seconds=60, file_size=1 << 20)
_ENCODE_ADDRESS_SPACE = 8 * GIB
_LARGEST_RESULT = 16 * GIB
_RESULT_PER_SOURCE = 32
_RESULT_BASE = GIB // 4

NON_FATAL = frozenset({Code.UNREADABLE_MEDIA, Code.TRANSCODE_ERROR, Code.STALLED, Code.TIMEOUT})
"""Why an upload may go without its poster or its storyboard: what is wrong with them need not be with the film."""


@dataclass(frozen=True)
class WorkerDeps:
    """What the steps work with. Times in seconds."""

    media: MediaStore
    binaries: Binaries
    stall_seconds: float
    step_seconds: float
    limits: MediaLimits = field(default_factory=MediaLimits)


@dataclass(frozen=True)
class ResultFile:
    """A result that is still a local file; its file name is the name it is stored under.

    One that is not `listed` is stored, and reached through one that is: a segment through its playlist.
    """

    path: Path
    kind: str
    mime: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    listed: bool = True


@dataclass(frozen=True)
class Results:
    """What a source became.

    `made` is yet to be stored, the main result first; `stored` are outputs that the room has been shown already.
    `original` tells what the source turned out to be (fields of `element.original`), and `facts` what else is to be
    said of the result (fields of `element`).
    """

    made: list[ResultFile]
    stored: list[dict[str, Any]] = field(default_factory=list)
    original: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One upload, its source as a local file that is only read, and an empty directory for what is made of it."""

    upload: Upload
    source: Source
    path: Path
    template: Template
    deps: WorkerDeps
    reporter: Reporter
    scratch: Path

    def input(self, path: Path, demuxer: str) -> InputFile:
        """Return a file for ffmpeg to read, by one demuxer and within the limits of this installation."""
        return InputFile(path, demuxer, self.deps.limits)

    @property
    def source_input(self) -> InputFile:
        """The source, for ffmpeg to read."""
        return self.input(self.path, self.source.format)

    async def look(self, path: Path, demuxer: str) -> probe.MediaInfo:
        """What a file holds."""
        said = await run_ffprobe(self.deps.binaries, self.input(path, demuxer), limits=_PROBE_LIMITS)
        return probe.parse_ffprobe(said)

    async def scan(self) -> PacketScan:
        """Every packet of the source."""
        deps = self.deps
        return await scan_packets(
            deps.binaries, self.source_input, limits=_PROBE_LIMITS, timeout_seconds=deps.step_seconds
        )

    async def ffmpeg_features(self) -> frozenset[str]:
        """Return the filters and decoders that the ffmpeg in use has."""
        return await features(self.deps.binaries)

    async def run_ffmpeg(
        self,
        arguments: list[str],
        on_progress: Callable[[ProgressBlock], None] = lambda _: None,
        *,
        timeout_seconds: float = math.inf,
    ) -> None:
        """Run ffmpeg with arguments made by `commands`; see `run_ffmpeg` for how it fails.

        `timeout_seconds`: less than any step may take.
        """
        await run_ffmpeg(
            self.deps.binaries,
            arguments,
            on_progress=on_progress,
            stall_seconds=self.deps.stall_seconds,
            timeout_seconds=min(timeout_seconds, self.deps.step_seconds),
            limits=self._encode_limits(),
            media_limits=self.deps.limits,
            reads=[self.path],
            cwd=self.scratch,
        )

    def _encode_limits(self) -> Limits:
        """No result is ever so much larger than its source, and all processors together have no more time than the
        step."""
        return Limits(
            address_space=_ENCODE_ADDRESS_SPACE,
            cpu_seconds=math.ceil(self.deps.step_seconds * (os.cpu_count() or 1)),
            file_size=min(_LARGEST_RESULT, _RESULT_BASE + _RESULT_PER_SOURCE * self.source.size),
        )

    async def publish_poster(self, made: ResultFile) -> dict[str, Any]:
        """Store the poster ahead of the other results, and tell the room; its output."""
        output = await self.store(made, lambda _: None)
        await self.reporter.note(poster=output)
        return output

    async def announce(self, forecast: Forecast) -> None:
        """Tell the room what the compression is expected to come to."""
        await self.reporter.note(forecast=forecast)

    async def store(self, made: ResultFile, on_bytes: Callable[[int], None]) -> dict[str, Any]:
        """Store a result; the output of the contract's `element` that tells of it, without its URL."""
        size = made.path.stat().st_size
        folder = results_folder(self.upload) + (f"/{DOWNLOAD}" if made.kind == "file" else "")
        key = await self.deps.media.store(made.path, folder, made.path.name, on_bytes)
        return {
            "name": made.path.stem,
            "kind": made.kind,
            "key": key,
            "bucket": self.deps.media.bucket,
            "mime": made.mime,
            "size": size,
            "width": made.width,
            "height": made.height,
            "duration": made.duration,
        }
