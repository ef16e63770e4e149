"""Plan which files an image becomes. Pure: the worker repeats the plan, so it need not trust the child."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

# Named tuples, because importing `dataclasses` would slow down the start of every child.
ImageKind = Literal["image", "thumbnail"]

_SUFFIXES = {"webp": "webp", "avif": "avif", "jpeg": "jpg"}

ANIMATION_NAME = "animation.webp"
"""The file that an animated source becomes, beside the still images."""


class ImageRequest(NamedTuple):
    """What the child is asked to do.

    `format` is Pillow's name of the source's format; `sides` are longest sides in pixels; `formats` are among `webp`,
    `avif` and `jpeg`; `quality` is 1–100. `max_pixels` limits one frame. `deep`, if it is not empty, is a file with the
    stored pixels, 16 bits (little-endian) of each red, green and blue, of a source that Pillow decodes to 8 bits.
    """

    source: str
    out: str
    format: str
    sides: Sequence[int]
    formats: Sequence[str]
    quality: int
    max_pixels: int
    max_frames: int
    deep: str = ""


class PlannedImage(NamedTuple):
    """One file to make: its name and kind, its format as in `ImageRequest.formats`, its size in pixels."""

    name: str
    kind: ImageKind
    format: str
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


def plan_images(size: tuple[int, int], sides: Sequence[int], formats: Sequence[str]) -> list[PlannedImage]:
    """Return the still images to make of a source of this upright size, the main one first.

    The largest are named `image.webp` and so on; the smaller ones carry their side: `image-480.webp`. The smallest of
    the first format is the `thumbnail`, unless it is also the largest.
    """
    fitted = [(side, fit(size, side)) for side in distinct_sides(size, sides)]
    last = len(fitted) - 1
    return [
        PlannedImage(
            f"image{f'-{side}' if number else ''}.{_SUFFIXES[name]}",
            "thumbnail" if number == last > 0 and name == formats[0] else "image",
            name,
            *small,
        )
        for number, (side, small) in enumerate(fitted)
        for name in dict.fromkeys(formats)
    ]


def distinct_sides(size: tuple[int, int], sides: Sequence[int]) -> list[int]:
    """Return the longest sides to make, largest first: nothing is enlarged, and no size is made twice."""
    return sorted({min(side, max(size)) for side in sides}, reverse=True)


def fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the size of the same shape with its longest side at most `side`, and never larger than `size`."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
