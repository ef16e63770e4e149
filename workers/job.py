"""One upload being worked on: what its steps have at hand, and what they hand back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.upload.events import Forecast, Source, Upload
from server.upload.media import MediaStore
from server.upload.templates import Template
from workers import probe
from workers.ffmpeg import Binaries, run_ffmpeg, run_ffprobe
from workers.progress import Reading
from workers.report import Reporter
from workers.sandbox import Limits

GIB = 1 << 30

_PROBE_LIMITS = Limits(address_space=GIB, cpu_seconds=60, file_size=GIB)
_ENCODE_LIMITS = Limits(address_space=8 * GIB, cpu_seconds=None, file_size=16 * GIB)


@dataclass(frozen=True)
class Tools:
    """What the steps work with. Times in seconds."""

    media: MediaStore
    binaries: Binaries
    stall_seconds: float
    step_seconds: float


@dataclass(frozen=True)
class Made:
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

    made: list[Made]
    stored: list[dict[str, Any]] = field(default_factory=list)
    original: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One upload, its source as a local file that is only read, and an empty directory for what is made of it."""

    upload: Upload
    source: Source
    path: Path
    template: Template
    tools: Tools
    reporter: Reporter
    scratch: Path

    async def look(self, path: Path, demuxer: str) -> probe.MediaInfo:
        """What a file holds."""
        return probe.parse(await run_ffprobe(self.tools.binaries, path, demuxer, limits=_PROBE_LIMITS))

    async def encode(self, args: list[str], on_reading: Callable[[Reading], None] = lambda _: None) -> None:
        """Run ffmpeg; see `run_ffmpeg` for how it fails."""
        await run_ffmpeg(
            self.tools.binaries,
            args,
            on_reading=on_reading,
            stall_seconds=self.tools.stall_seconds,
            wall_seconds=self.tools.step_seconds,
            limits=_ENCODE_LIMITS,
            cwd=self.scratch,
        )

    async def show_poster(self, made: Made) -> dict[str, Any]:
        """Store the poster ahead of the other results, and tell the room; its output."""
        output = await self.store(made, lambda _: None)
        await self.reporter.note(poster=output)
        return output

    async def announce(self, forecast: Forecast) -> None:
        """Tell the room what the compression is expected to come to."""
        await self.reporter.note(forecast=forecast)

    async def store(self, made: Made, on_bytes: Callable[[int], None]) -> dict[str, Any]:
        """Store a result; the output of the contract's `element` that tells of it, without its URL."""
        size = made.path.stat().st_size
        key = await self.tools.media.store(made.path, self.upload.id, made.path.name, on_bytes)
        return {
            "name": made.path.stem,
            "kind": made.kind,
            "key": key,
            "bucket": None,
            "mime": made.mime,
            "size": size,
            "width": made.width,
            "height": made.height,
            "duration": made.duration,
        }
