"""The memory that decoding an image takes, estimated before it is decoded."""

from __future__ import annotations

import resource

from PIL import Image

_BASE = 350 << 20
"""Address space of the program itself, and of encoding the results."""
_STORAGE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Bytes per pixel of Pillow's modes; all others have 4."""
_READY = {"RGB", "L", "CMYK"}
"""Modes that need no conversion, each of which is one more image."""
_DECODER = {"WEBP": 12, "AVIF": 9, "HEIF": 8}
"""Bytes per pixel of the planes and copies that a decoder of its own has, beside Pillow's image."""
JXL_BYTES = 24
"""Bytes per pixel of a JPEG XL image, whose decoder works in floating point."""
_DEEP = 14
"""Bytes per pixel of the channels of an image of 16 bits, and of what they are made of."""


class TooMuchMemory(Exception):
    """Decoding the image would take more memory than this process may have."""


def check_memory(image: Image.Image, stored_size: tuple[int, int], *, deep: bool) -> None:
    """Raise `TooMuchMemory` if decoding the image would. It may be set to be decoded smaller than it is stored."""
    storage = _STORAGE.get(image.mode, 4)
    conversion = 0 if image.mode in _READY else 4
    per_pixel = storage + conversion + _DECODER.get(image.format or "", 0) + (_DEEP if deep else 0)
    coefficients = 0.0
    if image.info.get("progressive"):
        coefficients = stored_size[0] * stored_size[1] * _coefficient_bytes(image)
    check_pixels(image.size, per_pixel, more=coefficients)


def check_pixels(size: tuple[int, int], per_pixel: int, *, more: float = 0.0) -> None:
    """Raise `TooMuchMemory` if as many bytes per pixel of an image of this size, and `more`, are over the limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = _BASE + size[0] * size[1] * per_pixel + more
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise TooMuchMemory(f"Decoding takes about {needed:,.0f} bytes of memory, and {limit:,} are allowed.")


def _coefficient_bytes(image: Image.Image) -> float:
    """Return the bytes per pixel of a progressive JPEG's coefficients, all of which are in memory."""
    layers = getattr(image, "layer", [])
    samples: list[int] = [across * down for _, across, down, *_ in layers]
    return 2 * sum(samples) / max(samples, default=1)
