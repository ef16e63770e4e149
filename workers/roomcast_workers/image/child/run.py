"""One picture from ORDER to the last file, and what is said meanwhile.

ORDER is JSON: the fields of `plan.Order`. On stdout, one JSON object a line: `{"fraction": 0–1}`; once the source is
known `{"width", "height", "alpha", "frames"}`, its size upright; `{"placeholder": blurhash}`; and at a bad end
`{"failed": reason}` and exit code 1, with reason one of `unreadable`, `too-many-pixels`, `too-many-frames`,
`disk-full`, `too-large`, `memory`, `failed`. The files are those that `plan` tells of.
"""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import IO, Any

from .animation import count_frames, write_animation
from .decoding import TooManyFrames, TooManyPixels, Unreadable, open_picture, orientation_of, reading, upright
from .plan import Order
from .still import decoded, placeholder, write_all

_REASONS: dict[type[Exception], str] = {
    Unreadable: "unreadable",
    TooManyPixels: "too-many-pixels",
    TooManyFrames: "too-many-frames",
    MemoryError: "memory",
}
_ERRNO_REASONS = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EFBIG: "too-large",
    errno.ENOMEM: "memory",
}


def main(argv: list[str]) -> int:
    """Do what `argv[0]` orders; the exit code."""
    order = Order(**json.loads(argv[0]))
    try:
        with Path(order.source).open("rb") as file:
            _compress(file, order)
    except Exception as problem:  # noqa: BLE001 - a decoder may raise anything, and all of it must have a name
        sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
        _say(failed=_reason(problem))
        return 1
    return 0


def _compress(file: IO[bytes], order: Order) -> None:
    with reading():
        opened = open_picture(file, order.format, order.max_pixels)
        frames = count_frames(opened, order)
        _say(fraction=0.05)
        stored_size = opened.size
        picture = decoded(opened, max(order.sides))
        width, height = upright(stored_size, orientation_of(opened))
    _say(width=width, height=height, alpha=opened.has_transparency_data, frames=frames)
    _say(placeholder=placeholder(picture))
    begun, end = 0.3, 0.5 if frames > 1 else 1.0
    _say(fraction=begun)
    for share in write_all(picture, (width, height), order):
        _say(fraction=begun + (end - begun) * share)
    if frames > 1:
        write_animation(opened, frames, order, lambda share: _say(fraction=end + (1 - end) * share))
    _say(fraction=1.0)


def _say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _reason(problem: Exception) -> str:
    number = problem.errno if isinstance(problem, OSError) else None  # Pillow's own OSErrors carry none
    return _REASONS.get(type(problem)) or _ERRNO_REASONS.get(number or 0, "failed")
