"""Compress a picture, in a confined child: Pillow never meets an upload in this process.

The child has read untrusted bytes, so its word is taken for progress and sizes only: which files there may be, and
what they are, is decided here.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from server.upload import errors
from workers.ffmpeg import failure
from workers.sandbox import Limits
from workers.tool import Finished, run_tool

log = logging.getLogger(__name__)

_CHILD = Path(__file__).with_name("image_child.py")
_LONGEST_LINE = 1024
_LARGEST_SIDE = 65_535

ImageKind = Literal["image", "thumbnail"]
_OUTPUTS: dict[str, tuple[ImageKind, str]] = {
    "image.webp": ("image", "image/webp"),
    "image.jpg": ("image", "image/jpeg"),
    "thumbnail.webp": ("thumbnail", "image/webp"),
}


@dataclass(frozen=True)
class ImageSettings:
    """Longest sides in pixels (never scaled up), the encoders' `quality` (1–100), and the most pixels a source may
    have."""

    long_side: int = 2048
    quality: int = 80
    thumbnail_side: int = 480
    max_pixels: int = 100_000_000


@dataclass(frozen=True)
class ImageResult:
    """One file that was made: where it is, what it is, and its size in pixels."""

    name: str
    kind: ImageKind
    path: Path
    mime: str
    width: int
    height: int


async def compress_image(
    source: Path,
    out_dir: Path,
    image_format: str,
    settings: ImageSettings,
    *,
    limits: Limits,
    wall_seconds: float,
    on_fraction: Callable[[float], None],
) -> list[ImageResult]:
    """Make `image.webp`, `image.jpg` and `thumbnail.webp` of `source` in `out_dir`, which must exist.

    `image_format` is Pillow's name of the sniffed type (`JPEG`, `PNG`, `WEBP`, `GIF`, `TIFF`, `AVIF`; case does not
    matter): no other decoder is tried. Upright, in sRGB, without metadata; of a moving picture the first frame. Alpha
    is kept in WebP and is white in JPEG. `on_fraction` hears of progress, 0 to 1, never falling.

    Raises `UnreadableMedia` (not a whole picture of that format, or more pixels than are taken), `DiskFull`,
    `TooLarge` (a result over the limits), `TimedOut`, and `TranscodeError` when the child crashes or needs more memory
    than it may have. However it ends, no process is left.
    """
    report = _Report(on_fraction)
    finished = await run_tool(
        [sys.executable, "-I", str(_CHILD), _order(source, out_dir, image_format, settings)],
        on_output=report.hear,
        wall_seconds=wall_seconds,
        limits=limits,
        cwd=out_dir,
    )
    if finished.returncode != 0:
        log.warning("image child ended with %d: %r", finished.returncode, finished.stderr)
        raise _failure(report.failed, finished, settings)
    return [_result(name, out_dir, report.sizes.get(name)) for name in _OUTPUTS]


def _order(source: Path, out_dir: Path, image_format: str, settings: ImageSettings) -> str:
    """The child's only argument: the fields of its `Order`."""
    order = {
        "source": str(source.absolute()),
        "format": image_format.upper(),
        "out": str(out_dir.absolute()),
        **asdict(settings),
    }
    return json.dumps(order)


class _Report:
    """What the child says, read line by line; anything unexpected is passed over."""

    def __init__(self, on_fraction: Callable[[float], None]) -> None:
        self._on_fraction = on_fraction
        self._rest = b""
        self._fraction = 0.0
        self.sizes: dict[str, tuple[int, int]] = {}
        self.failed: str | None = None

    def hear(self, data: bytes) -> bool:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: _LONGEST_LINE + 1]
        for line in lines:
            said = _object(line) if len(line) <= _LONGEST_LINE else {}
            self._take(said)
        return True

    def _take(self, said: dict[str, Any]) -> None:
        match said:
            case {"fraction": int() | float() as fraction} if self._fraction < fraction <= 1:
                self._fraction = float(fraction)
                self._on_fraction(self._fraction)
            case {"output": str() as name, "width": int() as width, "height": int() as height} if (
                name in _OUTPUTS and 0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE
            ):
                self.sizes[name] = (width, height)
            case {"failed": str() as reason}:
                self.failed = reason


def _object(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _result(name: str, out_dir: Path, size: tuple[int, int] | None) -> ImageResult:
    kind, mime = _OUTPUTS[name]
    path = out_dir / name
    if size is None or path.is_symlink() or not path.is_file():
        raise errors.TranscodeError("the picture's results are not complete")
    return ImageResult(name=name, kind=kind, path=path, mime=mime, width=size[0], height=size[1])


def _failure(reason: str | None, finished: Finished, settings: ImageSettings) -> errors.RoomcastError:
    match reason:
        case "unreadable":
            return errors.UnreadableMedia("the picture cannot be decoded, or is not whole")
        case "too-many-pixels":
            return errors.UnreadableMedia(f"the picture has more than {settings.max_pixels:,} pixels")
        case "disk-full":
            return errors.DiskFull("there is no room left to write the result")
        case "too-large":
            return errors.TooLarge("the result would be larger than it may be")
        case "memory":
            return errors.TranscodeError("the picture needs more memory than it may have")
        case _:
            return failure(finished) if finished.returncode < 0 else errors.TranscodeError("the picture failed")
