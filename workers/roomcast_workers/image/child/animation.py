"""Animated images: count the frames without decoding them, then write an animated WebP frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from PIL import Image

from .decoding import OpenImage, TooManyFrames, Unreadable, decoding
from .plan import ANIMATION_NAME, ImageRequest
from .still import decode_frame, quality_of

_ANIMATED_FORMATS = {"GIF", "PNG", "WEBP", "AVIF"}
_MAX_TOTAL_FRAMES = 20
"""All frames together may have as many pixels as this many of the largest allowed images."""
_MAX_TOTAL_PIXELS = 2_000_000_000

_DEFAULT_FRAME_MS = 100
"""How long browsers show a frame whose duration is 0."""

_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = b"\x21", b"\x2c", b"\x3b"


def count_frames(source: Image.Image, request: ImageRequest) -> int:
    """Return the number of frames, 1 for a still image. Raise `TooManyFrames` when it exceeds the request's limits."""
    if source.format == "GIF":  # the only format that does not state its number of frames
        with Path(request.source).open("rb") as file:
            frames = _count_gif_frames(file, request.max_frames + 1)
    else:
        frames = int(getattr(source, "n_frames", 1)) if source.format in _ANIMATED_FORMATS else 1
    if source.info.get("default_image"):
        frames -= 1  # an APNG's fallback image, which is not a frame of its animation
    total = frames * source.width * source.height
    if frames > request.max_frames or (
        frames > 1 and total > min(_MAX_TOTAL_FRAMES * request.max_pixels, _MAX_TOTAL_PIXELS)
    ):
        raise TooManyFrames(f"The animation has {frames} frames.")
    return max(1, frames)


def write_animation(source: OpenImage, frames: int, request: ImageRequest, on_done: Callable[[float], None]) -> None:
    """Write the animated WebP and read it back. Leaves `source` at its last frame."""
    side = max(request.sides)
    loops = _loop_count(source.image)
    rest = _LazyFrames(_decode_frames(source, frames, side, on_done), frames - 1)
    rest.seek(0)
    first = rest.image
    size = first.size
    path = Path(request.out, ANIMATION_NAME)
    quality = quality_of("webp", request.quality)
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
    with Image.open(path, formats=["WEBP"]) as written:
        written.load()
        if written.size != size:
            raise RuntimeError("The written animation has the wrong size.")


class _LazyFrames:
    """Frames for `save` to append, decoded when sought, so that only one is in memory.

    `durations` (milliseconds) grows as they are decoded: `save` asks for a frame's duration after taking the frame.
    """

    def __init__(self, frames: Iterator[tuple[Image.Image, float]], n_frames: int) -> None:
        self._frames = frames
        self.n_frames = n_frames
        self.durations: list[float] = []
        self.image: Image.Image

    def seek(self, _frame_number: int) -> None:
        self.image, duration = next(self._frames)
        self.durations.append(duration)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.image, name)


def _decode_frames(
    source: OpenImage, frames: int, side: int, on_done: Callable[[float], None]
) -> Iterator[tuple[Image.Image, float]]:
    animation = source.image
    skipped = 1 if animation.info.get("default_image") else 0
    size = animation.size
    for number in range(frames):
        with decoding():
            animation.seek(number + skipped)
            animation.load()
            # A GIF's later frame can be larger.
            frame = animation if animation.size == size else animation.crop((0, 0, *size))
            image = decode_frame(OpenImage(frame, source.conversion, source.aperture), side)
        on_done(number / frames)
        yield image, float(animation.info.get("duration") or _DEFAULT_FRAME_MS)


def _loop_count(source: Image.Image) -> int:
    """Return how often the animation is shown, 0 for endlessly.

    A GIF states its number of repetitions; without that extension it is shown once.
    """
    loop = source.info.get("loop")
    if source.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return loop if isinstance(loop, int) else 0


def _count_gif_frames(file: IO[bytes], limit: int) -> int:
    """Count the image blocks of a GIF (89a, appendix B), at most `limit`. Decodes nothing and reads no further."""
    _skip_colour_table(file, file.read(13)[10:11])
    found = 0
    while found < limit and (block := file.read(1)) not in {b"", _GIF_END}:
        if block == _GIF_IMAGE:
            _skip_colour_table(file, file.read(9)[8:9])
            file.read(1)  # LZW minimum code size
            found += 1
        elif block == _GIF_EXTENSION:
            file.read(1)  # extension label
        else:
            continue
        while length := file.read(1)[:1]:
            if length == b"\0":
                break
            file.read(length[0])
    return found


def _skip_colour_table(file: IO[bytes], flags: bytes) -> None:
    """Skip the colour table that these flags declare."""
    if not flags:
        raise Unreadable("The GIF ends within a header.")
    if flags[0] & 0x80:
        file.read(3 << ((flags[0] & 7) + 1))
