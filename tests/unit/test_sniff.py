"""What a file is, by its first bytes."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from roomcast.errors import UnsupportedType
from roomcast.uploads.sniff import SNIFF_BYTES, Sniffed, sniff
from roomcast.uploads.templates import BUILT_IN, check_kind
from roomcast_workers.ffmpeg.binaries import find_binaries

from tests.support.clips import make_clip


def sniffed(path: Path) -> tuple[str, str, str] | None:
    found = sniff(path.read_bytes()[:SNIFF_BYTES])
    return (found.kind, found.format, found.mime) if found else None


def ffmpeg_opens(path: Path, demuxer: str) -> bool:
    """Whether the demuxer of that name reads the file."""
    probe = [find_binaries().ffprobe, "-v", "error", "-of", "json", "-show_streams", "-f", demuxer, "-i", str(path)]
    return bool(json.loads(subprocess.run(probe, capture_output=True, check=True).stdout)["streams"])


def made(path: Path, *encoding: str, film: bool) -> Path:
    """A second of film, or of sound, in the container that the suffix or `-f` names."""
    card = "testsrc2=size=176x144:rate=25:duration=1" if film else "sine=440:duration=1"
    command = [find_binaries().ffmpeg, "-nostdin", "-y", "-loglevel", "error", "-f", "lavfi", "-i", card]
    subprocess.run([*command, *encoding, f"file:{path}"], check=True)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "ts", "flv", "mpg"])
def test_what_ffmpeg_writes_is_known(tmp_path: Path, suffix: str) -> None:
    codecs = {"webm": "libvpx-vp9", "flv": "flv", "mpg": "mpeg1video", "avi": "mpeg4"}
    clip = make_clip(tmp_path / f"clip.{suffix}", seconds=1, sound=False, codec=codecs.get(suffix, "libx264"))
    demuxers = {"mp4": "mov", "mkv": "matroska", "webm": "matroska", "ts": "mpegts", "mpg": "mpeg"}
    found = sniff(clip.read_bytes()[:SNIFF_BYTES])
    assert found is not None
    assert (found.kind, found.format) == ("video", demuxers.get(suffix, suffix))


@pytest.mark.parametrize(
    ("suffix", "encoding", "demuxer", "mime"),
    [
        ("wmv", ["-c:v", "wmv2"], "asf", "video/x-ms-asf"),
        ("3gp", ["-c:v", "h263"], "mov", "video/3gpp"),
        ("3g2", ["-c:v", "mpeg4"], "mov", "video/3gpp2"),
        ("m4v", ["-c:v", "libx264", "-f", "ipod"], "mov", "video/x-m4v"),
        ("m2ts", ["-c:v", "libx264", "-mpegts_m2ts_mode", "1"], "mpegts", "video/mp2t"),
        ("mxf", ["-c:v", "mpeg2video"], "mxf", "application/mxf"),
        ("m1v", ["-c:v", "mpeg1video"], "mpegvideo", "video/mpeg"),
        ("m2v", ["-c:v", "mpeg2video"], "mpegvideo", "video/mpeg"),
    ],
)
def test_rarer_kinds_of_film_are_known_and_read(
    suffix: str, encoding: list[str], demuxer: str, mime: str, tmp_path: Path
) -> None:
    film = made(tmp_path / f"film.{suffix}", *encoding, film=True)
    assert sniffed(film) == ("video", demuxer, mime)
    assert ffmpeg_opens(film, demuxer)


@pytest.mark.parametrize(
    ("suffix", "encoding", "demuxer", "mime"),
    [
        ("mp3", ["-c:a", "libmp3lame"], "mp3", "audio/mpeg"),
        ("mp3", ["-c:a", "libmp3lame", "-id3v2_version", "0", "-write_xing", "0"], "mp3", "audio/mpeg"),
        ("mp3", ["-c:a", "libmp3lame", "-ar", "22050", "-id3v2_version", "0"], "mp3", "audio/mpeg"),
        ("mp2", ["-c:a", "mp2"], "mp3", "audio/mpeg"),
        ("aac", ["-c:a", "aac"], "aac", "audio/aac"),
        ("wav", [], "wav", "audio/wav"),
        ("wav", ["-rf64", "always"], "wav", "audio/wav"),
        ("flac", [], "flac", "audio/flac"),
        ("m4a", ["-c:a", "aac"], "mov", "audio/mp4"),
        ("m4b", ["-c:a", "aac", "-f", "ipod", "-brand", "M4B "], "mov", "audio/mp4"),
        ("aiff", [], "aiff", "audio/aiff"),
        ("caf", ["-c:a", "pcm_s16le"], "caf", "audio/x-caf"),
        ("opus", ["-c:a", "libopus"], "ogg", "audio/ogg"),
        ("ogg", ["-c:a", "vorbis", "-strict", "experimental", "-ac", "2"], "ogg", "audio/ogg"),
        ("oga", ["-c:a", "flac"], "ogg", "audio/ogg"),
    ],
)
def test_sound_is_known_and_read(suffix: str, encoding: list[str], demuxer: str, mime: str, tmp_path: Path) -> None:
    sound = made(tmp_path / f"sound.{suffix}", *encoding, film=False)
    assert sniffed(sound) == ("video", demuxer, mime)
    assert ffmpeg_opens(sound, demuxer)


def id3(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)


@pytest.mark.parametrize(
    ("suffix", "codec", "demuxer"), [("aac", "aac", "aac"), ("flac", "flac", "flac"), ("mp3", "libmp3lame", "mp3")]
)
def test_a_tag_before_sound_is_looked_past(suffix: str, codec: str, demuxer: str, tmp_path: Path) -> None:
    plain = made(tmp_path / f"plain.{suffix}", "-c:a", codec, "-bitexact", "-id3v2_version", "0", film=False)
    tagged = tmp_path / f"tagged.{suffix}"
    tagged.write_bytes(id3(300) + plain.read_bytes())
    found = sniffed(tagged)
    assert found is not None
    assert found[1] == demuxer
    assert ffmpeg_opens(tagged, demuxer)


def test_a_tag_that_is_all_there_is_to_see_is_taken_for_mp3() -> None:
    assert sniff(id3(100_000)[:SNIFF_BYTES]) == Sniffed("video", "mp3", "audio/mpeg")


@pytest.mark.parametrize(("magic", "silence"), [(b"#!AMR\n", 32), (b"#!AMR-WB\n", 61)])
def test_a_telephones_recording_is_known_and_read(magic: bytes, silence: int, tmp_path: Path) -> None:
    modes = {32: 0x3C, 61: 0x44}
    sound = tmp_path / "sound.amr"
    sound.write_bytes(magic + (bytes([modes[silence]]) + bytes(silence - 1)) * 50)
    assert sniffed(sound) == ("video", "amr", "audio/amr-wb" if b"WB" in magic else "audio/amr")
    assert ffmpeg_opens(sound, "amr")


def test_a_transport_stream_with_error_correction_is_known_and_read(tmp_path: Path) -> None:
    stream = make_clip(tmp_path / "plain.ts", seconds=1, sound=False).read_bytes()
    longer = tmp_path / "longer.ts"
    longer.write_bytes(b"".join(stream[at : at + 188] + bytes(16) for at in range(0, len(stream), 188)))
    assert sniffed(longer) == ("video", "mpegts", "video/mp2t")
    assert ffmpeg_opens(longer, "mpegts")


def test_quicktime_from_before_there_were_brands_is_known(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mov", seconds=1, sound=False).read_bytes()
    old = tmp_path / "old.mov"
    old.write_bytes(struct.pack(">I4s", 20, b"pnot") + bytes(12) + film)
    assert sniffed(old) == ("video", "mov", "video/quicktime")
    assert ffmpeg_opens(old, "mov")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF"])
def test_what_pillow_writes_is_known(tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    Image.new("RGB", (16, 16)).save(path, name)
    found = sniff(path.read_bytes()[:SNIFF_BYTES])
    assert found is not None
    assert (found.kind, found.format) == ("image", name)


def test_pictures_in_motion_and_large_ones_are_of_the_same_formats(tmp_path: Path) -> None:
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
def test_the_brands_of_still_pictures(head: bytes, name: str) -> None:
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
def test_everything_else_is_refused(head: bytes, before: bytes) -> None:
    assert sniff(before + head) is None
    with pytest.raises(UnsupportedType):
        check_kind(BUILT_IN["auto"], sniff(before + head))


@pytest.mark.parametrize("text", [REFUSED["a playlist"], REFUSED["an SVG"]])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_text_in_wide_characters_is_refused(text: bytes, encoding: str) -> None:
    assert sniff((text * 50).decode().encode(encoding)[:SNIFF_BYTES]) is None


def test_a_whole_archive_of_films_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "films.mp4", "w") as archive:
        archive.write(make_clip(tmp_path / "clip.mp4", seconds=1))
    assert sniffed(tmp_path / "films.mp4") is None


@given(st.binary(max_size=SNIFF_BYTES))
def test_any_bytes_get_an_answer(head: bytes) -> None:
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
def test_any_bytes_after_a_beginning_that_is_known_get_an_answer(start: bytes, rest: bytes) -> None:
    found = sniff(start + rest)
    assert found is None or found.mime.partition("/")[0] in {"video", "audio", "image"}


def test_noise_is_not_taken_for_sound() -> None:
    noise = random.Random(1)
    heads = [
        bytes([0xFF, noise.choice([0xFB, 0xF3, 0xF1, 0xFE])]) + noise.randbytes(SNIFF_BYTES - 2) for _ in range(2000)
    ]
    assert sum(sniff(head) is not None for head in heads) <= 2
