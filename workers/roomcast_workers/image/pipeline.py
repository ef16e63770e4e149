"""Process an image: start a sandboxed child that decodes and encodes it, and collect the results.

Pillow never reads an upload in this process. The child has read untrusted bytes, so this process uses only its progress
and its description of the source; which files must exist, and what they are, is computed here.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
from roomcast import errors
from roomcast.errors import Code
from roomcast.runtime.files import run_in_thread
from roomcast.uploads.model import Tick
from roomcast.uploads.raw_photos import is_raw_photo

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.runner import map_failure
from roomcast_workers.image.child.colour_space import from_cicp
from roomcast_workers.image.child.containers.isobmff import image_properties
from roomcast_workers.image.child.plan import ANIMATION_NAME, ImageRequest, fit, plan_images
from roomcast_workers.job import NON_FATAL, Job, ResultFile
from roomcast_workers.sandbox.output_lines import OutputLines
from roomcast_workers.sandbox.sandbox import UNSANDBOXED, ResourceLimits, Sandbox
from roomcast_workers.sandbox.subprocess_runner import ProgramExit, run_sandboxed

log = structlog.get_logger(__name__)

_GIB = 1 << 30
_CHILD_LIMITS = ResourceLimits(address_space=3 * _GIB, cpu_seconds=600, file_size=_GIB)
_CHILD = Path(__file__).with_name("child")
_DEEP_SECONDS = 120.0
_MAX_LINE = 1024
_BLURHASH = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{28}")
"""A blurhash's alphabet, and its length for 4 × 3 colours."""

_MIMES = {"webp": "image/webp", "avif": "image/avif", "jpeg": "image/jpeg"}
_INCOMPLETE = "The results of the image are incomplete."


@dataclass(frozen=True)
class ImageSettings:
    """Longest `sides` in pixels (nothing is enlarged), `formats` to make of each, `quality` (1–100, JPEG's scale), and
    the most pixels in a frame and frames that a source may have."""

    sides: tuple[int, ...] = (2048, 1024, 480)
    formats: tuple[str, ...] = ("webp", "avif", "jpeg")
    quality: int = 80
    max_pixels: int = 300_000_000
    max_frames: int = 2000


@dataclass(frozen=True)
class ImageSource:
    """The source as the child described it: its upright size, whether it has alpha, its frames, and its blurhash."""

    width: int
    height: int
    alpha: bool
    frames: int
    placeholder: str


async def compress_image(job: Job) -> None:
    """Compress an image into still images and, if it is animated, an animation."""
    template, deps, reporter = job.template, job.deps, job.reporter
    settings = ImageSettings(
        sides=template.image_sides,
        formats=template.image_formats,
        quality=template.quality,
        max_pixels=deps.limits.max_pixels,
        max_frames=deps.limits.max_frames,
    )
    if job.source.format == "TIFF":
        await _refuse_raw_photo(job.path)
    deep = await _decode_deep(job)
    source, files = await make_images(
        job.path,
        job.scratch,
        job.source.format,
        settings,
        limits=_CHILD_LIMITS,
        timeout_seconds=min(deps.step_seconds, deps.stall_seconds * 10),
        on_fraction=lambda fraction: reporter.progress(Tick(fraction)),
        sandbox=deps.binaries.sandbox,
        deep=deep,
    )
    if deep:
        deep.unlink()
    results = job.state.results
    results.files += files
    results.original |= {
        "width": source.width,
        "height": source.height,
        "format": job.source.format,
        "hasAlpha": source.alpha,
        "animated": source.frames > 1,
        "frames": source.frames,
    }
    results.extra |= {"placeholder": {"blurhash": source.placeholder}}


async def _refuse_raw_photo(path: Path) -> None:
    """Raise `UnsupportedType` if the file is a raw photograph, of which Pillow would find the preview."""

    def is_raw() -> bool:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size

            def read(offset: int, count: int) -> bytes:
                if offset >= size:
                    return b""
                file.seek(offset)
                return file.read(count)

            return is_raw_photo(read)

    if await run_in_thread(is_raw):
        raise errors.UnsupportedType("Raw photographs are not supported. Export the photograph as a JPEG, for example.")


async def _decode_deep(job: Job) -> Path | None:
    """Have ffmpeg decode an HDR AVIF, of which Pillow has only 8 bits. Return None for any other image, and if it
    cannot."""
    if job.source.format != "AVIF":
        return None

    def cicp() -> tuple[int, int, int, int] | None:
        with job.path.open("rb") as file:
            return image_properties(file).cicp

    declared = await run_in_thread(cicp)
    if not declared or not from_cicp(*declared[:2]).hdr:
        return None
    capabilities, target = await job.capabilities(), job.scratch / "deep.raw"
    if not capabilities.can_decode("av1"):
        return None
    try:
        command = commands.decode_deep_image(
            job.input(job.path, "mov"), target, zscale="zscale" in capabilities.filters
        )
        await job.run_ffmpeg(command, timeout_seconds=_DEEP_SECONDS)
    except errors.RoomcastError as error:
        if error.code not in NON_FATAL | {Code.TOO_LARGE, Code.UNSUPPORTED_TYPE}:
            raise
        log.info("deep_image_not_decoded", reason=error.message)
        target.unlink(missing_ok=True)
        return None
    return target if target.exists() else None


async def make_images(
    source: Path,
    out_dir: Path,
    image_format: str,
    settings: ImageSettings,
    *,
    limits: ResourceLimits,
    timeout_seconds: float,
    on_fraction: Callable[[float], None],
    sandbox: Sandbox = UNSANDBOXED,
    deep: Path | None = None,
) -> tuple[ImageSource, list[ResultFile]]:
    """Make the images that `image.child.plan` names in `out_dir`, which must exist; return the main one first,
    and of each size the one with the fewest bytes: a JPEG of a source with alpha last.

    `image_format` is Pillow's name of the sniffed type (`JPEG`, `PNG`, `WEBP`, `GIF`, `TIFF`, `AVIF`, `HEIF`, `JXL`,
    in either case): no other decoder is tried. Results are upright, in sRGB, without metadata. Alpha is preserved in
    WebP and AVIF, and becomes white in JPEG. An animated source also becomes an animated WebP, listed before the still
    images of its first frame. `deep` is a file as in `ImageRequest.deep`. `on_fraction` receives progress from 0 to 1,
    which never falls.

    Raises `UnreadableMedia` (not a complete image of that format), `TooLarge` (too many pixels or frames, or a result
    over the limits), `DiskFull`, `TimedOut`, and `TranscodeError` when the child crashes or runs out of memory. However
    it ends, no process is left.
    """
    report = _ChildReport(on_fraction, settings)
    ended = await run_sandboxed(
        [sys.executable, "-I", str(_CHILD), _request_json(source, out_dir, image_format, settings, deep)],
        on_output=report.feed,
        timeout_seconds=timeout_seconds,
        limits=limits,
        sandbox=sandbox,
        readable=[source, *([deep] if deep else [])],
        cwd=out_dir,
    )
    if ended.returncode != 0:
        log.warning("image_child_failed", returncode=ended.returncode, stderr=ended.stderr)
        raise _map_child_error(report.failed, ended, settings)
    described = report.source()
    return described, _result_files(described, out_dir, settings)


def _request_json(source: Path, out_dir: Path, image_format: str, settings: ImageSettings, deep: Path | None) -> str:
    """Return the child's only argument."""
    request = ImageRequest(
        source=str(source.absolute()),
        out=str(out_dir.absolute()),
        format=image_format.upper(),
        deep=str(deep.absolute()) if deep else "",
        **asdict(settings),
    )
    return json.dumps(request._asdict())


class _ChildReport:
    """Parser of the child's output, line by line; ignores anything unexpected."""

    def __init__(self, on_fraction: Callable[[float], None], settings: ImageSettings) -> None:
        self._on_fraction = on_fraction
        self._settings = settings
        self._lines = OutputLines(_MAX_LINE)
        self._fraction = 0.0
        self._source: dict[str, Any] = {}
        self.failed: str | None = None

    def feed(self, data: bytes) -> bool:
        for line in self._lines.feed(data):
            if len(line) <= _MAX_LINE:
                self._apply(_parse_line(line))
        return True

    def source(self) -> ImageSource:
        """Return the description of the source, or raise `TranscodeError` if it is incomplete."""
        try:
            return ImageSource(**self._source)
        except TypeError:
            raise errors.TranscodeError(_INCOMPLETE) from None

    def _apply(self, fields: dict[str, Any]) -> None:
        match fields:
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
                    self._source |= {"width": width, "height": height, "alpha": alpha, "frames": frames}
            case {"placeholder": str() as placeholder} if _BLURHASH.fullmatch(placeholder):
                self._source["placeholder"] = placeholder
            case {"failed": str() as reason}:
                self.failed = reason


def _parse_line(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _result_files(source: ImageSource, out_dir: Path, settings: ImageSettings) -> list[ResultFile]:
    """Return the files that the plan names, largest size first and of each size the fewest bytes first.

    Raise `TranscodeError` if one is missing or a symbolic link.
    """
    size = (source.width, source.height)
    files = [
        ResultFile(out_dir / planned.name, planned.kind, _MIMES[planned.format], planned.width, planned.height)
        for planned in plan_images(size, settings.sides, settings.formats)
    ]
    animation = ResultFile(out_dir / ANIMATION_NAME, "image", _MIMES["webp"], *fit(size, max(settings.sides)))
    animations = [animation] if source.frames > 1 else []
    if any(file.path.is_symlink() or not file.path.is_file() for file in [*files, *animations]):
        raise errors.TranscodeError(_INCOMPLETE)

    def order(file: ResultFile) -> tuple[int, bool, int]:
        without_alpha = source.alpha and file.mime == _MIMES["jpeg"]
        return -max(file.width or 0, file.height or 0), without_alpha, file.path.stat().st_size

    return [*animations, *sorted(files, key=order)]


def _map_child_error(reason: str | None, ended: ProgramExit, settings: ImageSettings) -> errors.RoomcastError:
    """Return the error for the reason that the child gave, or for its exit code."""
    match reason:
        case "unreadable":
            return errors.UnreadableMedia("The image cannot be decoded, or is incomplete.")
        case "too-many-pixels":
            return errors.TooLarge(
                f"The image has more than {settings.max_pixels:,} pixels.", details={"maxPixels": settings.max_pixels}
            )
        case "too-many-frames":
            return errors.TooLarge(
                f"The image has more than {settings.max_frames:,} frames, or its frames have too many pixels together.",
                details={"maxFrames": settings.max_frames},
            )
        case "too-much-memory":
            return errors.TooLarge("The image needs more memory than allowed to decode.")
        case "no-decoder":
            return errors.UnsupportedType("Images of this type are not supported here.")
        case "disk-full":
            return errors.DiskFull("The disk is full, so the result cannot be written.")
        case "too-large":
            return errors.TooLarge("The result would be larger than allowed.")
        case "memory":
            return errors.TranscodeError("The image needs more memory than allowed.")
        case _:
            return map_failure(ended) if ended.returncode < 0 else errors.TranscodeError("The image conversion failed.")
