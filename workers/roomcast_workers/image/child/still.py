"""Still images: decode once, derive each size from the next larger one, and write each size in every format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import blurhash
from PIL import AvifImagePlugin, Image, ImageChops, WebPImagePlugin

from .colour import on_white
from .containers.jpeg import ended_jpeg
from .decoding import OpenImage, open_image, orientation_of
from .memory import check_memory
from .plan import ImageRequest, PlannedImage, fit, plan_images

SAVERS = (AvifImagePlugin, WebPImagePlugin)  # imported because importing registers them

_HASH_SIDE = 32
_METADATA = {"exif", "icc_profile", "xmp", "comment"}

# Settings of equal DSSIM, as measured by https://www.industrialempathy.com/posts/avif-webp-quality-settings/; those for
# 80, the default, of equal SSIMULACRA2 on photographs with these encoders at these speeds.
_EQUAL_QUALITY = {"jpeg": (1, 50, 60, 70, 80, 100), "webp": (1, 55, 64, 72, 80, 100), "avif": (1, 48, 51, 56, 66, 100)}


def decode_frame(source: OpenImage, side: int) -> Image.Image:
    """Return the current frame of `source`: upright, sRGB, RGB or RGBA, longest side at most `side`, no metadata."""
    image = source.image
    target, stored_size = fit(source.size, side), image.size
    if image.format in {"JPEG", "MPO"}:
        image.draft(image.mode, target)  # decodes at 1/2, 1/4 or 1/8, but not smaller than the target
    check_memory(image, stored_size, deep=source.conversion.needs_all_bits)
    layers = source.conversion.load(image)
    turn = orientation_of(image)
    if source.aperture:
        layers = [layer.crop(source.aperture) for layer in layers]
    decoded = source.conversion.finish([resized(layer, target) for layer in layers])
    if turn is not None:
        decoded = decoded.transpose(turn)
    decoded.info.clear()  # otherwise the encoders copy comments and profiles from it
    return decoded


def decode_still(source: OpenImage, file: IO[bytes], request: ImageRequest) -> Image.Image:
    """Return the first frame as `decode_frame` does, also of a JPEG whose end is missing while its pixels are not."""
    side = max(request.sides)
    try:
        return decode_frame(source, side)
    except OSError as error:
        ended = ended_jpeg(file) if request.format == "JPEG" and error.errno is None else None
        if ended is None:
            raise
        image, other = (decode_frame(open_image(again, request), side) for again in ended)
        if ImageChops.difference(image, other).getbbox() is not None:
            raise
        return image


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the image resampled to `size` with alpha taken into account; the same object if it has that size."""
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def write_images(image: Image.Image, size: tuple[int, int], request: ImageRequest) -> Iterator[float]:
    """Write the planned images for a source of this upright size, and yield the fraction done after each."""
    plan = plan_images(size, request.sides, request.formats)
    total, done = sum(planned.width * planned.height for planned in plan), 0
    for planned in plan:
        image = resized(image, planned.size)
        write_image(Path(request.out, planned.name), image, planned, request.quality)
        done += planned.width * planned.height
        yield done / total


def write_image(path: Path, image: Image.Image, planned: PlannedImage, quality: int) -> None:
    """Save the image without metadata and read it back. Raise `RuntimeError` if it is not as planned."""
    if planned.format == "jpeg":
        image = on_white(image)
    image.save(path, planned.format.upper(), **_options(planned.format, quality))
    with Image.open(path, formats=[planned.format.upper()]) as written:
        written.load()
        if written.size != planned.size or _METADATA & set(written.info):
            raise RuntimeError("The written image is not as planned.")


def _options(image_format: str, quality: int) -> dict[str, Any]:
    """Return the encoder's options. AVIF at speed 8 costs less CPU here than WebP and is only slightly larger."""
    encoder: dict[str, dict[str, Any]] = {
        "jpeg": {"optimize": True, "progressive": True},
        "webp": {"method": 4},
        "avif": {"speed": 8, "max_threads": 1},
    }
    return {"quality": quality_of(image_format, quality), **encoder[image_format]}


def quality_of(image_format: str, quality: int) -> int:
    """Return the encoder's own quality setting for a quality on JPEG's scale."""
    jpeg_scale, format_scale = _EQUAL_QUALITY["jpeg"], _EQUAL_QUALITY[image_format]
    upper = next(number for number in range(1, len(jpeg_scale)) if quality <= jpeg_scale[number])
    share = (quality - jpeg_scale[upper - 1]) / (jpeg_scale[upper] - jpeg_scale[upper - 1])
    return round(format_scale[upper - 1] + share * (format_scale[upper] - format_scale[upper - 1]))


def placeholder(image: Image.Image) -> str:
    """Return the blurhash, 4 × 3 colours, of the image on white."""
    small = on_white(resized(image, fit(image.size, _HASH_SIDE)))
    width, height = small.size
    rows = [[small.getpixel((x, y)) for x in range(width)] for y in range(height)]
    across, down = (4, 3) if width >= height else (3, 4)
    return str(blurhash.encode(rows, components_x=across, components_y=down))
