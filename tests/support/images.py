"""Images compressed for a test, and their contents."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import AvifImagePlugin, Image
from roomcast_workers.image import pipeline
from roomcast_workers.image.child.run import main
from roomcast_workers.image.pipeline import ImageSettings, ImageSource, make_images
from roomcast_workers.job import ResultFile
from roomcast_workers.sandbox.sandbox import ResourceLimits
from roomcast_workers.sandbox.subprocess_runner import ProgramExit

LIMITS = ResourceLimits(address_space=3 << 30, cpu_seconds=60, file_size=1 << 28)
BLUE, WHITE = (20, 60, 200), (255, 255, 255)
METADATA = {"exif", "xmp", "comment", "icc_profile"}
MIDDLE = (0.5, 0.5)


@dataclass(frozen=True)
class CompressedImage:
    """The results of a source image. `[name]` is the result of that name."""

    source: ImageSource
    results: list[ResultFile]
    fractions: list[float]

    def __getitem__(self, name: str) -> ResultFile:
        return next(result for result in self.results if result.name == name)

    @property
    def webp(self) -> ResultFile:
        return self["image.webp"]

    @property
    def jpeg(self) -> ResultFile:
        return self["image.jpg"]

    @property
    def avif(self) -> ResultFile:
        return self["image.avif"]


async def compress(
    source: Path,
    image_format: str,
    *,
    limits: ResourceLimits | None = None,
    timeout_seconds: float = 60,
    deep: Path | None = None,
    **settings: Any,
) -> CompressedImage:
    """Compress an image into `out` beside it, with the default settings except those given.

    A child with these `limits` does it. Without limits the child's functions run in this process: starting Python and
    loading Pillow takes ten times as long as a small image.
    """
    if limits is None:
        with patch.object(pipeline, "run_sandboxed", run_in_this_process):
            return await compress(source, image_format, limits=LIMITS, deep=deep, **settings)
    out = source.parent / "out"
    out.mkdir(exist_ok=True)
    fractions: list[float] = []
    described, results = await make_images(
        source,
        out,
        image_format,
        ImageSettings(**settings),
        limits=limits,
        timeout_seconds=timeout_seconds,
        on_fraction=fractions.append,
        deep=deep,
    )
    return CompressedImage(described, results, fractions)


async def run_in_this_process(argv: list[str], *, on_output: Callable[[bytes], bool], **_: Any) -> ProgramExit:
    """Run the image child's functions as `run_sandboxed` runs the child, and leave Pillow as it was."""
    output, failure = io.StringIO(), io.StringIO()
    with _pillow_as_it_was(), redirect_stdout(output), redirect_stderr(failure):
        code = main([argv[-1]])
    on_output(output.getvalue().encode())
    return ProgramExit(code, failure.getvalue())


@contextmanager
def _pillow_as_it_was() -> Iterator[None]:
    """Restore the settings of Pillow and of warnings that the child sets."""
    most, threads = Image.MAX_IMAGE_PIXELS, AvifImagePlugin.DEFAULT_MAX_THREADS
    try:
        with warnings.catch_warnings():
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, AvifImagePlugin.DEFAULT_MAX_THREADS = most, threads


def opened(result: ResultFile) -> Image.Image:
    """Return the decoded result."""
    with Image.open(result.path) as image:
        image.load()
        return image


def pixel(result: ResultFile, at: tuple[float, float] = MIDDLE) -> tuple[int, ...]:
    """Return the colour at a position given as fractions of width and height."""
    image = opened(result)
    value = image.getpixel((int(at[0] * image.width), int(at[1] * image.height)))
    assert isinstance(value, tuple)
    return value


def near(colour: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 12) -> bool:
    """Return whether two colours are equal but for the loss of an encoder."""
    return len(colour) == len(expected) and all(abs(a - b) <= tolerance for a, b in zip(colour, expected, strict=True))


def assert_no_metadata(result: ResultFile, *secrets: bytes) -> None:
    """Assert that a result has no metadata and none of these bytes."""
    content = result.path.read_bytes()
    assert [secret for secret in secrets if secret in content] == []
    image = opened(result)
    assert not METADATA & set(image.info)
    assert dict(image.getexif()) == {}


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    """Return a PNG that claims this size, depth and colour type, whatever it contains; `extra` chunks precede the
    pixels.
    """
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
