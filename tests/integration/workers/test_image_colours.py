"""Colours of images of every mode, depth, palette and profile, each against a known colour."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from tests.support.clips import make_image
from tests.support.images import BLUE, WHITE, chunk, compress, near, opened, pixel, png

CORNER, REST = (0.05, 0.05), (0.9, 0.9)
RED, GREEN = (250, 10, 10), (10, 250, 10)


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
        ("in.tif", "TIFF", "YCbCr"),
        ("in.tif", "TIFF", "LAB"),
        ("in.tif", "TIFF", "F"),
    ],
)
async def test_image_of_every_mode_has_its_colours(name: str, image_format: str, mode: str, tmp_path: Path) -> None:
    rgb = Image.open(make_image(tmp_path / "rgb.png"))
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(rgb, srgb, lab, outputMode="LAB")
        assert image is not None
    else:
        image = rgb.convert(mode, dither=Image.Dither.NONE)
    image.save(tmp_path / name)
    made = await compress(tmp_path / name, image_format)
    for result in (made.webp, made.avif, made.jpeg):
        assert (result.width, result.height) == (160, 120)
        white, other = pixel(result, CORNER)[:3], pixel(result, REST)[:3]
        assert near(white, WHITE, tolerance=20)
        assert sum(other) < sum(white) - 100
        if mode in {"RGB", "RGBA", "CMYK", "LAB", "YCbCr"}:
            assert near(other, BLUE, tolerance=20)


async def test_inverted_cmyk_of_adobe_has_its_colours(tmp_path: Path) -> None:
    """A JPEG with Adobe's mark counts its inks the other way round; YCCK is the same with two of them mixed."""
    source = make_image(tmp_path / "cmyk.jpg", mode="CMYK", quality=95)
    marked = source.read_bytes()
    assert b"Adobe" in marked
    made = await compress(source, "JPEG")
    assert near(pixel(made.jpeg, CORNER), WHITE, tolerance=6)
    assert near(pixel(made.jpeg, REST), BLUE, tolerance=10)


async def test_mixed_cmyk_of_adobe_has_its_colours(tmp_path: Path) -> None:
    # The inks as they are stored are the picture's own red, green and blue, beside a K of 255. YCCK keeps what is left
    # of them to 255 as YCbCr (libjpeg's jdcolor.c), and Adobe's transform alone tells it from CMYK.
    ycc = inverted(Image.new("RGB", (64, 64), BLUE)).convert("YCbCr").split()
    Image.merge("CMYK", (*(inverted(band) for band in ycc), Image.new("L", (64, 64), 0))).save(
        tmp_path / "in.jpg", quality=95
    )
    data = (tmp_path / "in.jpg").read_bytes()
    at = data.index(b"Adobe") + 11
    (tmp_path / "in.jpg").write_bytes(data[:at] + b"\x02" + data[at + 1 :])
    made = await compress(tmp_path / "in.jpg", "JPEG")
    assert near(pixel(made.jpeg), BLUE, tolerance=10)


def inverted(band: Image.Image) -> Image.Image:
    return band.point(lambda level: 255 - level)


@pytest.mark.parametrize(("name", "image_format"), [("in.gif", "GIF"), ("in.png", "PNG")])
async def test_transparent_palette_colour_is_transparent(name: str, image_format: str, tmp_path: Path) -> None:
    image = Image.new("P", (64, 64), 4)
    image.putpalette([0, 0, 0, 9, 9, 9, 99, 99, 99, 200, 0, 0, 0, 200, 0])
    image.paste(3, (32, 0, 64, 64))
    image.save(tmp_path / name, transparency=4)
    made = await compress(tmp_path / name, image_format)
    assert made.source.alpha
    for result in (made.webp, made.avif):
        assert pixel(result, (0.2, 0.5))[3] == 0
        assert near(pixel(result, (0.8, 0.5)), (200, 0, 0, 255))
    assert near(pixel(made.jpeg, (0.2, 0.5)), WHITE)


async def test_opaque_alpha_is_dropped(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (*BLUE, 255)).save(tmp_path / "in.png")
    made = await compress(tmp_path / "in.png", "PNG")
    assert made.source.alpha
    assert {opened(result).mode for result in made.results} == {"RGB"}


@pytest.mark.parametrize(("name", "image_format"), [("in.png", "PNG"), ("in.tif", "TIFF")])
async def test_16_bit_grey_preserves_brightness(name: str, image_format: str, tmp_path: Path) -> None:
    Image.new("I;16", (64, 64), 0x8080).save(tmp_path / name)
    made = await compress(tmp_path / name, image_format)
    assert all(near(pixel(result), (128, 128, 128), tolerance=2) for result in made.results)


async def test_16_bit_colour_preserves_brightness(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">HHH", 0xC0C0, 0x4040, 0x8080) * 64 for _ in range(64))
    (tmp_path / "in.png").write_bytes(png(64, 64, rows, depth=16, colour=2))
    made = await compress(tmp_path / "in.png", "PNG")
    assert all(near(pixel(result), (192, 64, 128), tolerance=5) for result in made.results)


async def test_transparent_16_bit_grey_is_transparent(tmp_path: Path) -> None:
    row = b"\0" + struct.pack(">H", 0x1234) * 32 + struct.pack(">H", 0x8080) * 32
    content = png(64, 64, row * 64, depth=16, colour=0, extra=chunk(b"tRNS", struct.pack(">H", 0x1234)))
    (tmp_path / "in.png").write_bytes(content)
    made = await compress(tmp_path / "in.png", "PNG")
    assert pixel(made.webp, (0.2, 0.5))[3] == 0
    assert near(pixel(made.webp, (0.8, 0.5)), (128, 128, 128, 255), tolerance=3)


@pytest.mark.parametrize(
    ("mode", "levels", "greys"),
    [
        ("F", (0.0, 0.5, 1.0), (0, 128, 255)),
        ("F", (0.0, 100.0, 255.0), (0, 100, 255)),
        ("F", (-2.0, 0.0, 2.0), (0, 128, 255)),
        ("F", (float("nan"), 0.5, float("inf")), (0, 128, 255)),
        ("I", (0, 32768, 65535), (0, 128, 255)),
        ("I", (-100_000, 0, 100_000), (0, 128, 255)),
    ],
)
async def test_deep_levels_without_fixed_scale_are_stretched(
    mode: str, levels: tuple[float, ...], greys: tuple[int, ...], tmp_path: Path
) -> None:
    image = Image.new(mode, (96, 32), levels[1])
    image.paste(levels[0], (0, 0, 32, 32))
    image.paste(levels[2], (64, 0, 96, 32))
    image.save(tmp_path / "in.tif")
    made = await compress(tmp_path / "in.tif", "TIFF")
    for at, grey in zip((0.15, 0.5, 0.85), greys, strict=True):
        assert near(pixel(made.webp, (at, 0.5)), (grey,) * 3, tolerance=4)


# --- Profiles ---------------------------------------------------------------------------------------------------------


def swapped_primaries() -> bytes:
    """A profile in which the three primaries change places: red, green, blue are shown as green, blue, red."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(profile[at : at + 4]): at
        for at in (132 + 12 * n for n in range(struct.unpack(">I", profile[128:132])[0]))
    }
    areas = {name: profile[at + 4 : at + 12] for name, at in tags.items()}
    for name, other in ((b"rXYZ", b"gXYZ"), (b"gXYZ", b"bXYZ"), (b"bXYZ", b"rXYZ")):
        profile[tags[name] + 4 : tags[name] + 12] = areas[other]
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
async def test_embedded_profile_is_converted_to_srgb(mode: str, tmp_path: Path) -> None:
    colour = (*RED, 128) if mode == "RGBA" else RED
    image = Image.new("RGBA" if mode == "RGBA" else "RGB", (64, 64), colour).convert(mode)
    image.save(tmp_path / "in.png", icc_profile=swapped_primaries())
    made = await compress(tmp_path / "in.png", "PNG")
    for result in (made.webp, made.avif):
        assert near(pixel(result), (*GREEN, 128) if mode == "RGBA" else GREEN)


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "AVIF", "TIFF"])
async def test_embedded_profile_is_found_in_every_format(image_format: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), RED).save(tmp_path / "in", image_format, icc_profile=swapped_primaries())
    assert near(pixel((await compress(tmp_path / "in", image_format)).jpeg), GREEN, tolerance=20)


@pytest.mark.parametrize("profile", [b"rubbish", b"\0" * 200, swapped_primaries()[:300]])
async def test_broken_colour_profile_is_ignored(profile: bytes, tmp_path: Path) -> None:
    made = await compress(make_image(tmp_path / "in.jpg", icc_profile=profile), "JPEG")
    assert all(near(pixel(result, REST), BLUE) for result in made.results)


async def test_profile_of_another_colour_space_is_ignored(tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.jpg", mode="CMYK", icc_profile=swapped_primaries())
    assert near(pixel((await compress(source, "JPEG")).jpeg, REST), BLUE, tolerance=20)
