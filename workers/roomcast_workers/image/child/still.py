"""The still pictures: one decoding, each size from the next larger one, each written in every format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blurhash
from PIL import AvifImagePlugin, Image, WebPImagePlugin

from .colour import in_srgb, on_white, plain
from .decoding import orientation_of
from .plan import Order, PlannedImage, fit, plan_images

SAVERS = (AvifImagePlugin, WebPImagePlugin)  # imported for what they register

_HASH_SIDE = 32
_METADATA = {"exif", "icc_profile", "xmp", "comment"}

# Settings of equal DSSIM, as measured by https://www.industrialempathy.com/posts/avif-webp-quality-settings/.
_SAME_QUALITY = {"jpeg": (1, 50, 60, 70, 80, 100), "webp": (1, 55, 64, 72, 82, 100), "avif": (1, 48, 51, 56, 64, 100)}


def decoded(opened: Image.Image, side: int) -> Image.Image:
    """The frame that `opened` is at: upright, sRGB, RGB or RGBA, its longest side at most `side`, nothing attached."""
    target = fit(opened.size, side)
    if opened.format in {"JPEG", "MPO"}:
        opened.draft(opened.mode, target)  # at 1/2, 1/4 or 1/8, but no smaller than the target
    opened.load()
    profile = opened.info.get("icc_profile")
    turn = orientation_of(opened)
    picture = in_srgb(shrunk(plain(opened), target), profile)
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info.clear()  # or the encoders would copy comments and profiles from it
    return picture


def shrunk(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resampled to `size`, alpha weighed in; the picture itself when that is its size."""
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def write_all(picture: Image.Image, size: tuple[int, int], order: Order) -> Iterator[float]:
    """Write what is planned for a source of this upright size; yields the share that is done."""
    plan = plan_images(size, order.sides, order.formats)
    whole, done = sum(each.width * each.height for each in plan), 0
    for each in plan:
        picture = shrunk(picture, each.size)
        write(Path(order.out, each.name), picture, each, order.quality)
        done += each.width * each.height
        yield done / whole


def write(path: Path, image: Image.Image, each: PlannedImage, quality: int) -> None:
    """Save, without metadata, and read it back: what cannot be read again was not written."""
    if each.format == "jpeg":
        image = on_white(image)
    image.save(path, each.format.upper(), **_options(each.format, quality))
    with Image.open(path, formats=[each.format.upper()]) as again:
        again.load()
        if again.size != each.size or _METADATA & set(again.info):
            raise RuntimeError("the result is not what was written")


def _options(image_format: str, quality: int) -> dict[str, Any]:
    """What the encoder is told. AVIF at speed 8 costs less than WebP here, and gives up few bytes."""
    encoder: dict[str, dict[str, Any]] = {
        "jpeg": {"optimize": True, "progressive": True},
        "webp": {"method": 4},
        "avif": {"speed": 8, "max_threads": 1},
    }
    return {"quality": quality_of(image_format, quality), **encoder[image_format]}


def quality_of(image_format: str, quality: int) -> int:
    """The encoder's own setting for a quality on JPEG's scale."""
    here, there = _SAME_QUALITY["jpeg"], _SAME_QUALITY[image_format]
    upper = next(number for number in range(1, len(here)) if quality <= here[number])
    share = (quality - here[upper - 1]) / (here[upper] - here[upper - 1])
    return round(there[upper - 1] + share * (there[upper] - there[upper - 1]))


def placeholder(picture: Image.Image) -> str:
    """The blurhash: a few colours to show before there is a picture, seen through no alpha."""
    small = on_white(shrunk(picture, fit(picture.size, _HASH_SIDE)))
    width, height = small.size
    rows = [[small.getpixel((x, y)) for x in range(width)] for y in range(height)]
    across, down = (4, 3) if width >= height else (3, 4)
    return str(blurhash.encode(rows, components_x=across, components_y=down))
