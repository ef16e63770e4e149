"""Pillow's own test images, odd and broken ones among them: each is converted or has a stable code.

A fixed twelfth of them by default; all with `ROOMCAST_ALL_PICTURES=1`.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat
from roomcast import errors
from roomcast.errors import Code
from roomcast.uploads.sniff import SNIFF_BYTES, Sniffed, sniff
from roomcast_workers.image import pipeline
from roomcast_workers.sandbox.sandbox import ResourceLimits, sandboxed_argv
from roomcast_workers.sandbox.subprocess_runner import ProgramExit

from tests.support.corpus import pictures, required
from tests.support.images import assert_no_metadata, compress, opened

DECLARED_COLOURS = {"icc_profile", "gamma", "chromaticity"}
SHARE = 1 if os.environ.get("ROOMCAST_ALL_PICTURES") else 12
LIMITS = ResourceLimits(address_space=1 << 30, cpu_seconds=120 // SHARE, file_size=1 << 28)
"""All that those of a test may cost."""

PARTS = 8
SLACK = 6

# Pillow's tests name what is wrong with these; nothing else may be refused.
BROKEN = {
    "broken", "bomb", "dos", "truncated", "oom", "timeout", "segfault", "overflow", "oob", "seek_too_large",
    "zero_width", "unknown", "chunk_no", "sequence", "syntax", "ultrahdr", "hopper_webp",
}  # fmt: skip


def taken() -> list[tuple[Path, Sniffed]]:
    """The pictures of the default run, by their first bytes alone."""
    found = []
    for path in required(pictures()):
        with path.open("rb") as file:
            sniffed = sniff(file.read(SNIFF_BYTES))
        if sniffed is not None and sniffed.kind == "image":
            found.append((path, sniffed))
    return found[::SHARE]


ONE_AFTER_ANOTHER = """
import json, sys
sys.path.append(sys.argv[1])
from child.run import main
for request in sys.stdin:
    print(json.dumps({"exit": main([request])}), flush=True)
"""


class LastingChild:
    """Runs the image child for one image after another in a single process: loading Pillow takes longer than most of
    these images."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def __call__(self, argv: list[str], *, on_output: Callable[[bytes], bool], **_: Any) -> ProgramExit:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{argv[-1]}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if "exit" in (fields := json.loads(line)):
                return ProgramExit(fields["exit"], "")
            on_output(line.encode())
        return ProgramExit(self._process.wait(), "")


@pytest.fixture(autouse=True)
def lasting_child(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    program = [sys.executable, "-I", "-c", ONE_AFTER_ANOTHER, str(Path(pipeline.__file__).parent)]
    limited, pipe = sandboxed_argv(program, LIMITS), subprocess.PIPE
    with subprocess.Popen(limited, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        monkeypatch.setattr(pipeline, "run_sandboxed", LastingChild(process))
        yield


@pytest.mark.parametrize("part", range(PARTS))
async def test_each_real_image_is_converted_or_has_a_stable_code(part: int, tmp_path: Path) -> None:
    chosen = taken()[part::PARTS]
    assert chosen
    wrong = {}
    for number, (path, sniffed) in enumerate(chosen):
        (tmp_path / str(number)).mkdir()
        if reason := await what_is_wrong(path, sniffed, tmp_path / str(number)):
            wrong[path.name] = reason
    assert wrong == {}


async def what_is_wrong(path: Path, sniffed: Sniffed, folder: Path) -> str | None:
    """With how this one ended; None when nothing is."""
    (folder / "in").symlink_to(path)
    try:
        made = await compress(folder / "in", sniffed.format, limits=LIMITS, sides=(256, 64), formats=("webp", "jpeg"))
    except errors.RoomcastError as refused:
        expected = refused.code in {Code.UNREADABLE_MEDIA, Code.TOO_LARGE} and any(word in path.name for word in BROKEN)
        return None if expected else f"{refused.code} {refused.message}"
    for result in made.results:
        assert_no_metadata(result)
        if opened(result).size != (result.width, result.height):
            return f"{result.name} is of another size than is said"
    try:
        reference = _as_pillow_sees_it(path)
    except (OSError, SyntaxError, ValueError):  # what browsers show, Pillow alone does not always
        return None
    if reference is None:
        return None
    size = (made.source.width, made.source.height)
    if reference.size != size:
        return f"{size} instead of {reference.size}"
    return _compared(opened(made.jpeg), reference)


def _as_pillow_sees_it(path: Path) -> Image.Image | None:
    """The first picture, upright and on white; None for a colour space or a depth that takes more than that."""
    pillow_heif.register_heif_opener()
    with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
        if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA"} or DECLARED_COLOURS & set(image.info):
            return None
        image.load()
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    white = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(white, upright).convert("RGB")


def _compared(ours: Image.Image, reference: Image.Image) -> str | None:
    """Whether it is the same picture, but for scaling. What JPEG does to fine colours is done to both."""
    plain = io.BytesIO()
    reference.resize(ours.size, Image.Resampling.LANCZOS).save(plain, "JPEG", quality=80)
    with Image.open(plain) as expected:
        mean = max(ImageStat.Stat(ImageChops.difference(ours, expected)).mean)
    return None if mean < SLACK else f"differs by {mean:.1f} levels"
