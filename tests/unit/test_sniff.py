"""The type of a file by its first bytes."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from roomcast.errors import UnsupportedType
from roomcast.uploads.sniff import SNIFF_BYTES, Sniffed, sniff
from roomcast.uploads.templates import BUILT_IN, check_kind


def sniffed(path: Path) -> tuple[str, str, str] | None:
    found = sniff(path.read_bytes()[:SNIFF_BYTES])
    return (found.kind, found.format, found.mime) if found else None


def id3(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)


def test_id3_tag_longer_than_the_head_is_detected_as_mp3() -> None:
    assert sniff(id3(100_000)[:SNIFF_BYTES]) == Sniffed("video", "mp3", "audio/mpeg")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF"])
def test_image_that_pillow_writes_is_detected(tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    Image.new("RGB", (16, 16)).save(path, name)
    found = sniff(path.read_bytes()[:SNIFF_BYTES])
    assert found is not None
    assert (found.kind, found.format) == ("image", name)


def test_animated_and_large_images_have_the_format_of_still_ones(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime")]
    for name in ("PNG", "AVIF", "MPO"):
        frames[0].save(tmp_path / name, name, save_all=True, append_images=frames[1:])
    Image.new("RGB", (16, 16)).save(tmp_path / "TIFF", "TIFF", big_tiff=True)
    found = {name: (sniffed(tmp_path / name) or ("", "", ""))[1] for name in ("PNG", "AVIF", "MPO", "TIFF")}
    assert found == {"PNG": "PNG", "AVIF": "AVIF", "MPO": "JPEG", "TIFF": "TIFF"}


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + bytes(4) + b"".join(compatible)
    return struct.pack(">I4s", 8 + len(brands), b"ftyp") + brands + struct.pack(">I4s", 100, b"meta")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (ftyp(b"heic", b"mif1", b"heic"), "HEIF"),
        (ftyp(b"heix", b"mif1"), "HEIF"),
        (ftyp(b"mif1", b"mif1", b"heic"), "HEIF"),
        (ftyp(b"msf1", b"msf1", b"hevc"), "HEIF"),
        (ftyp(b"hevc", b"msf1"), "HEIF"),
        (ftyp(b"mif1", b"mif1", b"miaf", b"avif"), "AVIF"),
        (ftyp(b"msf1", b"avis", b"msf1"), "AVIF"),
        (ftyp(b"avif", b"mif1"), "AVIF"),
        (ftyp(b"mif1", b"heic") + b"avif" * 4, "HEIF"),
    ],
)
def test_brands_of_still_images_are_detected(head: bytes, name: str) -> None:
    found = sniff(head)
    assert found is not None
    assert (found.kind, found.format) == ("image", name)


REFUSED = {
    "nothing": b"",
    "a text": b"hello, I am a text\n",
    "a playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a concat script": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a DASH manifest": b"<?xml version='1.0'?><MPD/>",
    "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "an SVG with a declaration": b"<?xml version='1.0'?><!DOCTYPE svg><svg/>",
    "a session description": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    "a page": b"<!DOCTYPE html><script>alert(1)</script>",
    "a PDF": b"%PDF-1.7",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0",
    "an archive": b"PK\x03\x04",
    "a program": b"\x7fELF",
    "a program for Windows": b"MZ\x90\x00",
    "a script": b"#!/bin/sh\ncurl 127.0.0.1\n",
    "a subtitle index": b"# VobSub index file, v7 (do not modify this line!)\n",
    "a RIFF of no use": b"RIFF\x00\x00\x00\x00CDXA",
    "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + ftyp(b"jp2 "),
    "a camera's raw file": ftyp(b"crx ", b"isom"),
    "another camera's raw file": b"II*\x00\x10\x00\x00\x00CR\x02\x00",
    "a segment without its beginning": struct.pack(">I4s4s", 24, b"styp", b"msdh") + bytes(12) + b"\0\0\0\x10moof",
    "zeros": b"\x00" * SNIFF_BYTES,
    "ones": b"\xff" * SNIFF_BYTES,
}


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \r\n\t", b"\0"], ids=["plain", "BOM", "blanks", "NUL"])
@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED.keys())
def test_file_that_is_not_media_is_refused(head: bytes, before: bytes) -> None:
    assert sniff(before + head) is None
    with pytest.raises(UnsupportedType):
        check_kind(BUILT_IN["auto"], sniff(before + head))


@pytest.mark.parametrize("text", [REFUSED["a playlist"], REFUSED["an SVG"]])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_text_in_wide_characters_is_refused(text: bytes, encoding: str) -> None:
    assert sniff((text * 50).decode().encode(encoding)[:SNIFF_BYTES]) is None


@given(st.binary(max_size=SNIFF_BYTES))
def test_any_bytes_are_an_image_a_video_or_unknown(head: bytes) -> None:
    found = sniff(head)
    assert found is None or found.kind in ("video", "image")


STARTS = [
    b"\xff\xfb",
    b"\xff\xf1",
    b"ID3",
    b"RIFF",
    b"FORM",
    b"OggS",
    b"\x1aE\xdf\xa3",
    b"G",
    b"\0\0\0\x18ftyp",
    b"II*\0",
]


@given(st.sampled_from(STARTS), st.binary(max_size=300))
def test_any_bytes_after_a_known_prefix_are_media_or_unknown(start: bytes, rest: bytes) -> None:
    found = sniff(start + rest)
    assert found is None or found.mime.partition("/")[0] in {"video", "audio", "image"}


def test_noise_is_not_detected_as_audio() -> None:
    noise = random.Random(1)
    heads = [
        bytes([0xFF, noise.choice([0xFB, 0xF3, 0xF1, 0xFE])]) + noise.randbytes(SNIFF_BYTES - 2) for _ in range(2000)
    ]
    assert sum(sniff(head) is not None for head in heads) <= 2
