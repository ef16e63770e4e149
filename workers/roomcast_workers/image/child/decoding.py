"""Opening an untrusted picture: one decoder, as many pixels as are taken, and whose fault it is when that fails."""

from __future__ import annotations

import errno
import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import AvifImagePlugin, Image

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ROWS_ARE_COLUMNS = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}

# Sloppy metadata is common in good photographs, and none of it is used: these do not make a picture unreadable.
_HARMLESS = (
    "Corrupt EXIF data",
    "Possibly corrupt EXIF",
    "Truncated File Read",
    "Metadata Warning",
    "Tag (offset|data)",
    "Invalid APNG",
    "Palette images with Transparency",
    "Image appears to be a malformed MPO file",
)

_NOT_THE_PICTURES_FAULT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EIO}


class Unreadable(Exception):
    """The picture is broken, cut short, or not of the format it was taken for."""


class TooManyPixels(Exception):
    """More of them in one frame than are taken."""


class TooManyFrames(Exception):
    """More frames, or more pixels in all frames together, than are taken."""


@contextmanager
def reading() -> Iterator[None]:
    """Whatever a decoder raises in here is `Unreadable` or `TooManyPixels`, unless the machine is at fault."""
    try:
        yield
    except (MemoryError, Unreadable, TooManyPixels, TooManyFrames):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise TooManyPixels(str(problem)) from problem
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno in _NOT_THE_PICTURES_FAULT:
            raise
        raise Unreadable(f"{type(problem).__name__}: {problem}") from problem


def open_picture(file: IO[bytes], image_format: str, max_pixels: int) -> Image.Image:
    """The picture, not decoded yet; of several in one file the first or the primary one. Call within `reading`."""
    _strict_decoders(max_pixels)
    _load_decoder(image_format)
    return Image.open(file, formats=[image_format])


def orientation_of(image: Image.Image) -> Image.Transpose | None:
    """How the decoded picture must be turned to be upright. Pillow turns a TIFF itself, and forgets the tag."""
    return _TURNS.get(_orientation(image))


def upright(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    """What is left of width and height after the turn."""
    return (size[1], size[0]) if turn in _ROWS_ARE_COLUMNS else size


def _strict_decoders(max_pixels: int) -> None:
    warnings.simplefilter("error")
    for message in _HARMLESS:
        warnings.filterwarnings("ignore", message=message)
    Image.MAX_IMAGE_PIXELS = max_pixels


def _load_decoder(image_format: str) -> None:
    """Only the one that the first bytes call for."""
    if image_format == "HEIF":
        import pillow_heif  # noqa: PLC0415 - a large library that few pictures need

        # One picture is wanted: a depth map or a thumbnail is one more thing that can be broken.
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
        return
    module = {"JPEG": "Jpeg", "PNG": "Png", "WEBP": "WebP", "GIF": "Gif", "TIFF": "Tiff", "AVIF": "Avif"}[image_format]
    importlib.import_module(f"PIL.{module}ImagePlugin")
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each would take of the address space


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - a photograph whose EXIF cannot be read is still a photograph
        return 1
    return value if isinstance(value, int) else 1
