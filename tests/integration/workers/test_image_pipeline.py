"""Images are converted to web formats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import blurhash
import pillow_heif
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tests.support.clips import make_image
from tests.support.harness import ROOT
from tests.support.images import BLUE, LIMITS, MIDDLE, WHITE, assert_no_metadata, compress, near, opened, pixel


async def test_image_becomes_every_planned_file(tmp_path: Path) -> None:
    made = await compress(make_image(tmp_path / "in.jpg", size=(3000, 150)), "JPEG", limits=LIMITS)
    assert {(result.name, result.kind, result.mime, result.width) for result in made.results} == {
        ("image.webp", "image", "image/webp", 2048),
        ("image.avif", "image", "image/avif", 2048),
        ("image.jpg", "image", "image/jpeg", 2048),
        ("image-1024.webp", "image", "image/webp", 1024),
        ("image-1024.avif", "image", "image/avif", 1024),
        ("image-1024.jpg", "image", "image/jpeg", 1024),
        ("image-480.webp", "thumbnail", "image/webp", 480),
        ("image-480.avif", "image", "image/avif", 480),
        ("image-480.jpg", "image", "image/jpeg", 480),
    }
    order = [(-(result.width or 0), result.path.stat().st_size) for result in made.results]
    assert order == sorted(order), "the largest first, and of each size the one with the fewest bytes"
    for result in made.results:
        assert result.path == tmp_path / "out" / result.name
        assert opened(result).size == (result.width, result.height)
        assert f"image/{str(opened(result).format).lower()}" == result.mime
        assert near(pixel(result, (0.05, 0.05)), WHITE)
        assert near(pixel(result, (0.9, 0.9)), BLUE)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {result.name for result in made.results}
    assert (made.source.width, made.source.height, made.source.alpha, made.source.frames) == (3000, 150, False, 1)
    assert made.fractions == sorted(set(made.fractions))
    assert made.fractions[-1] == 1.0


async def test_template_chooses_sides_and_formats(tmp_path: Path) -> None:
    made = await compress(make_image(tmp_path / "in.png", size=(640, 480)), "PNG", sides=(100, 320), formats=("jpeg",))
    assert [(result.name, result.kind, result.width) for result in made.results] == [
        ("image.jpg", "image", 320),
        ("image-100.jpg", "thumbnail", 100),
    ]


async def test_higher_quality_gives_more_bytes_in_every_format(tmp_path: Path) -> None:
    source = make_image(tmp_path / "in.png", noise=True, size=(160, 120))
    poor = {result.name: result.path.stat().st_size for result in (await compress(source, "PNG", quality=30)).results}
    rich = {result.name: result.path.stat().st_size for result in (await compress(source, "PNG", quality=90)).results}
    assert all(poor[name] < rich[name] for name in poor)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("name", "image_format"), [("in.jpg", "JPEG"), ("in.tif", "TIFF"), ("in.png", "PNG")])
async def test_image_with_exif_orientation_becomes_upright(
    name: str, image_format: str, orientation: int, tmp_path: Path
) -> None:
    source = make_image(tmp_path / name, size=(160, 80), orientation=orientation, quality=95)
    made = await compress(source, image_format, sides=(80,))
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
    assert (made.source.width, made.source.height) == ((80, 160) if turned else (160, 80))
    for result in made.results:
        assert (result.width, result.height) == ((40, 80) if turned else (80, 40))
        assert near(pixel(result, corner), WHITE, tolerance=25)
        assert near(pixel(result), BLUE, tolerance=25)


@pytest.mark.parametrize("orientation", [1, 3, 6])
async def test_heic_photograph_becomes_upright(orientation: int, tmp_path: Path) -> None:
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    make_image(tmp_path / "in.heic", size=(640, 320), quality=90, exif=exif.tobytes())
    assert orientation == 1 or b"irot" in (tmp_path / "in.heic").read_bytes()
    made = await compress(tmp_path / "in.heic", "HEIF", sides=(320,))
    corner = {1: (0.05, 0.05), 3: (0.95, 0.95), 6: (0.95, 0.05)}[orientation]
    assert (made.source.width > made.source.height) is (orientation != 6)
    for result in made.results:
        assert near(pixel(result, corner), WHITE, tolerance=25)
        assert near(pixel(result), BLUE, tolerance=25)


async def test_heic_with_several_images_yields_the_primary_one(tmp_path: Path) -> None:
    pictures = pillow_heif.from_pillow(Image.new("RGB", (64, 64), "red"))
    for _ in range(50):  # telephones keep as many: tiles, gain maps, depths
        pictures.add_from_pillow(Image.new("RGB", (64, 64), "lime"))
    pictures.save(tmp_path / "in.heic", primary_index=17)
    made = await compress(tmp_path / "in.heic", "HEIF")
    assert made.source.frames == 1
    assert near(pixel(made.jpeg), (0, 255, 0), tolerance=20)


@pytest.mark.parametrize("suffix", ["tif", "mpo"])
async def test_image_with_several_pages_yields_the_first(suffix: str, tmp_path: Path) -> None:
    pages = [Image.new("RGB", (64, 64), colour) for colour in ("red", "lime")]
    pages[0].save(tmp_path / f"in.{suffix}", save_all=True, append_images=pages[1:])
    made = await compress(tmp_path / f"in.{suffix}", "TIFF" if suffix == "tif" else "JPEG")
    assert made.source.frames == 1
    assert near(pixel(made.jpeg), (254, 0, 0))


async def test_alpha_is_preserved_and_white_in_jpeg(tmp_path: Path) -> None:
    made = await compress(make_image(tmp_path / "in.png", mode="RGBA", size=(4000, 100)), "PNG")
    assert made.source.alpha
    assert [result.mime for result in made.results][2::3] == ["image/jpeg"] * 3, "the JPEG, without alpha, is the last"
    for result in made.results:
        if result.mime == "image/jpeg":
            assert opened(result).mode == "RGB"
            assert near(pixel(result, (0.9, 0.9)), tuple(round((255 * 127 + c * 128) / 255) for c in BLUE))
        else:
            assert near(pixel(result, (0.9, 0.9)), (*BLUE, 128))


async def test_placeholder_resembles_the_image(tmp_path: Path) -> None:
    Image.radial_gradient("L").save(tmp_path / "in.png")
    rows = blurhash.decode((await compress(tmp_path / "in.png", "PNG")).source.placeholder, 9, 9)
    assert rows[4][4][0] < 60
    assert rows[0][0][0] > rows[4][0][0] > rows[4][4][0] + 60


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2), (2048, 9)])
async def test_small_and_thin_images_are_converted(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "in.png")
    made = await compress(tmp_path / "in.png", "PNG")
    assert max(opened(made.webp).size) == min(2048, max(size))
    assert (made.source.width, made.source.height) == size
    for result in made.results:
        assert min(opened(result).size) >= 1
        assert near(pixel(result)[:3], (254, 0, 0), tolerance=8)


async def test_fine_pattern_is_averaged_when_scaled_down(tmp_path: Path) -> None:
    stripes = Image.new("L", (2, 1))
    stripes.putpixel((1, 0), 255)
    pattern = Image.new("L", (4096, 64))
    for left in range(0, 4096, 2):
        pattern.paste(stripes.resize((2, 64), Image.Resampling.NEAREST), (left, 0))
    pattern.save(tmp_path / "in.png")
    for result in (await compress(tmp_path / "in.png", "PNG", sides=(512,))).results:
        assert near(pixel(result), (127, 127, 127), tolerance=4)


# --- Private ----------------------------------------------------------------------------------------------------------

SECRET = b"SECRET"


def secrets(image_format: str) -> dict[str, object]:
    """What a picture of this format can carry beside itself; every part of it says SECRET."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET camera"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    exif.get_ifd(0x8825)[29] = "SECRET place"
    carried: dict[str, object] = {"exif": exif}
    if image_format == "JPEG":
        iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x0e\x1c\x02\x78\x00\x06SECRET\x00\x00"
        carried |= {"comment": b"SECRET remark", "extra": b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc}
    if image_format in {"JPEG", "WEBP", "AVIF"}:
        carried["xmp"] = b"<x:xmpmeta>SECRET</x:xmpmeta>"
    return carried


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "AVIF", "PNG", "TIFF", "GIF", "HEIF"])
async def test_results_have_no_metadata(image_format: str, tmp_path: Path) -> None:
    profile = named_profile()
    carried = secrets(image_format) | {"icc_profile": profile}
    card = Image.new("RGB", (160, 120), BLUE)
    path = tmp_path / "in"
    if image_format == "PNG":
        text = PngInfo()
        text.add_text("Author", "SECRET author")
        text.add_text("Comment", "SECRET remark " * 20, zip=True)
        text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>SECRET</x:xmpmeta>")
        carried["pnginfo"] = text
    if image_format == "GIF":
        carried = {"comment": b"SECRET remark"}
    if image_format == "HEIF":
        exif = carried["exif"]
        assert isinstance(exif, Image.Exif)
        pillow_heif.from_pillow(card).save(path, exif=exif.tobytes(), xmp=b"SECRET", icc_profile=profile)
    else:
        card.save(path, image_format, **carried)
    assert SECRET in path.read_bytes()
    made = await compress(path, image_format, limits=LIMITS)  # in a child, which loads the decoder of each format
    for result in made.results:
        assert_no_metadata(result, SECRET, "SECRET".encode("utf-16-be"), b"8BIM", b"xmpmeta", b"Photoshop")
        assert near(pixel(result, MIDDLE), BLUE, tolerance=15)


def named_profile() -> bytes:
    """sRGB, under a name of its owner's."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    name = "sRGB built-in".encode("utf-16-be")
    assert name in profile
    return profile.replace(name, "SECRET place.".encode("utf-16-be"))


async def test_bytes_after_the_image_are_absent_from_the_results(tmp_path: Path) -> None:
    page = b"<html><script>alert(1)</script></html>PK\x03\x04" + b"SECRET" * 100
    for name, image_format in (("in.jpg", "JPEG"), ("in.png", "PNG"), ("in.gif", "GIF"), ("in.webp", "WEBP")):
        source = make_image(tmp_path / name)
        source.write_bytes(source.read_bytes() + page)
        for result in (await compress(source, image_format)).results:
            assert_no_metadata(result, SECRET, b"<html>", b"PK\x03\x04")


# --- The child --------------------------------------------------------------------------------------------------------


def test_child_imports_nothing_else_of_ours() -> None:
    code = "import sys, roomcast_workers.image.child.run; print(*sorted(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    modules = output.split()
    assert "PIL" in modules
    assert "roomcast_workers.image.child.still" in modules
    ours = [name for name in modules if name.startswith("roomcast") and ".image.child" not in name]
    assert ours == ["roomcast_workers", "roomcast_workers.image"], "the packages that it is in"
