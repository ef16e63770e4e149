"""Images that browsers show although a decoder alone refuses them, and those that are refused."""

from __future__ import annotations

import io
import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops
from roomcast.uploads.raw_photos import is_raw_photo
from roomcast.uploads.sniff import sniff
from roomcast_workers.image.child import run
from roomcast_workers.image.child.animation import count_frames
from roomcast_workers.image.child.containers.isobmff import image_properties
from roomcast_workers.image.child.containers.jpeg import ended_jpeg
from roomcast_workers.image.child.containers.jxl import jxl_size
from roomcast_workers.image.child.containers.png import repaired_png
from roomcast_workers.image.child.containers.webp import repaired_webp
from roomcast_workers.image.child.decoding import NoDecoder, TooManyPixels, Unreadable, open_image
from roomcast_workers.image.child.still import quality_of

from tests.support.image_child import BARS, DATA, PLAIN, assert_bars, bars, colours, decoded, opened, request
from tests.support.images import chunk


@pytest.fixture(autouse=True)
def _pillow_limits_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


def broken(content: bytes, name: bytes) -> bytes:
    """Return the PNG with a wrong checksum of this chunk."""
    at = content.index(name) + 4 + int.from_bytes(content[content.index(name) - 4 :][:4], "big")
    return content[:at] + bytes(byte ^ 0xFF for byte in content[at : at + 4]) + content[at + 4 :]


# --- Repairs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["large_text.png", "large_profile.png", "wrong_checksum.png", "no_end.jpg"])
def test_file_that_browsers_show_has_its_pixels(name: str) -> None:
    image = decoded((DATA / name).read_bytes(), "JPEG" if name.endswith("jpg") else "PNG")
    assert_bars(colours(image), BARS)


PACKED = zlib.compress(bytes(30 << 20))
ANCILLARY = {
    "large tEXt": chunk(b"tEXt", b"Comment\0" + b"x" * (2 << 20)),
    "large zTXt": chunk(b"zTXt", b"Comment\0\0" + PACKED),
    "large iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED),
    "many texts": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20))) * 80,
    "large profile": chunk(b"iCCP", b"icc\0\0" + PACKED),
    "broken profile": chunk(b"iCCP", b"icc\0\0junk"),
    "profile of another compression": chunk(b"iCCP", b"icc\0\7" + PACKED),
    "short gAMA": chunk(b"gAMA", b"\0"),
    "gAMA of 0": chunk(b"gAMA", bytes(4)),
    "impossible cHRM": chunk(b"cHRM", bytes(32)),
    "short cICP": chunk(b"cICP", b"\1"),
    "short pHYs": chunk(b"pHYs", b"\1"),
    "short tRNS": chunk(b"tRNS", b"\1"),
    "text that is no text": chunk(b"iTXt", b"\xff\xfe"),
    "short acTL": chunk(b"acTL", b"\0"),
    "frame without an animation": chunk(b"fcTL", bytes(26)),
    "unknown chunk": chunk(b"prVt", b"\1\2\3"),
}


@pytest.mark.parametrize("extra", ANCILLARY.values(), ids=ANCILLARY.keys())
def test_png_with_a_useless_ancillary_chunk_has_its_pixels(extra: bytes) -> None:
    assert_bars(colours(decoded(bars(PLAIN, extra=extra), "PNG"), 4, 4), PLAIN, 0)


@pytest.mark.parametrize("name", [b"gAMA", b"cHRM", b"iCCP", b"tEXt", b"tRNS", b"pHYs", b"eXIf", b"cICP", b"bKGD"])
def test_ancillary_chunk_with_a_wrong_checksum_is_discarded(name: bytes) -> None:
    content = broken(bars(PLAIN, extra=chunk(name, b"\0\1\x86\xa0")), name)
    assert_bars(colours(decoded(content, "PNG"), 4, 4), PLAIN, 0)


def test_png_with_missing_rows_is_unreadable() -> None:
    content = bars(PLAIN)
    for cut in (content[:-30], content[: content.index(b"IDAT") + 8]):
        with pytest.raises(Unreadable):
            decoded(cut, "PNG")


def test_orientation_of_a_png_survives_the_repair() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = bars(PLAIN, extra=chunk(b"eXIf", exif.tobytes()) + chunk(b"zTXt", b"Comment\0\0" + PACKED))
    assert decoded(content, "PNG").size == (8, 32)


def jpeg(*, progressive: bool, mode: str = "RGB") -> bytes:
    image = Image.effect_noise((96, 80), 80).convert(mode)
    output = io.BytesIO()
    image.save(output, "JPEG", progressive=progressive, quality=90)
    return output.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_lacks_only_its_end_has_its_pixels(mode: str, progressive: bool) -> None:
    content = jpeg(progressive=progressive, mode=mode)
    expected = decoded(content, "JPEG")
    for tail in (b"", b"\xff", bytes(3000)):
        image = decoded(content[:-2] + tail, "JPEG")
        assert ImageChops.difference(image, expected).getbbox() is None


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [0.02, 0.3, 0.8])
def test_jpeg_with_missing_pixels_is_unreadable(progressive: bool, missing: float) -> None:
    content = jpeg(progressive=progressive)
    with pytest.raises(Unreadable):
        decoded(content[: int(len(content) * (1 - missing))], "JPEG")


def test_progressive_jpeg_with_a_missing_scan_is_unreadable() -> None:
    content = jpeg(progressive=True)
    last_scan = content.rindex(b"\xff\xda")
    tables = content.rindex(b"\xff\xc4", 0, last_scan)  # those of the last scan precede it
    with pytest.raises(Unreadable):
        decoded(content[: tables if last_scan - tables < 200 else last_scan], "JPEG")


def animated(image_format: str, **options: object) -> bytes:
    frames = [Image.new("RGB", (32, 32), colour) for colour in PLAIN]
    output = io.BytesIO()
    frames[0].save(output, image_format, save_all=True, append_images=frames[1:], **options)
    return output.getvalue()


def test_webp_with_broken_trailing_chunks_has_its_pixels() -> None:
    output = io.BytesIO()
    Image.new("RGB", (32, 32), PLAIN[0]).save(
        output, "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", xmp=b"<x/>", quality=95
    )
    content = output.getvalue()
    for broken_content in (
        content[:-3],
        content + b"JUNK\xff\xff\xff\x7f",
        content[:4] + b"\xff\xff\xff\x7f" + content[8:],
    ):
        assert_bars(colours(decoded(broken_content, "WEBP"), 1, 1), PLAIN[:1], 4)


def test_gif_without_its_trailer_has_its_frames(tmp_path: Path) -> None:
    content = animated("GIF", duration=50)
    assert content.endswith(b";")
    (tmp_path / "in").write_bytes(content[:-1])
    source = opened(content[:-1], "GIF")
    assert count_frames(source.image, request("GIF")._replace(source=str(tmp_path / "in"))) == 4
    assert_bars(colours(decoded(content[:-1], "GIF"), 1, 1), PLAIN[:1], 2)


def test_tiff_with_broken_tags_has_its_pixels() -> None:
    output = io.BytesIO()
    extra = {270: "x" * 40, 37500: b"maker"}
    Image.new("RGB", (32, 32), PLAIN[0]).save(output, "TIFF", tiffinfo=extra, icc_profile=b"no profile at all")
    content = bytearray(output.getvalue())
    directory = struct.unpack("<I", content[4:8])[0]
    for number in range(struct.unpack("<H", content[directory : directory + 2])[0]):
        at = directory + 2 + 12 * number
        if struct.unpack("<H", content[at : at + 2])[0] in {270, 34675, 37500}:
            content[at + 4 : at + 12] = struct.pack("<II", 50_000, 0xFFFFFF)  # values beyond the end of the file
    assert_bars(colours(decoded(bytes(content), "TIFF"), 1, 1), PLAIN[:1], 0)


# --- Animations -------------------------------------------------------------------------------------------------------


def renumbered(content: bytes) -> bytes:
    """Return the APNG with a gap in its sequence."""
    at = content.rindex(b"fcTL")
    body = content[at + 4 : at + 30]
    changed = struct.pack(">I", 99) + body[4:]
    return content[: at - 4] + chunk(b"fcTL", changed) + content[at + 34 :]


def without_last_frame(content: bytes) -> bytes:
    return content[: content.rindex(b"fcTL") - 4] + chunk(b"IEND", b"")


def outside(content: bytes) -> bytes:
    at = content.rindex(b"fcTL")
    body = content[at + 4 : at + 30]
    return content[: at - 4] + chunk(b"fcTL", body[:12] + struct.pack(">I", 1000) + body[16:]) + content[at + 34 :]


@pytest.mark.parametrize(
    "damage",
    [
        renumbered,
        without_last_frame,
        outside,
        lambda content: broken(content, b"fcTL"),
        lambda content: broken(content, b"acTL"),
    ],
)
def test_apng_whose_animation_breaks_the_rules_is_a_still_image(
    damage: Callable[[bytes], bytes],
) -> None:
    content = animated("PNG", duration=50)
    assert count_frames(opened(content, "PNG").image, request("PNG")) == 4
    source = opened(damage(content), "PNG")
    assert count_frames(source.image, request("PNG")) == 1
    assert_bars(colours(decoded(damage(content), "PNG"), 1, 1), PLAIN[:1], 0)


def test_apng_whose_frame_cannot_be_decoded_is_a_still_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(animated("PNG", duration=50))
    at = content.rindex(b"fdAT") + 8
    content[at : at + 12] = b"\xff" * 12
    (tmp_path / "in").write_bytes(content)
    asked = request("PNG")._replace(source=str(tmp_path / "in"), out=str(tmp_path))
    assert run.main([json.dumps(asked._asdict())]) == 0
    assert [json.loads(line)["frames"] for line in capsys.readouterr().out.splitlines() if "frames" in line] == [4, 1]
    assert {path.name for path in tmp_path.iterdir()} == {"in", "image.jpg"}


# --- What is shown of an image ----------------------------------------------------------------------------------------


def with_aperture(content: bytes, left: int, top: int, width: int, height: int, *more: tuple[bytes, bytes]) -> bytes:
    """Return the AVIF with a clean aperture and `more` properties of its primary image."""
    meta = content.index(b"meta") - 4
    size = struct.unpack(">II", content[content.index(b"ispe") + 8 :][:8])
    across = 2 * left + width - size[0]
    down = 2 * top + height - size[1]
    clap = (b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, across, 2, down, 2))
    boxes = b"".join(struct.pack(">I4s", 8 + len(body), name) + body for name, body in (clap, *more))
    ipco, ipma = content.index(b"ipco") - 4, content.index(b"ipma") - 4
    ipco_size, ipma_size = (int.from_bytes(content[at : at + 4], "big") for at in (ipco, ipma))
    old = content[ipma : ipma + ipma_size]
    existing = old[18]
    number = _box_count(content[ipco + 8 : ipco + ipco_size])
    numbers = bytes(0x80 | number + 1 + more_number for more_number in range(1 + len(more)))
    new_ipma = (
        struct.pack(">I", ipma_size + len(numbers)) + old[4:18] + bytes([existing + len(numbers)]) + old[19:] + numbers
    )
    grown = len(boxes) + len(numbers)
    result = bytearray(
        content[:ipco] + struct.pack(">I", ipco_size + len(boxes)) + content[ipco + 4 : ipco + ipco_size] + boxes
    )
    result += content[ipco + ipco_size : ipma] + new_ipma + content[ipma + ipma_size :]
    for name in (b"meta", b"iprp"):
        at = result.index(name) - 4
        result[at : at + 4] = struct.pack(">I", int.from_bytes(result[at : at + 4], "big") + grown)
    assert meta < ipco
    iloc = result.index(b"iloc")  # version 0, one item with one extent
    extent = iloc + (16 if result[iloc + 9] >> 4 else 18)  # a base offset, or the offset of the extent
    result[extent : extent + 4] = struct.pack(">I", int.from_bytes(result[extent : extent + 4], "big") + grown)
    return bytes(result)


def _box_count(content: bytes) -> int:
    count = 0
    while content:
        content = content[int.from_bytes(content[:4], "big") :]
        count += 1
    return count


@pytest.mark.parametrize(("name", "image_format"), [("pq_bars.avif", "AVIF"), ("p3.heic", "HEIF")])
def test_clean_aperture_is_applied_before_the_image_is_turned(name: str, image_format: str) -> None:
    content = (DATA / name).read_bytes()
    image = decoded(with_aperture(content, 40, 10, 120, 100), image_format)
    assert image.size == (120, 100)
    assert_bars(colours(image, 3, 3), BARS[1:4])
    turned = decoded(with_aperture(content, 40, 10, 120, 100, (b"irot", b"\1")), image_format)  # 90° anticlockwise
    assert turned.size == (100, 120)
    assert_bars([turned.getpixel((50, 100))], BARS[1:2])  # type: ignore[list-item]


def test_aperture_outside_the_image_is_ignored() -> None:
    content = (DATA / "pq_bars.avif").read_bytes()
    assert decoded(with_aperture(content, 300, 0, 120, 100), "AVIF").size == (320, 240)


# --- JPEG XL ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (256, 256), (40, 30), (300, 200), (1000, 7), (2000, 3)])
def test_size_of_a_jpeg_xl_image_is_known_before_it_is_decoded(size: tuple[int, int]) -> None:
    pytest.importorskip("pillow_jxl")
    output = io.BytesIO()
    Image.new("RGB", size, PLAIN[0]).save(output, "JXL", quality=90)
    bare = output.getvalue()
    box = struct.pack(">I4s", 8 + len(bare), b"jxlc") + bare
    for content in (bare, b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I4s", 12, b"ftyp") + b"jxl " + box):
        assert jxl_size(io.BytesIO(content)) == size
        found = sniff(content)
        assert found is not None
        assert (found.kind, found.format) == ("image", "JXL")
    assert_bars(colours(decoded(bare, "JXL"), 1, 1), PLAIN[:1], 4)


def test_jpeg_xl_image_that_is_cut_or_too_large_is_refused() -> None:
    pytest.importorskip("pillow_jxl")
    output = io.BytesIO()
    Image.effect_noise((60, 50), 50).save(output, "JXL", quality=90)
    content = output.getvalue()
    assert decoded(content, "JXL").size == (60, 50)
    with pytest.raises(TooManyPixels):
        open_image(io.BytesIO(content), request("JXL")._replace(max_pixels=60 * 50 - 1))
    for cut in (content[:-200], content[:5], b"\xff\x0a"):
        with pytest.raises(Unreadable):
            decoded(cut, "JXL")


def test_jpeg_xl_image_without_the_plug_in_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(NoDecoder):
        decoded(b"\xff\x0a" + bytes(20), "JXL")


def test_default_quality_is_aligned() -> None:
    assert {name: quality_of(name, 80) for name in ("jpeg", "webp", "avif")} == {"jpeg": 80, "webp": 80, "avif": 66}


# --- Damaged files ----------------------------------------------------------------------------------------------------


def samples() -> list[tuple[str, bytes]]:
    """Return small files of the formats whose containers are read here."""
    webp = io.BytesIO()
    Image.new("RGB", (8, 8)).save(webp, "WEBP", exif=b"Exif\0\0II*\0", icc_profile=b"x" * 50)
    jxl_boxes = struct.pack(">I4s", 12, b"ftyp") + b"jxl \0\0\0\1jxlc"
    return [
        ("PNG", animated("PNG", duration=50)),
        ("PNG", bars(PLAIN, extra=chunk(b"cICP", bytes([9, 16, 0, 1])) + chunk(b"iCCP", b"a\0\0" + PACKED[:90]))),
        ("AVIF", (DATA / "pq_bars.avif").read_bytes()),
        ("JPEG", jpeg(progressive=True)),
        ("WEBP", webp.getvalue()),
        ("JXL", b"\0\0\0\x0cJXL \r\n\x87\n" + jxl_boxes + bytes(30)),
        ("TIFF", (b"II*\0\x08\0\0\0\2\0" + struct.pack("<HHII", 330, 13, 2, 34) * 2 + bytes(40))),
    ]


SAMPLES = samples()
DAMAGE = st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=9)), max_size=4)


@given(st.sampled_from(SAMPLES), DAMAGE, st.integers(0, 9))
def test_containers_of_damaged_files_are_read_without_an_error(
    sample: tuple[str, bytes], damage: list[tuple[int, bytes]], cut: int
) -> None:
    """And in a time that does not depend on the numbers in them."""
    image_format, intact = sample
    content = bytearray(intact)
    for at, data in damage:
        content[at : at + len(data)] = data
    file = io.BytesIO(content[: len(content) * (10 - cut) // 10])
    match image_format:
        case "PNG":
            repaired, colour, _ = repaired_png(file)
            assert len(repaired.read()) <= len(intact) + 1000
            assert colour.gamma is None or colour.gamma >= 0
        case "WEBP":
            assert len(repaired_webp(file).read()) <= len(intact) + 50
        case "JPEG":
            ended = ended_jpeg(file)
            assert ended is None or ended[0].read().endswith(b"\xff\xd9")
        case "AVIF":
            left, top, right, bottom = image_properties(file).aperture or (0, 0, 1, 1)
            assert 0 <= left < right
            assert 0 <= top < bottom
        case "JXL":
            assert min(jxl_size(file) or (1, 1)) > 0
        case _:
            data = file.getvalue()
            assert is_raw_photo(lambda offset, count: data[offset : offset + count]) in {True, False}
