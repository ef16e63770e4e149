"""Animated images: frames, durations, loop count, alpha and limits."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from roomcast import errors
from roomcast_workers.sandbox.sandbox import ResourceLimits

from tests.support.images import assert_no_metadata, compress, near, opened, pixel

COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
PACE = [40, 1000, 250, 90]
FORMATS = ["GIF", "WEBP", "PNG", "AVIF"]


def video(path: Path, image_format: str, *, size: tuple[int, int] = (64, 48), mode: str = "RGB", **save: Any) -> Path:
    """Four frames, one colour each, with a hole in it where there is alpha; returns `path`."""
    frames = [Image.new(mode, size, (*colour, 255)[: len(mode)]) for colour in COLOURS]
    if mode == "RGBA":
        for frame in frames:
            ImageDraw.Draw(frame).ellipse((0, 0, size[0] // 2, size[1] - 1), fill=(0, 0, 0, 0))
    frames[0].save(path, image_format, save_all=True, append_images=frames[1:], **{"duration": PACE, **save})
    return path


def frames_of(path: Path) -> list[tuple[tuple[int, ...], float]]:
    """The colour at three quarters of the width, and the milliseconds, of each frame."""
    found = []
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            colour = image.convert("RGBA").getpixel((image.width * 3 // 4, image.height // 2))
            assert isinstance(colour, tuple)
            found.append((colour, float(image.info["duration"])))
    return found


@pytest.mark.parametrize("image_format", FORMATS)
async def test_animation_preserves_frames_and_durations(image_format: str, tmp_path: Path) -> None:
    made = await compress(video(tmp_path / "in", image_format), image_format)
    assert made.source.frames == 4
    assert [(made.results[0].name, made.results[0].kind), (made.results[1].name, made.results[1].kind)] == [
        ("animation.webp", "image"),
        ("image.webp", "image"),
    ]
    frames = frames_of(made.results[0].path)
    assert [pace for _, pace in frames] == PACE
    assert all(near(found[:3], wanted, tolerance=16) for (found, _), wanted in zip(frames, COLOURS, strict=True))
    for result in made.results[1:]:
        assert near(pixel(result), COLOURS[0], tolerance=16)
    assert made.fractions == sorted(set(made.fractions))
    assert made.fractions[-1] == 1.0


@pytest.mark.parametrize("image_format", ["WEBP", "PNG", "AVIF"])
async def test_animation_preserves_alpha(image_format: str, tmp_path: Path) -> None:
    made = await compress(video(tmp_path / "in", image_format, mode="RGBA"), image_format)
    assert made.source.alpha
    with Image.open(made.results[0].path) as image:
        for number in range(4):
            image.seek(number)
            image.load()
            left, right = image.getpixel((16, 24)), image.getpixel((60, 24))
            assert isinstance(left, tuple)
            assert isinstance(right, tuple)
            assert (left[3], right[3]) == (0, 255)


@pytest.mark.parametrize(
    ("image_format", "save", "shown"),
    [
        ("GIF", {"loop": 0}, 0),
        ("GIF", {"loop": 2}, 3),
        ("GIF", {}, 1),
        ("WEBP", {"loop": 5}, 5),
        ("PNG", {"loop": 3}, 3),
        ("PNG", {"loop": 0}, 0),
    ],
)
async def test_animation_preserves_its_loop_count(
    image_format: str, save: dict[str, Any], shown: int, tmp_path: Path
) -> None:
    made = await compress(video(tmp_path / "in", image_format, **save), image_format)
    assert opened(made.results[0]).info["loop"] == shown


async def test_frame_without_duration_gets_that_of_browsers(tmp_path: Path) -> None:
    made = await compress(video(tmp_path / "in", "GIF", duration=0), "GIF")
    assert [pace for _, pace in frames_of(made.results[0].path)] == [100] * 4


async def test_fallback_image_of_an_apng_is_no_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in COLOURS]
    frames[0].save(tmp_path / "in", "PNG", save_all=True, append_images=frames[1:], default_image=True, duration=50)
    made = await compress(tmp_path / "in", "PNG")
    assert made.source.frames == 3
    shown = frames_of(made.results[0].path)
    assert all(near(found[:3], wanted, tolerance=16) for (found, _), wanted in zip(shown, COLOURS[1:], strict=True))
    assert near(pixel(made.jpeg), COLOURS[0])


async def test_large_animation_is_scaled_down_without_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRET camera"
    source = video(tmp_path / "in", "WEBP", size=(900, 300), exif=exif, xmp=b"SECRET")
    made = await compress(source, "WEBP", sides=(300, 90))
    assert opened(made.results[0]).size == (300, 100)
    for result in made.results:
        assert_no_metadata(result, b"SECRET")


async def test_one_frame_becomes_a_still_image(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "in.gif", save_all=True)
    made = await compress(tmp_path / "in.gif", "GIF")
    assert made.source.frames == 1
    assert made.results[0].name == "image.webp"


async def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    """Eighty frames of 1000 × 1000 would be 320 MB; a tenth of that must do."""
    frames = []
    for number in range(80):
        frames.append(Image.new("P", (1000, 1000), 0))
        frames[-1].putpalette([0, 0, 0, 250, 250, 250])
        ImageDraw.Draw(frames[-1]).rectangle((number * 11, 100, number * 11 + 100, 200), fill=1)
    frames[0].save(tmp_path / "in", "GIF", save_all=True, append_images=frames[1:], duration=20)
    made = await compress(tmp_path / "in", "GIF", limits=ResourceLimits(360 << 20, 60, 1 << 28), sides=(64,))
    assert len(frames_of(made.results[0].path)) == 80


# --- Too much of it ---------------------------------------------------------------------------------------------------

_FRAME = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"


def many_frames(path: Path, count: int, *, size: tuple[int, int] = (1, 1)) -> Path:
    """A GIF of so many frames of one pixel; returns `path`."""
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    path.write_bytes(head + _FRAME * count + b";")
    return path


async def test_as_many_frames_as_allowed_are_accepted(tmp_path: Path) -> None:
    made = await compress(many_frames(tmp_path / "in", 20), "GIF", max_frames=20)
    assert made.source.frames == 20


@pytest.mark.parametrize("frames", [21, 300_000])
async def test_too_many_gif_frames_are_refused_without_decoding(frames: int, tmp_path: Path) -> None:
    source = many_frames(tmp_path / "in", frames)
    with pytest.raises(errors.TooLarge, match="more than 20 frames"):
        await compress(source, "GIF", max_frames=20, limits=ResourceLimits(1 << 30, 2, 1 << 28))


@pytest.mark.parametrize("image_format", ["WEBP", "PNG", "AVIF"])
async def test_too_many_frames_raise_too_large_in_every_format(image_format: str, tmp_path: Path) -> None:
    with pytest.raises(errors.TooLarge):
        await compress(video(tmp_path / "in", image_format), image_format, max_frames=3)


async def test_too_many_pixels_in_all_frames_raise_too_large(tmp_path: Path) -> None:
    source = many_frames(tmp_path / "in", 300, size=(100, 100))
    with pytest.raises(errors.TooLarge):
        await compress(source, "GIF", max_pixels=100_000)


async def test_gif_frame_larger_than_the_image_is_cropped(tmp_path: Path) -> None:
    big = b"\x2c" + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x44\x01\x00"
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    (tmp_path / "in").write_bytes(head + _FRAME + big + b";")
    with pytest.raises(errors.TooLarge, match="pixels"):
        await compress(tmp_path / "in", "GIF")


@pytest.mark.parametrize("image_format", FORMATS)
async def test_truncated_animation_raises_unreadable_media(image_format: str, tmp_path: Path) -> None:
    complete = video(tmp_path / "whole", image_format, size=(320, 240)).read_bytes()
    (tmp_path / "in").write_bytes(complete[: len(complete) * 3 // 4])
    with pytest.raises(errors.UnreadableMedia):
        await compress(tmp_path / "in", image_format)
