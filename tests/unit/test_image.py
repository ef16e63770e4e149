"""Pictures in, the web's formats out; and what bad pictures get."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from server.upload import errors
from tests.clips import make_image, truncate
from tests.unit.runs import assert_nobody_left
from workers import image
from workers.image import ImageResult, ImageSettings, compress_image
from workers.sandbox import Limits

LIMITS = Limits(address_space=3 << 30, cpu_seconds=60, file_size=1 << 28)
CHILD = Path(image.__file__).with_name("image_child.py")
BLUE, WHITE = (20, 60, 200), (255, 255, 255)


async def compress(
    source: Path, image_format: str, *, limits: Limits = LIMITS, wall_seconds: float = 60, **settings: Any
) -> list[ImageResult]:
    out = source.parent / "out"
    out.mkdir(exist_ok=True)
    return await compress_image(
        source,
        out,
        image_format,
        ImageSettings(**settings),
        limits=limits,
        wall_seconds=wall_seconds,
        on_fraction=lambda _: None,
    )


def opened(result: ImageResult) -> Image.Image:
    with Image.open(result.path) as picture:
        picture.load()
        return picture


def pixel(result: ImageResult, at: tuple[float, float]) -> tuple[int, ...]:
    """The colour at a place given in shares of width and height."""
    picture = opened(result)
    value = picture.getpixel((int(at[0] * picture.width), int(at[1] * picture.height)))
    assert isinstance(value, tuple)
    return value


def near(colour: tuple[int, ...], wanted: tuple[int, ...], slack: int = 12) -> bool:
    return len(colour) == len(wanted) and all(abs(a - b) <= slack for a, b in zip(colour, wanted, strict=True))


# --- Good pictures ----------------------------------------------------------------------------------------------------


async def test_three_files_come_out_and_are_what_they_say(tmp_path: Path) -> None:
    fractions: list[float] = []
    source = make_image(tmp_path / "in.jpg", size=(3000, 1500))
    results = await compress_image(
        source, tmp_path, "JPEG", ImageSettings(), limits=LIMITS, wall_seconds=60, on_fraction=fractions.append
    )
    assert [(r.name, r.kind, r.mime, r.width, r.height) for r in results] == [
        ("image.webp", "image", "image/webp", 2048, 1024),
        ("image.jpg", "image", "image/jpeg", 2048, 1024),
        ("thumbnail.webp", "thumbnail", "image/webp", 480, 240),
    ]
    for result in results:
        assert result.path == tmp_path / result.name
        assert opened(result).size == (result.width, result.height)
        assert f"image/{str(opened(result).format).lower()}" == result.mime
        assert near(pixel(result, (0.05, 0.05)), WHITE)
        assert near(pixel(result, (0.9, 0.9)), BLUE)
    assert fractions == sorted(set(fractions))
    assert fractions[-1] == 1.0


@pytest.mark.parametrize(
    ("name", "image_format", "mode"),
    [
        ("in.jpg", "JPEG", "RGB"),
        ("in.jpg", "jpeg", "L"),
        ("in.jpg", "JPEG", "CMYK"),
        ("in.png", "PNG", "RGB"),
        ("in.png", "PNG", "P"),
        ("in.png", "PNG", "1"),
        ("in.png", "PNG", "LA"),
        ("in.webp", "WEBP", "RGBA"),
        ("in.avif", "AVIF", "RGB"),
        ("in.gif", "GIF", "P"),
        ("in.tif", "TIFF", "RGB"),
        ("in.tif", "TIFF", "CMYK"),
        ("in.tif", "TIFF", "LAB"),
        ("in.tif", "TIFF", "F"),
    ],
)
async def test_every_kind_of_picture(name: str, image_format: str, mode: str, tmp_path: Path) -> None:
    rgb = Image.open(make_image(tmp_path / "rgb.png"))
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(rgb, srgb, lab, outputMode="LAB")
        assert picture is not None
    else:
        picture = rgb.convert(mode, dither=Image.Dither.NONE)
    picture.save(tmp_path / name)
    _, jpeg, thumbnail = await compress(tmp_path / name, image_format)
    assert (jpeg.width, jpeg.height, thumbnail.width) == (640, 480, 480)
    white, other = pixel(jpeg, (0.05, 0.05)), pixel(jpeg, (0.9, 0.9))
    assert near(white, WHITE, slack=20)
    assert sum(other) < sum(white) - 100
    if mode in {"RGB", "RGBA", "CMYK", "LAB"}:
        assert near(other, BLUE, slack=20)


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_pictures_come_out_upright(orientation: int, tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.jpg", size=(640, 320), orientation=orientation, quality=95)
    results = await compress(source, "JPEG")
    # Where the first stored row and column are shown: EXIF's own words.
    row, column = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    corner = (0.95 if "right" in {row, column} else 0.05, 0.95 if "bottom" in {row, column} else 0.05)
    turned = row in {"left", "right"}
    for result in results:
        assert (result.height > result.width) is turned
        assert near(pixel(result, corner), WHITE, slack=25)
        assert near(pixel(result, (0.5, 0.5)), BLUE, slack=25)


async def test_alpha_is_kept_in_webp_and_white_in_jpeg(tmp_path: Path) -> None:
    webp, jpeg, thumbnail = await compress(make_image(tmp_path / "in.png", mode="RGBA", size=(4000, 1000)), "PNG")
    for result in (webp, thumbnail):
        assert near(pixel(result, (0.9, 0.9)), (*BLUE, 128))
    assert opened(jpeg).mode == "RGB"
    assert near(pixel(jpeg, (0.9, 0.9)), tuple(round((255 * 127 + c * 128) / 255) for c in BLUE))


async def test_a_transparent_colour_of_a_palette_is_transparent(tmp_path: Path) -> None:
    Image.new("P", (64, 64), 4).save(tmp_path / "in.gif", transparency=4)
    webp, jpeg, _ = await compress(tmp_path / "in.gif", "GIF")
    assert pixel(webp, (0.5, 0.5))[3] == 0
    assert pixel(jpeg, (0.5, 0.5)) == WHITE


@pytest.mark.parametrize(("name", "image_format"), [("in.png", "PNG"), ("in.tif", "TIFF")])
async def test_sixteen_bits_keep_their_brightness(name: str, image_format: str, tmp_path: Path) -> None:
    Image.new("I;16", (64, 64), 0x8080).save(tmp_path / name)
    results = await compress(tmp_path / name, image_format)
    assert all(near(pixel(result, (0.5, 0.5)), (128, 128, 128), slack=2) for result in results)


async def test_other_colour_spaces_become_srgb(tmp_path: Path) -> None:
    # A profile in which the three primaries change places: red, green, blue are shown as green, blue, red.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(profile[at : at + 4]): at
        for at in (132 + 12 * n for n in range(struct.unpack(">I", profile[128:132])[0]))
    }
    places = {name: profile[at + 4 : at + 12] for name, at in tags.items()}
    for name, other in ((b"rXYZ", b"gXYZ"), (b"gXYZ", b"bXYZ"), (b"bXYZ", b"rXYZ")):
        profile[tags[name] + 4 : tags[name] + 12] = places[other]
    Image.new("RGB", (64, 64), (250, 10, 10)).save(tmp_path / "in.png", icc_profile=bytes(profile))
    for result in await compress(tmp_path / "in.png", "PNG"):
        assert near(pixel(result, (0.5, 0.5)), (10, 250, 10))


@pytest.mark.parametrize("profile", [b"rubbish", b"\0" * 200])
async def test_a_broken_colour_profile_is_passed_over(profile: bytes, tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.jpg", icc_profile=profile)
    for result in await compress(source, "JPEG"):
        assert near(pixel(result, (0.9, 0.9)), BLUE)


async def test_a_profile_for_another_kind_of_picture_is_passed_over(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = make_image(tmp_path / "in.jpg", mode="CMYK", icc_profile=srgb)
    assert near(pixel((await compress(source, "JPEG"))[1], (0.9, 0.9)), BLUE, slack=20)


@pytest.mark.parametrize("profile", [True, False])
async def test_nothing_but_the_picture_comes_out(profile: bool, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRET camera"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    xmp, icc = b"<x:xmpmeta>SECRET</x:xmpmeta>", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = make_image(
        tmp_path / "in.jpg", exif=exif, comment=b"SECRET remark", xmp=xmp, icc_profile=icc if profile else None
    )
    assert source.read_bytes().count(b"SECRET") == 3
    for result in await compress(source, "JPEG"):
        assert b"SECRET" not in result.path.read_bytes()
        assert not {"exif", "xmp", "comment", "icc_profile"} & set(opened(result).info)
        assert dict(opened(result).getexif()) == {}


async def test_corrupt_exif_does_not_make_a_photograph_unreadable(tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.jpg", orientation=6)
    data = source.read_bytes()
    at = data.index(b"Exif\0\0") + 14
    source.write_bytes(data[:at] + b"\xff" * 12 + data[at + 12 :])
    assert len(await compress(source, "JPEG")) == 3


async def test_of_a_moving_picture_the_first_frame_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "lime", "blue")]
    for suffix in ("gif", "webp", "png"):
        frames[0].save(tmp_path / f"in.{suffix}", save_all=True, append_images=frames[1:], lossless=True)
        _, jpeg, _ = await compress(tmp_path / f"in.{suffix}", suffix)
        assert near(pixel(jpeg, (0.5, 0.5)), (254, 0, 0))


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
async def test_small_and_thin_pictures(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "in.png")
    webp, _, thumbnail = await compress(tmp_path / "in.png", "PNG")
    assert max(webp.width, webp.height) == min(2048, max(size))
    assert min(thumbnail.width, thumbnail.height) >= 1


# --- Bad pictures -----------------------------------------------------------------------------------------------------


def png(width: int, height: int, *, data: bytes) -> bytes:
    """A PNG that claims this size, whatever it holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "image_format"), [("in.jpg", "JPEG"), ("in.png", "PNG"), ("in.webp", "WEBP"), ("in.gif", "GIF")]
)
async def test_a_picture_cut_short_is_unreadable(name: str, image_format: str, tmp_path: Path) -> None:
    source = truncate(make_image(tmp_path / name, noise=True), 0.6)
    with pytest.raises(errors.UnreadableMedia) as caught:
        await compress(source, image_format)
    assert not caught.value.retryable
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"just words", b"\xff\xd8\xff\xe0 and no more", png(64, 64, data=b"short")])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
async def test_rubbish_is_unreadable(content: bytes, image_format: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(content)
    with pytest.raises(errors.UnreadableMedia):
        await compress(tmp_path / "in", image_format)


async def test_only_the_decoder_that_was_named_is_tried(tmp_path: Path) -> None:
    with pytest.raises(errors.UnreadableMedia):
        await compress(make_image(tmp_path / "in.png"), "JPEG")


@pytest.mark.parametrize(
    ("size", "allowed"), [((101, 100), 10_000), ((300, 100), 10_000), ((60_000, 60_000), 100_000_000)]
)
async def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(
    size: tuple[int, int], allowed: int, tmp_path: Path
) -> None:
    (tmp_path / "bomb.png").write_bytes(png(*size, data=bytes(1000)))
    with pytest.raises(errors.UnreadableMedia, match=rf"more than {allowed:,} pixels"):
        await compress(tmp_path / "bomb.png", "PNG", max_pixels=allowed)


async def test_as_many_pixels_as_are_taken_are_taken(tmp_path: Path) -> None:
    assert await compress(make_image(tmp_path / "in.png", size=(100, 100)), "PNG", max_pixels=10_000)


async def test_too_little_memory_is_not_the_pictures_fault(tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.png", size=(6000, 6000))
    with pytest.raises(errors.TranscodeError) as caught:
        await compress(source, "PNG", limits=Limits(160 << 20, 60, 1 << 28))
    assert caught.value.retryable


async def test_a_result_over_the_limit_is_too_large(tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.png", noise=True)
    with pytest.raises(errors.TooLarge):
        await compress(source, "PNG", limits=Limits(3 << 30, 60, 8192))


async def test_too_slow_is_a_timeout_and_leaves_nobody(tmp_path: Path) -> None:
    with pytest.raises(errors.TimedOut):
        await compress(make_image(tmp_path / "in.png"), "PNG", wall_seconds=0.001)
    assert_nobody_left()


async def test_our_own_mistakes_are_not_the_pictures_fault(tmp_path: Path) -> None:
    with pytest.raises(errors.TranscodeError):
        await compress(tmp_path / "absent.png", "PNG")


LINKS = """
import json, os
for name in ("image.webp", "image.jpg", "thumbnail.webp"):
    os.symlink("/etc/passwd", name)
    print(json.dumps({"output": name, "width": 1, "height": 1}))
"""


@pytest.mark.parametrize(
    "code",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        'print(\'{"failed": "no such reason"}\'); raise SystemExit(1)',
        "raise ImportError('no PIL')",
        'print(\'{"output": "image.webp", "width": 1, "height": 1}\')',
        'print(\'{"output": "/etc/passwd", "width": 1, "height": 1}\')',
        LINKS,
    ],
)
async def test_a_child_that_crashes_or_lies_is_an_encoder_that_failed(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child.py").write_text(code)
    monkeypatch.setattr(image, "_CHILD", tmp_path / "child.py")
    with pytest.raises(errors.TranscodeError) as caught:
        await compress(make_image(tmp_path / "in.png"), "PNG")
    assert type(caught.value) is errors.TranscodeError


lines = st.one_of(
    st.binary(max_size=30),
    st.builds(
        lambda said: json.dumps(said).encode(),
        st.dictionaries(
            st.sampled_from(["fraction", "output", "width", "height", "failed"]),
            st.one_of(st.none(), st.integers(), st.floats(), st.sampled_from(["image.webp", "../x"]), st.booleans()),
        ),
    ),
    st.just(b"[" * 1000),
    st.just(b"x" * 5000),
)


@given(st.lists(lines), st.integers(1, 700))
def test_whatever_the_child_says_only_known_facts_are_taken(said: list[bytes], step: int) -> None:
    heard: list[float] = []
    report, whole = image._Report(heard.append), image._Report(lambda _: None)
    data = b"\n".join(said) + b"\n"
    for at in range(0, len(data), step):
        report.hear(data[at : at + step])
    whole.hear(data)
    assert (report.sizes, report.failed) == (whole.sizes, whole.failed)
    assert heard == sorted(set(heard))
    assert all(0 < fraction <= 1 for fraction in heard)
    assert set(report.sizes) <= {"image.webp", "image.jpg", "thumbnail.webp"}


# --- The child --------------------------------------------------------------------------------------------------------


def test_the_child_imports_nothing_of_ours() -> None:
    code = f"import runpy, sys; runpy.run_path({str(CHILD)!r}); print(sorted(m.split('.')[0] for m in sys.modules))"
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'PIL'" in said
    assert "'workers'" not in said
    assert "'server'" not in said


def test_this_process_never_loads_pillow_for_it() -> None:
    code = "import sys, workers.image; print('PIL' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHILD.parents[1]
    )
    assert said.stdout == "False\n"
