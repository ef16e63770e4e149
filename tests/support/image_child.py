"""Images decoded by the image child's own functions, in the process of the test: a case costs milliseconds."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from roomcast_workers.image.child.decoding import OpenImage, decoding, open_image
from roomcast_workers.image.child.plan import ImageRequest
from roomcast_workers.image.child.still import decode_still

from tests.support.images import near, png

DATA = Path(__file__).parents[1] / "data" / "images"
BARS = [(255, 255, 255), (192, 192, 192), (128, 128, 128), (64, 64, 64), (220, 30, 30), (30, 200, 30), (30, 30, 220)]
PLAIN = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128)]


def request(image_format: str, deep: str = "") -> ImageRequest:
    return ImageRequest("", "", image_format, (2048,), ("jpeg",), 80, 10_000_000, 100, deep)


def opened(content: bytes, image_format: str) -> OpenImage:
    return open_image(io.BytesIO(content), request(image_format))


def decoded(content: bytes, image_format: str, deep: str = "") -> Image.Image:
    """Return the image as the child decodes it."""
    with decoding():
        file, asked = io.BytesIO(content), request(image_format, deep)
        return decode_still(open_image(file, asked), file, asked)


def colours(image: Image.Image, count: int = len(BARS), of: int = 8) -> Sequence[tuple[int, ...]]:
    """Return the colour in the middle of each of `of` bars."""
    found = [
        image.convert("RGB").getpixel(((2 * bar + 1) * image.width // (2 * of), image.height // 2))
        for bar in range(count)
    ]
    return [colour for colour in found if isinstance(colour, tuple)]


def assert_bars(found: Sequence[tuple[int, ...]], expected: Sequence[tuple[int, ...]], tolerance: int = 3) -> None:
    assert all(near(a, b, tolerance) for a, b in zip(found, expected, strict=True)), found


def bars(samples: Sequence[tuple[int, ...]], depth: int = 8, *, colour: int = 2, extra: bytes = b"") -> bytes:
    """Return a PNG of bars of these samples."""
    code = ">%dH" if depth == 16 else ">%dB"
    row = b"\0" + b"".join(struct.pack(code % len(sample), *sample) * 8 for sample in samples)
    return png(8 * len(samples), 8, row * 8, depth=depth, colour=colour, extra=extra)
