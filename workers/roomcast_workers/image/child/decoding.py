"""Open an untrusted image with exactly one decoder and a limit on pixels, and classify what goes wrong."""

from __future__ import annotations

import errno
import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import AvifImagePlugin, Image

_ORIENTATION = 0x0112
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = {_TRANSPOSES[orientation] for orientation in (5, 6, 7, 8)}

# Warnings about metadata, which is often sloppy in good photographs and is not used here: they are not errors.
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

_SYSTEM_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EIO}


class Unreadable(Exception):
    """The image is broken, truncated, or not of the requested format."""


class TooManyPixels(Exception):
    """One frame has more pixels than allowed."""


class TooManyFrames(Exception):
    """There are more frames, or more pixels in all frames together, than allowed."""


@contextmanager
def decoding() -> Iterator[None]:
    """Map whatever a decoder raises to `Unreadable` or `TooManyPixels`, except errors of the system itself."""
    try:
        yield
    except (MemoryError, Unreadable, TooManyPixels, TooManyFrames):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(str(error)) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _SYSTEM_ERRORS:
            raise
        raise Unreadable(f"The decoder failed: {type(error).__name__}: {error}.") from error


def open_image(file: IO[bytes], image_format: str, max_pixels: int) -> Image.Image:
    """Open the image without decoding it; of several in one file, the first or the primary one.

    Call it within `decoding`.
    """
    _strict_decoders(max_pixels)
    _load_decoder(image_format)
    return Image.open(file, formats=[image_format])


def orientation_of(image: Image.Image) -> Image.Transpose | None:
    """Return how to turn the decoded image upright. Pillow turns a TIFF itself and then drops the tag."""
    return _TRANSPOSES.get(_exif_orientation(image))


def upright_size(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    """Return the width and height after the turn."""
    return (size[1], size[0]) if turn in _SWAPS_SIDES else size


def _strict_decoders(max_pixels: int) -> None:
    """Turn Pillow's warnings into errors, except the harmless ones, and set its limit on pixels."""
    warnings.simplefilter("error")
    for message in _HARMLESS:
        warnings.filterwarnings("ignore", message=message)
    Image.MAX_IMAGE_PIXELS = max_pixels


def _load_decoder(image_format: str) -> None:
    """Import only the decoder for this format."""
    if image_format == "HEIF":
        import pillow_heif  # noqa: PLC0415 - a large library that few images need

        # Only the primary image is used; a broken thumbnail or depth map must not make the file unreadable.
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
        return
    module = {"JPEG": "Jpeg", "PNG": "Png", "WEBP": "WebP", "GIF": "Gif", "TIFF": "Tiff", "AVIF": "Avif"}[image_format]
    importlib.import_module(f"PIL.{module}ImagePlugin")
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread uses address space, which is limited


def _exif_orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - a photograph whose EXIF cannot be read is still a photograph
        return 1
    return value if isinstance(value, int) else 1
