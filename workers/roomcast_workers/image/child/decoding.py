"""Open an untrusted image with exactly one decoder and a limit on pixels, and classify what goes wrong."""

from __future__ import annotations

import errno
import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import AvifImagePlugin, Image

from .colour import ColourConversion
from .colour_space import ColourSpace, from_cicp, from_gamma
from .containers.isobmff import image_properties
from .containers.jxl import jxl_size
from .containers.png import PngColour, repaired_png
from .containers.webp import repaired_webp
from .memory import JXL_BYTES, TooMuchMemory, check_pixels
from .plan import ImageRequest

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


class NoDecoder(Exception):
    """The decoder of this format is not installed."""


@contextmanager
def decoding() -> Iterator[None]:
    """Map whatever a decoder raises to `Unreadable` or `TooManyPixels`, except errors of the system itself."""
    try:
        yield
    except (MemoryError, NoDecoder, TooMuchMemory, Unreadable, TooManyPixels, TooManyFrames):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(str(error)) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _SYSTEM_ERRORS:
            raise
        raise Unreadable(f"The decoder failed: {type(error).__name__}: {error}.") from error


class OpenImage:
    """An image that is open: Pillow's, the conversion of its colours, and the box that is shown of it, if not all is.

    `still_suffices` says that it is shown as a still image if its animation cannot be decoded.
    """

    def __init__(
        self,
        image: Image.Image,
        conversion: ColourConversion,
        aperture: tuple[int, int, int, int] | None = None,
        *,
        still_suffices: bool = False,
    ) -> None:
        self.image = image
        self.conversion = conversion
        self.aperture = aperture
        self.still_suffices = still_suffices

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as they are stored, of what is shown."""
        if self.aperture is None:
            return self.image.size
        left, top, right, bottom = self.aperture
        return right - left, bottom - top


def open_image(file: IO[bytes], request: ImageRequest) -> OpenImage:
    """Open the image without decoding it; of several in one file, the first or the primary one.

    Call it within `decoding`.
    """
    image_format = request.format
    _strict_decoders(request.max_pixels)
    _load_decoder(image_format)
    space: ColourSpace | None = None
    profile: bytes | None = None
    aperture, still_suffices = None, False
    match image_format:
        case "PNG":
            file, declared, still_suffices = repaired_png(file)
            space, profile = _png_space(declared), None if declared.cicp else declared.profile
        case "WEBP":
            file = repaired_webp(file)
        case "JXL":
            _check_jxl(file, request.max_pixels)
        case "AVIF":
            properties = image_properties(file)
            space = from_cicp(*properties.cicp[:2]) if properties.cicp else None
            aperture = properties.aperture
    file.seek(0)
    image = Image.open(file, formats=[image_format])
    if image_format == "HEIF" and (nclx := image.info.get("nclx_profile")):
        space = from_cicp(nclx["color_primaries"], nclx["transfer_characteristics"])
    profile = profile or image.info.get("icc_profile")
    conversion = ColourConversion(file, None if profile else space, profile, request.deep)
    return OpenImage(image, conversion, aperture, still_suffices=still_suffices)


def _check_jxl(file: IO[bytes], max_pixels: int) -> None:
    """Raise `TooManyPixels` or `TooMuchMemory` for a JPEG XL image, which its decoder decodes when it opens it."""
    size = jxl_size(file)
    if size is None:
        raise Unreadable("There is no JPEG XL image.")
    if size[0] * size[1] > max_pixels:
        raise TooManyPixels(f"The image has {size[0]} × {size[1]} pixels.")
    check_pixels(size, JXL_BYTES)


def _png_space(declared: PngColour) -> ColourSpace | None:
    """Return the colour space that a PNG declares without a profile."""
    if declared.cicp:
        return from_cicp(*declared.cicp[:2])
    if declared.srgb or declared.profile:
        return None
    return from_gamma(declared.gamma, declared.chromaticities)


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
    if image_format == "JXL":
        try:
            from pillow_jxl import JpegXLImagePlugin  # noqa: PLC0415 - an extra, which need not be installed
        except ImportError as error:
            raise NoDecoder("JPEG XL needs the extra `jxl`.") from error
        JpegXLImagePlugin.DECODE_THREADS = 0  # none beside this one
        return
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
