"""Convert one image, from the request to the last file, and report on stdout.

The request is JSON: the fields of `plan.ImageRequest`. The report is one JSON object per line:

    {"fraction": 0–1}                                 progress
    {"width", "height", "alpha", "frames"}            the source, once it is known; its size is upright
    {"placeholder": blurhash}
    {"failed": reason}                                on failure, with exit code 1

Reasons are `unreadable`, `too-many-pixels`, `too-many-frames`, `too-much-memory`, `no-decoder`, `disk-full`,
`too-large`, `memory` and `failed`. The files are those that `plan` names.
"""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import IO, Any

from .animation import count_frames, write_animation
from .decoding import (
    NoDecoder,
    TooManyFrames,
    TooManyPixels,
    Unreadable,
    decoding,
    open_image,
    orientation_of,
    upright_size,
)
from .memory import TooMuchMemory
from .plan import ANIMATION_NAME, ImageRequest
from .still import decode_still, placeholder, write_images

_REASONS: dict[type[Exception], str] = {
    Unreadable: "unreadable",
    TooManyPixels: "too-many-pixels",
    NoDecoder: "no-decoder",
    TooManyFrames: "too-many-frames",
    TooMuchMemory: "too-much-memory",
    MemoryError: "memory",
}
_ERRNO_REASONS = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EFBIG: "too-large",
    errno.ENOMEM: "memory",
}


def main(argv: list[str]) -> int:
    """Carry out the request in `argv[0]` and return the exit code."""
    request = ImageRequest(**json.loads(argv[0]))
    try:
        with Path(request.source).open("rb") as file:
            _compress(file, request)
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything, and every failure needs a reason
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        _emit(failed=_reason(error))
        return 1
    return 0


def _compress(file: IO[bytes], request: ImageRequest) -> None:
    with decoding():
        source = open_image(file, request)
        frames = count_frames(source.image, request)
        _emit(fraction=0.05)
        stored_size = source.size
        image = decode_still(source, file, request)
        width, height = upright_size(stored_size, orientation_of(source.image))
    alpha = source.image.has_transparency_data
    _emit(width=width, height=height, alpha=alpha, frames=frames)
    _emit(placeholder=placeholder(image))
    start, end = 0.3, 0.5 if frames > 1 else 1.0
    _emit(fraction=start)
    for fraction in write_images(image, (width, height), request):
        _emit(fraction=start + (end - start) * fraction)
    if frames > 1:
        try:
            write_animation(source, frames, request, lambda fraction: _emit(fraction=end + (1 - end) * fraction))
        except Unreadable:
            if not source.still_suffices:
                raise
            Path(request.out, ANIMATION_NAME).unlink(missing_ok=True)
            _emit(width=width, height=height, alpha=alpha, frames=1)
    _emit(fraction=1.0)


def _emit(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _reason(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None  # Pillow's own OSErrors have none
    return _REASONS.get(type(error)) or _ERRNO_REASONS.get(number or 0, "failed")
