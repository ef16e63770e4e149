"""What a file is, by its first bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from server.upload.errors import UnsupportedType
from server.upload.sniff import SNIFF_BYTES, sniff
from server.upload.templates import BUILT_IN, check_kind
from tests.clips import make_clip


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "ts", "flv", "mpg"])
def test_what_ffmpeg_writes_is_known(tmp_path: Path, suffix: str) -> None:
    codecs = {"webm": "libvpx-vp9", "flv": "flv", "mpg": "mpeg1video", "avi": "mpeg4"}
    clip = make_clip(tmp_path / f"clip.{suffix}", seconds=1, sound=False, codec=codecs.get(suffix, "libx264"))
    sniffed = sniff(clip.read_bytes()[:SNIFF_BYTES])
    demuxers = {"mp4": "mov", "mkv": "matroska", "webm": "matroska", "ts": "mpegts", "mpg": "mpeg"}
    assert sniffed is not None
    assert (sniffed.kind, sniffed.format) == ("video", demuxers.get(suffix, suffix))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF"])
def test_what_pillow_writes_is_known(tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    Image.new("RGB", (16, 16)).save(path, name)
    sniffed = sniff(path.read_bytes()[:SNIFF_BYTES])
    assert sniffed is not None
    assert (sniffed.kind, sniffed.format) == ("image", name)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hello, I am a text\n",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<?xml version='1.0'?><MPD/>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\x7fELF",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"\x00" * SNIFF_BYTES,
    ],
)
def test_everything_else_is_refused(head: bytes) -> None:
    assert sniff(head) is None
    with pytest.raises(UnsupportedType):
        check_kind(BUILT_IN["auto"], sniff(head))


@given(st.binary(max_size=SNIFF_BYTES))
def test_any_bytes_get_an_answer(head: bytes) -> None:
    sniffed = sniff(head)
    assert sniffed is None or sniffed.kind in ("video", "image")


def test_a_template_takes_its_kind() -> None:
    jpeg = sniff(b"\xff\xd8\xff\xe0")
    assert check_kind(BUILT_IN["auto"], jpeg) is jpeg
    assert check_kind(BUILT_IN["image"], jpeg) is jpeg
    with pytest.raises(UnsupportedType, match="takes video files; this is image"):
        check_kind(BUILT_IN["hero-video"], jpeg)
