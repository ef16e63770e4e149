"""Which files a picture becomes: pure, so that the worker can work it out too and need not believe the child."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

# Named tuples, because what it takes to import `dataclasses` every child would pay.
Kind = Literal["image", "thumbnail"]

_ENDINGS = {"webp": "webp", "avif": "avif", "jpeg": "jpg"}

ANIMATION_NAME = "animation.webp"
"""What a moving picture becomes, beside the still ones."""


class Order(NamedTuple):
    """What is asked for. `format` is Pillow's name of the source's; `sides` are longest sides in pixels, `formats` are
    among `webp`, `avif` and `jpeg`, `quality` is 1–100. `max_pixels` are those of one frame."""

    source: str
    out: str
    format: str
    sides: Sequence[int]
    formats: Sequence[str]
    quality: int
    max_pixels: int
    max_frames: int


class PlannedImage(NamedTuple):
    """One file to make: its name and kind, its format as in `Order.formats`, its size in pixels."""

    name: str
    kind: Kind
    format: str
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


def plan_images(size: tuple[int, int], sides: Sequence[int], formats: Sequence[str]) -> list[PlannedImage]:
    """The still pictures that come of one of this size, upright; the main one first.

    The largest are `image.webp` and so on; the smaller ones carry their side: `image-480.webp`. The smallest of the
    first format is the `thumbnail`, unless it is the largest too.
    """
    fitted = [(side, fit(size, side)) for side in smaller_sides(size, sides)]
    last = len(fitted) - 1
    return [
        PlannedImage(
            f"image{f'-{side}' if number else ''}.{_ENDINGS[name]}",
            "thumbnail" if number == last > 0 and name == formats[0] else "image",
            name,
            *small,
        )
        for number, (side, small) in enumerate(fitted)
        for name in dict.fromkeys(formats)
    ]


def smaller_sides(size: tuple[int, int], sides: Sequence[int]) -> list[int]:
    """The longest sides to make, largest first: nothing is scaled up, and no size is made twice."""
    return sorted({min(side, max(size)) for side in sides}, reverse=True)


def fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size of the same shape with its longest side at most `side`; never larger than `size`."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
