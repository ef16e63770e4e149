"""The steps of one upload, in order. Says where it is through a `Reporter`; knows no lease and no retry."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.upload.errors import StorageError, TranscodeError, UnreadableMedia
from server.upload.events import Source, Tick, Upload
from server.upload.lifecycle import Stage
from server.upload.media import MediaStore
from server.upload.templates import Template
from workers import image, probe, video
from workers.ffmpeg import Binaries, run_ffmpeg, run_ffprobe
from workers.progress import Reading
from workers.report import Reporter
from workers.sandbox import Limits

GIB = 1 << 30

_PROBE_LIMITS = Limits(address_space=GIB, cpu_seconds=60, file_size=GIB)
_VIDEO_LIMITS = Limits(address_space=8 * GIB, cpu_seconds=None, file_size=16 * GIB)
_IMAGE_LIMITS = Limits(address_space=3 * GIB, cpu_seconds=300, file_size=GIB)
_ETA_AFTER_SECONDS = 2.0
_ETA_AFTER_FRACTION = 0.03


@dataclass(frozen=True)
class Tools:
    """What the steps work with. Times in seconds."""

    media: MediaStore
    binaries: Binaries
    stall_seconds: float
    step_seconds: float


@dataclass(frozen=True)
class _Made:
    """A result that is still a local file. `name` is also its file name, less the ending."""

    path: Path
    kind: str
    mime: str
    width: int
    height: int
    duration: float | None = None


@dataclass(frozen=True)
class _Compressed:
    """What a kind of media became, the main result first, and what its source turned out to be."""

    made: list[_Made]
    original: dict[str, Any]


async def process(
    upload: Upload, template: Template, tools: Tools, reporter: Reporter, scratch: Path
) -> dict[str, Any]:
    """Compress and store; the `element` of the completed upload. `scratch` is an empty directory of its own.

    Raises a `RoomcastError`; its `retryable` says whether another attempt may help.
    """
    source = upload.source
    if source is None:
        raise StorageError("The file is not there.")
    async with tools.media.fetch(source.key, scratch) as path:
        await reporter.enter(Stage.PROBING, "Reading the file")
        compress = _compress_video if source.kind == "video" else _compress_image
        compressed = await compress(path, source, template, tools, reporter, scratch)
    await reporter.enter(Stage.STORING, "Storing the result")
    outputs = await _store(upload, compressed.made, tools.media, reporter)
    await reporter.enter(Stage.CLEANING, "Cleaning up")
    return _element(upload, source, compressed, outputs)


async def _compress_video(
    path: Path, source: Source, template: Template, tools: Tools, reporter: Reporter, scratch: Path
) -> _Compressed:
    async def look(at: Path, demuxer: str) -> probe.MediaInfo:
        return probe.parse(await run_ffprobe(tools.binaries, at, limits=_PROBE_LIMITS, format_name=demuxer))

    async def encode(args: list[str], on_reading: Callable[[Reading], None]) -> None:
        await run_ffmpeg(
            tools.binaries,
            args,
            on_reading=on_reading,
            stall_seconds=tools.stall_seconds,
            wall_seconds=tools.step_seconds,
            limits=_VIDEO_LIMITS,
            cwd=scratch,
        )

    before = await look(path, source.format)
    probe.require_video(before)
    settings = video.VideoSettings(
        long_side=template.video_long_side,
        crf=template.crf,
        preset=template.preset,
        audio_bitrate=template.audio_bitrate,
    )
    film = scratch / "video.mp4"
    await reporter.enter(Stage.COMPRESSING, "Compressing the video")
    on_reading = _Forecast(before.duration, reporter.progress)
    await encode(video.compress_args(path, film, before, settings, source.format), on_reading)
    try:
        after = await look(film, "mov")
    except UnreadableMedia as error:
        raise TranscodeError("The encoder's result cannot be read.") from error
    video.verify(before, after)
    stream = probe.require_video(after)

    await reporter.enter(Stage.THUMBNAILS, "Making the poster")
    poster = scratch / "poster.jpg"
    await encode(video.poster_args(film, poster, video.poster_moment(after), demuxer="mov"), lambda _: None)
    picture = probe.require_video(await look(poster, "image2"))
    original = probe.require_video(before)
    return _Compressed(
        [
            _Made(film, "video", "video/mp4", stream.width, stream.height, after.duration),
            _Made(poster, "poster", "image/jpeg", picture.width, picture.height),
        ],
        {"width": original.width, "height": original.height, "duration": before.duration},
    )


async def _compress_image(
    path: Path, source: Source, template: Template, tools: Tools, reporter: Reporter, scratch: Path
) -> _Compressed:
    settings = image.ImageSettings(
        long_side=template.image_long_side, quality=template.quality, thumbnail_side=template.thumbnail_side
    )
    await reporter.enter(Stage.COMPRESSING, "Compressing the picture")
    results = await image.compress_image(
        path,
        scratch,
        source.format,
        settings,
        limits=_IMAGE_LIMITS,
        wall_seconds=min(tools.step_seconds, tools.stall_seconds * 5),
        on_fraction=lambda fraction: reporter.progress(Tick(fraction)),
    )
    await reporter.enter(Stage.THUMBNAILS, "Checking the pictures")
    return _Compressed(
        [_Made(made.path, made.kind, made.mime, made.width, made.height) for made in results],
        {},
    )


async def _store(upload: Upload, made: list[_Made], media: MediaStore, reporter: Reporter) -> list[dict[str, Any]]:
    sizes = {one.path: one.path.stat().st_size for one in made}
    total, stored = sum(sizes.values()), 0

    def on_bytes(count: int) -> None:
        nonlocal stored
        stored += count
        reporter.progress(Tick(stored / total if total else 1.0))

    outputs = []
    for one in made:
        key = await media.store(one.path, upload.id, one.path.name, on_bytes)
        outputs.append(
            {
                "name": one.path.stem,
                "kind": one.kind,
                "key": key,
                "bucket": None,
                "mime": one.mime,
                "size": sizes[one.path],
                "width": one.width,
                "height": one.height,
                "duration": one.duration,
            }
        )
    return outputs


def _element(upload: Upload, source: Source, compressed: _Compressed, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The contract's `element`, without URLs."""
    main = outputs[0]
    saved = source.size - main["size"]
    return {
        "id": upload.id,
        "type": upload.template,
        "filename": f"{Path(upload.filename).stem}{Path(main['key']).suffix}",
        "outputs": outputs,
        "original": {
            "filename": upload.filename,
            "size": source.size,
            "mime": source.mime,
            "md5": source.md5,
            "sha256": source.sha256,
            **compressed.original,
        },
        "saved": {"bytes": saved, "percent": round(100 * saved / source.size, 1)},
    }


class _Forecast:
    """Turns ffmpeg's readings into ticks. The ETA is hidden until enough has happened to believe it."""

    def __init__(self, duration: float | None, tell: Callable[[Tick], None]) -> None:
        self._duration = duration
        self._tell = tell
        self._began = time.monotonic()
        self._fraction = 0.0

    def __call__(self, reading: Reading) -> None:
        if self._duration and reading.seconds:
            self._fraction = min(1.0, max(self._fraction, reading.seconds / self._duration))
        fraction = self._fraction
        elapsed = time.monotonic() - self._began
        eta = None
        if elapsed >= _ETA_AFTER_SECONDS and fraction >= _ETA_AFTER_FRACTION:
            eta = round(elapsed * (1 - fraction) / fraction, 1)
        self._tell(Tick(fraction, eta=eta, speed=reading.speed, fps=reading.fps))
