"""Broken and hostile images have a stable code, in little time and memory; a child that crashes or lies is not
believed.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from roomcast import errors
from roomcast_workers.image import pipeline as image
from roomcast_workers.sandbox.sandbox import ResourceLimits
from roomcast_workers.sandbox.subprocess_runner import ProgramExit

from tests.support.attacks import packed_gibibyte
from tests.support.clips import make_image, truncate
from tests.support.ffmpeg_runs import assert_no_process_left
from tests.support.images import BLUE, CompressedImage, chunk, compress, near, pixel, png

SMALL = ResourceLimits(address_space=512 << 20, cpu_seconds=5, file_size=1 << 26)
"""All that a bad picture may cost."""
FILES = [
    ("in.jpg", "JPEG"),
    ("in.png", "PNG"),
    ("in.webp", "WEBP"),
    ("in.gif", "GIF"),
    ("in.tif", "TIFF"),
    ("in.avif", "AVIF"),
]


@pytest.mark.parametrize(("name", "image_format"), FILES)
async def test_truncated_image_raises_unreadable_media(name: str, image_format: str, tmp_path: Path) -> None:
    source = truncate(make_image(tmp_path / name, noise=True, size=(320, 240)), 0.6)
    with pytest.raises(errors.UnreadableMedia) as caught:
        await compress(source, image_format, limits=SMALL)
    assert not caught.value.retryable
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"just words", b"\xff\xd8\xff\xe0 and no more", png(64, 64, b"short")])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "HEIF"])
async def test_random_bytes_raise_unreadable_media(content: bytes, image_format: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(content)
    with pytest.raises(errors.UnreadableMedia):
        await compress(tmp_path / "in", image_format)


async def test_only_the_requested_decoder_is_tried(tmp_path: Path) -> None:
    with pytest.raises(errors.UnreadableMedia):
        await compress(make_image(tmp_path / "in.png"), "JPEG", limits=SMALL)


@pytest.mark.parametrize(
    ("size", "allowed"), [((101, 100), 10_000), ((300, 100), 10_000), ((60_000, 60_000), 100_000_000)]
)
async def test_image_with_too_many_pixels_is_refused_before_decoding(
    size: tuple[int, int], allowed: int, tmp_path: Path
) -> None:
    (tmp_path / "bomb.png").write_bytes(png(*size, bytes(1000)))
    with pytest.raises(errors.TooLarge, match=rf"more than {allowed:,} pixels"):
        await compress(tmp_path / "bomb.png", "PNG", max_pixels=allowed, limits=SMALL)


@pytest.mark.parametrize(("name", "image_format"), FILES)
async def test_too_many_pixels_raise_too_large_in_every_format(name: str, image_format: str, tmp_path: Path) -> None:
    with pytest.raises(errors.TooLarge, match="more than 10,000 pixels"):
        await compress(make_image(tmp_path / name), image_format, max_pixels=10_000)


async def test_as_many_pixels_as_allowed_are_accepted(tmp_path: Path) -> None:
    assert await compress(make_image(tmp_path / "in.png", size=(100, 100)), "PNG", max_pixels=10_000)


async def test_png_text_bomb_is_not_decompressed(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + bytes(BLUE) * 64 for _ in range(64))
    (tmp_path / "in.png").write_bytes(png(64, 64, rows, extra=chunk(b"zTXt", b"Comment\0\0" + packed_gibibyte())))
    made = await compress(tmp_path / "in.png", "PNG", limits=SMALL)
    assert near(pixel(made.jpeg), BLUE)


async def test_tiff_with_offsets_outside_the_file_raises_unreadable_media(tmp_path: Path) -> None:
    complete = make_image(tmp_path / "in.tif").read_bytes()
    directory = struct.unpack("<I", complete[4:8])[0]
    for number, broken in enumerate([complete[:4] + b"\xff\xff\xff\x7f" + complete[8:], complete[: directory + 2]]):
        (tmp_path / f"{number}.tif").write_bytes(broken)
        with pytest.raises(errors.UnreadableMedia):
            await compress(tmp_path / f"{number}.tif", "TIFF")


@pytest.mark.parametrize("damage", [b"\xff" * 12, b"\0" * 12, b"MM\0*\xff\xff\xff\xff\0\0\0\0"])
async def test_photograph_with_corrupt_exif_is_converted(damage: bytes, tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.jpg", orientation=6)
    data = source.read_bytes()
    for offset in (6, 14):
        at = data.index(b"Exif\0\0") + offset
        source.write_bytes(data[:at] + damage + data[at + len(damage) :])
        made = await compress(source, "JPEG")
        assert near(pixel(made.jpeg, (0.6, 0.6)), BLUE)


async def test_image_that_needs_more_memory_than_allowed_is_refused_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(png(9000, 9000, bytes(1000)))
    with pytest.raises(errors.TooLarge, match="more memory") as caught:
        await compress(tmp_path / "in.png", "PNG", limits=SMALL)
    assert not caught.value.retryable


async def test_large_jpeg_is_decoded_in_the_memory_of_its_results(tmp_path: Path) -> None:
    """As many pixels as the PNG above, which a JPEG's decoder leaves out."""
    Image.new("L", (9000, 9000), 128).save(tmp_path / "in.jpg")
    made = await compress(tmp_path / "in.jpg", "JPEG", limits=SMALL, sides=(480,), formats=("jpeg",))
    assert (made.source.width, made.source.height) == (9000, 9000)
    assert near(pixel(made.jpeg), (128, 128, 128), 2)


async def test_image_result_over_the_limit_raises_too_large(tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.png", noise=True)
    with pytest.raises(errors.TooLarge):
        await compress(source, "PNG", limits=ResourceLimits(3 << 30, 60, 8192))


@pytest.mark.usefixtures("only_new_processes")
async def test_slow_child_raises_timed_out_and_leaves_no_process(tmp_path: Path) -> None:
    with pytest.raises(errors.TimedOut):
        await compress(make_image(tmp_path / "in.png"), "PNG", limits=SMALL, timeout_seconds=0.001)
    assert_no_process_left()


async def test_error_in_the_child_raises_retryable_error(tmp_path: Path) -> None:
    with pytest.raises(errors.TranscodeError):
        await compress(tmp_path / "absent.png", "PNG", limits=SMALL)


HASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
FACTS: dict[str, Any] = {"width": 64, "height": 64, "alpha": False, "frames": 1}


@dataclass(frozen=True)
class ChildRun:
    """What a child reports, how it ends, and which of the files is `absent` or a link to a file that is not its own."""

    facts: dict[str, Any] = field(default_factory=FACTS.copy)
    more: dict[str, str] = field(default_factory=lambda: {"placeholder": HASH})
    returncode: int = 0
    absent: str = ""
    linked: str = ""

    async def __call__(
        self, _argv: list[str], *, on_output: Callable[[bytes], bool], cwd: Path, **_: Any
    ) -> ProgramExit:
        for name in {"image.webp", "image.avif", "image.jpg"} - {self.absent, self.linked}:
            (cwd / name).touch()
        if self.linked:
            (cwd / self.linked).symlink_to("/etc/passwd")
        on_output("".join(json.dumps(line) + "\n" for line in (self.facts, self.more)).encode())
        return ProgramExit(self.returncode, "")


async def test_child_that_reports_and_writes_everything_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the next test's children fail by their one fault alone."""
    made = await reported(ChildRun(), tmp_path, monkeypatch)
    assert len(made.results) == 3


@pytest.mark.parametrize(
    "child",
    [
        ChildRun({}, {"failed": "no such reason"}, returncode=1),
        ChildRun({}, {}, returncode=1),
        ChildRun({}, {}),
        ChildRun(linked="image.avif"),
        ChildRun(absent="image.jpg"),
        ChildRun(more={"placeholder": HASH[:-1]}),
        ChildRun(more={"placeholder": "<script>alert(1)</script>   "}),
        ChildRun(FACTS | {"width": 640_000_000, "height": 640_000_000}),
        ChildRun(FACTS | {"frames": 0}),
        ChildRun(FACTS | {"frames": 2}),
    ],
)
async def test_child_that_reports_falsely_raises_transcode_error(
    child: ChildRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.TranscodeError) as caught:
        await reported(child, tmp_path, monkeypatch)
    assert type(caught.value) is errors.TranscodeError


async def reported(child: ChildRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompressedImage:
    """Compress an image by this child."""
    monkeypatch.setattr(image, "run_sandboxed", child)
    return await compress(make_image(tmp_path / "in.png"), "PNG", limits=SMALL)


async def test_child_that_crashes_fails_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "child.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(image, "_CHILD", tmp_path / "child.py")
    with pytest.raises(errors.EncodingFailed):
        await compress(make_image(tmp_path / "in.png"), "PNG", limits=SMALL)
