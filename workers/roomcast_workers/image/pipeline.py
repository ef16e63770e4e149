"""Compress a picture, in a confined child: Pillow never meets an upload in this process.

The child has read untrusted bytes, so its word is taken for progress and the source's looks only: which files there
must be, and what they are, is worked out here.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roomcast import errors
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Tick

from roomcast_workers.ffmpeg.runner import map_failure
from roomcast_workers.image.child.plan import ANIMATION_NAME, Kind, Order, fit, plan_images
from roomcast_workers.job import GIB, Job, ResultFile, Results
from roomcast_workers.sandbox.sandbox import UNSANDBOXED, Limits, Sandbox
from roomcast_workers.sandbox.subprocess_runner import ProgramExit, run_sandboxed

log = logging.getLogger(__name__)

_CHILD_LIMITS = Limits(address_space=3 * GIB, cpu_seconds=600, file_size=GIB)
_CHILD = Path(__file__).with_name("child")
_LONGEST_LINE = 1024
_BLURHASH = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{28}")
"""Its alphabet, and its length for the 4 × 3 colours that are asked for."""

_MIMES = {"webp": "image/webp", "avif": "image/avif", "jpeg": "image/jpeg"}


@dataclass(frozen=True)
class ImageSettings:
    """Longest `sides` in pixels (never scaled up), the `formats` to make of each, the `quality` (1–100, JPEG's scale),
    and the most pixels and frames that a source may have."""

    sides: tuple[int, ...] = (2048, 1024, 480)
    formats: tuple[str, ...] = ("webp", "avif", "jpeg")
    quality: int = 80
    max_pixels: int = 100_000_000
    max_frames: int = 2000


@dataclass(frozen=True)
class ImageResult:
    """One file that was made: where it is, what it is, and its size in pixels."""

    name: str
    kind: Kind
    path: Path
    mime: str
    width: int
    height: int


@dataclass(frozen=True)
class ImageSource:
    """What the source turned out to be: its size upright, whether it has alpha, its frames, and its blurhash."""

    width: int
    height: int
    alpha: bool
    frames: int
    placeholder: str


async def process_image(job: Job) -> Results:
    """Everything that is made of a picture. Enters the stages from compressing to thumbnails."""
    template, deps, reporter = job.template, job.deps, job.reporter
    settings = ImageSettings(
        sides=template.image_sides,
        formats=template.image_formats,
        quality=template.quality,
        max_pixels=deps.limits.max_pixels,
        max_frames=deps.limits.max_frames,
    )
    await reporter.enter(Stage.COMPRESSING, "Compressing the picture")
    source, results = await compress_image(
        job.path,
        job.scratch,
        job.source.format,
        settings,
        limits=_CHILD_LIMITS,
        timeout_seconds=min(deps.step_seconds, deps.stall_seconds * 10),
        on_fraction=lambda fraction: reporter.progress(Tick(fraction)),
        sandbox=deps.binaries.sandbox,
    )
    await reporter.enter(Stage.THUMBNAILS, "Checking the pictures")
    return Results(
        [ResultFile(made.path, made.kind, made.mime, made.width, made.height) for made in results],
        original={
            "width": source.width,
            "height": source.height,
            "format": job.source.format,
            "hasAlpha": source.alpha,
            "animated": source.frames > 1,
            "frames": source.frames,
        },
        extra={"placeholder": {"blurhash": source.placeholder}},
    )


async def compress_image(
    source: Path,
    out_dir: Path,
    image_format: str,
    settings: ImageSettings,
    *,
    limits: Limits,
    timeout_seconds: float,
    on_fraction: Callable[[float], None],
    sandbox: Sandbox = UNSANDBOXED,
) -> tuple[ImageSource, list[ImageResult]]:
    """Make the pictures that `image_child.plan` tells of in `out_dir`, which must exist; the main one first.

    `image_format` is Pillow's name of the sniffed type (`JPEG`, `PNG`, `WEBP`, `GIF`, `TIFF`, `AVIF`, `HEIF`; case
    does not matter): no other decoder is tried. Upright, in sRGB, without metadata. Alpha is kept in WebP and AVIF, and
    is white in JPEG. Of a moving picture there is an animated WebP, before the still ones of its first frame.
    `on_fraction` hears of progress, 0 to 1, never falling.

    Raises `UnreadableMedia` (not a whole picture of that format), `TooLarge` (more pixels or frames than are taken, or
    a result over the limits), `DiskFull`, `TimedOut`, and `TranscodeError` when the child crashes or needs more memory
    than it may have. However it ends, no process is left.
    """
    report = _Report(on_fraction, settings)
    finished = await run_sandboxed(
        [sys.executable, "-I", str(_CHILD), _order(source, out_dir, image_format, settings)],
        on_output=report.on_output,
        timeout_seconds=timeout_seconds,
        limits=limits,
        sandbox=sandbox,
        reads=[source],
        cwd=out_dir,
    )
    if finished.returncode != 0:
        log.warning("image child ended with %d: %r", finished.returncode, finished.stderr)
        raise _failure(report.failed, finished, settings)
    found = report.source()
    return found, _results(found, out_dir, settings)


def _order(source: Path, out_dir: Path, image_format: str, settings: ImageSettings) -> str:
    """The child's only argument."""
    order = Order(
        source=str(source.absolute()), out=str(out_dir.absolute()), format=image_format.upper(), **asdict(settings)
    )
    return json.dumps(order._asdict())


class _Report:
    """What the child says, read line by line; anything unexpected is passed over."""

    def __init__(self, on_fraction: Callable[[float], None], settings: ImageSettings) -> None:
        self._on_fraction = on_fraction
        self._settings = settings
        self._rest = b""
        self._fraction = 0.0
        self._facts: dict[str, Any] = {}
        self.failed: str | None = None

    def on_output(self, data: bytes) -> bool:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: _LONGEST_LINE + 1]
        for line in lines:
            said = _object(line) if len(line) <= _LONGEST_LINE else {}
            self._take(said)
        return True

    def source(self) -> ImageSource:
        """What it said of the source; `TranscodeError` when that is not everything."""
        try:
            return ImageSource(**self._facts)
        except TypeError:
            raise errors.TranscodeError("the picture's results are not complete") from None

    def _take(self, said: dict[str, Any]) -> None:
        match said:
            case {"fraction": int() | float() as fraction} if self._fraction < fraction <= 1:
                self._fraction = float(fraction)
                self._on_fraction(self._fraction)
            case {
                "width": int() as width,
                "height": int() as height,
                "alpha": bool() as alpha,
                "frames": int() as frames,
            }:
                possible = width > 0 and height > 0 and width * height <= self._settings.max_pixels
                if possible and 0 < frames <= self._settings.max_frames:
                    self._facts |= {"width": width, "height": height, "alpha": alpha, "frames": frames}
            case {"placeholder": str() as placeholder} if _BLURHASH.fullmatch(placeholder):
                self._facts["placeholder"] = placeholder
            case {"failed": str() as reason}:
                self.failed = reason


def _object(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _results(source: ImageSource, out_dir: Path, settings: ImageSettings) -> list[ImageResult]:
    size = (source.width, source.height)
    results = [
        ImageResult(each.name, each.kind, out_dir / each.name, _MIMES[each.format], each.width, each.height)
        for each in plan_images(size, settings.sides, settings.formats)
    ]
    if source.frames > 1:
        largest = fit(size, max(settings.sides))
        moving = ImageResult(ANIMATION_NAME, "image", out_dir / ANIMATION_NAME, _MIMES["webp"], *largest)
        results.insert(0, moving)
    if any(result.path.is_symlink() or not result.path.is_file() for result in results):
        raise errors.TranscodeError("the picture's results are not complete")
    return results


def _failure(reason: str | None, finished: ProgramExit, settings: ImageSettings) -> errors.RoomcastError:
    match reason:
        case "unreadable":
            return errors.UnreadableMedia("the picture cannot be decoded, or is not whole")
        case "too-many-pixels":
            return errors.TooLarge(
                f"the picture has more than {settings.max_pixels:,} pixels", details={"maxPixels": settings.max_pixels}
            )
        case "too-many-frames":
            return errors.TooLarge(
                f"the picture has more than {settings.max_frames:,} frames, or they are too large together",
                details={"maxFrames": settings.max_frames},
            )
        case "disk-full":
            return errors.DiskFull("there is no room left to write the result")
        case "too-large":
            return errors.TooLarge("the result would be larger than it may be")
        case "memory":
            return errors.TranscodeError("the picture needs more memory than it may have")
        case _:
            return map_failure(finished) if finished.returncode < 0 else errors.TranscodeError("the picture failed")
