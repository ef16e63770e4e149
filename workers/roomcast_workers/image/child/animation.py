"""Moving pictures: counted without being decoded, then turned into an animated WebP frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from PIL import Image

from .decoding import TooManyFrames, Unreadable, reading
from .plan import ANIMATION_NAME, Order
from .still import decoded, quality_of

_MOVING = {"GIF", "PNG", "WEBP", "AVIF"}
_WHOLE_PICTURES = 20
"""All frames together may have as many pixels as so many of the largest pictures."""

_UNSAID_MS = 100
"""How long browsers show a frame that says 0."""

_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = b"\x21", b"\x2c", b"\x3b"


def count_frames(opened: Image.Image, order: Order) -> int:
    """The frames of the picture, 1 for a still one; `TooManyFrames` when they are more than are taken."""
    if opened.format == "GIF":  # the only one that does not say it
        with Path(order.source).open("rb") as file:
            frames = _gif_frames(file, order.max_frames + 1)
    else:
        frames = int(getattr(opened, "n_frames", 1)) if opened.format in _MOVING else 1
    if opened.info.get("default_image"):
        frames -= 1  # of an APNG: shown where nothing can move, and no part of what moves
    if frames > order.max_frames or frames * opened.width * opened.height > _WHOLE_PICTURES * order.max_pixels:
        raise TooManyFrames(f"{frames} frames")
    return max(1, frames)


def write_animation(opened: Image.Image, frames: int, order: Order, on_done: Callable[[float], None]) -> None:
    """Write the animated WebP; `opened` is left at its last frame."""
    side = max(order.sides)
    loops = _loops(opened)
    rest = _Frames(_decoded_frames(opened, frames, side, on_done), frames - 1)
    rest.seek(0)
    first = rest.picture
    size = first.size
    path = Path(order.out, ANIMATION_NAME)
    quality = quality_of("webp", order.quality)
    first.save(
        path,
        "WEBP",
        save_all=True,
        append_images=[cast("Image.Image", rest)],
        duration=rest.durations,
        loop=loops,
        quality=quality,
        method=2,
        kmin=9,
        kmax=30,
    )
    with Image.open(path, formats=["WEBP"]) as again:
        again.load()
        if again.size != size:
            raise RuntimeError("the result is not what was written")


class _Frames:
    """Frames that `save` appends, each made when it is sought, so that there is never more than one.

    `durations` (milliseconds) grows with them: `save` asks for a frame's after having taken the frame.
    """

    def __init__(self, frames: Iterator[tuple[Image.Image, float]], n_frames: int) -> None:
        self._frames = frames
        self.n_frames = n_frames
        self.durations: list[float] = []
        self.picture: Image.Image

    def seek(self, _frame: int) -> None:
        self.picture, duration = next(self._frames)
        self.durations.append(duration)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.picture, name)


def _decoded_frames(
    opened: Image.Image, frames: int, side: int, on_done: Callable[[float], None]
) -> Iterator[tuple[Image.Image, float]]:
    skipped = 1 if opened.info.get("default_image") else 0
    size = opened.size
    for number in range(frames):
        with reading():
            opened.seek(number + skipped)
            opened.load()
            frame = opened if opened.size == size else opened.crop((0, 0, *size))  # a GIF may outgrow itself
            picture = decoded(frame, side)
        on_done(number / frames)
        yield picture, float(opened.info.get("duration") or _UNSAID_MS)


def _loops(opened: Image.Image) -> int:
    """How often it is shown, 0 for ever. A GIF says how often it is repeated, and without a word it is shown once."""
    loop = opened.info.get("loop")
    if opened.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return loop if isinstance(loop, int) else 0


def _gif_frames(file: IO[bytes], most: int) -> int:
    """The image blocks of a GIF (89a, appendix B), at most `most`: nothing is decoded, or read beyond that."""
    _skip_table(file, file.read(13)[10:11])
    found = 0
    while found < most and (block := file.read(1)) not in {b"", _GIF_END}:
        if block == _GIF_IMAGE:
            _skip_table(file, file.read(9)[8:9])
            file.read(1)  # LZW's first code size
            found += 1
        elif block == _GIF_EXTENSION:
            file.read(1)  # its label
        else:
            continue
        while length := file.read(1)[:1]:
            if length == b"\0":
                break
            file.read(length[0])
    return found


def _skip_table(file: IO[bytes], flags: bytes) -> None:
    """Pass over the colours that these flags announce."""
    if not flags:
        raise Unreadable("the GIF ends in a header")
    if flags[0] & 0x80:
        file.read(3 << ((flags[0] & 7) + 1))
