"""The type of real files, which ffmpeg opens with the demuxer of that name."""

from __future__ import annotations

import json
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from roomcast.uploads.sniff import SNIFF_BYTES, sniff
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
def test_video_that_ffmpeg_writes_is_detected(tmp_path: Path, suffix: str) -> None:
    codecs = {"webm": "libvpx-vp9", "flv": "flv", "mpg": "mpeg1video", "avi": "mpeg4"}
    clip = make_clip(tmp_path / f"clip.{suffix}", seconds=1, audio=False, codec=codecs.get(suffix, "libx264"))
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
def test_rare_video_format_is_detected_and_opens_with_its_demuxer(
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
def test_audio_is_detected_and_opens_with_its_demuxer(
    suffix: str, encoding: list[str], demuxer: str, mime: str, tmp_path: Path
) -> None:
    audio = made(tmp_path / f"sound.{suffix}", *encoding, film=False)
    assert sniffed(audio) == ("video", demuxer, mime)
    assert ffmpeg_opens(audio, demuxer)


def id3(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)


@pytest.mark.parametrize(
    ("suffix", "codec", "demuxer"), [("aac", "aac", "aac"), ("flac", "flac", "flac"), ("mp3", "libmp3lame", "mp3")]
)
def test_audio_behind_an_id3_tag_is_detected(suffix: str, codec: str, demuxer: str, tmp_path: Path) -> None:
    plain = made(tmp_path / f"plain.{suffix}", "-c:a", codec, "-bitexact", "-id3v2_version", "0", film=False)
    tagged = tmp_path / f"tagged.{suffix}"
    tagged.write_bytes(id3(300) + plain.read_bytes())
    found = sniffed(tagged)
    assert found is not None
    assert found[1] == demuxer
    assert ffmpeg_opens(tagged, demuxer)


@pytest.mark.parametrize(("magic", "silence"), [(b"#!AMR\n", 32), (b"#!AMR-WB\n", 61)])
def test_amr_is_detected_and_opens_with_its_demuxer(magic: bytes, silence: int, tmp_path: Path) -> None:
    modes = {32: 0x3C, 61: 0x44}
    audio = tmp_path / "sound.amr"
    audio.write_bytes(magic + (bytes([modes[silence]]) + bytes(silence - 1)) * 50)
    assert sniffed(audio) == ("video", "amr", "audio/amr-wb" if b"WB" in magic else "audio/amr")
    assert ffmpeg_opens(audio, "amr")


def test_transport_stream_with_error_correction_is_detected(tmp_path: Path) -> None:
    stream = make_clip(tmp_path / "plain.ts", seconds=1, audio=False).read_bytes()
    longer = tmp_path / "longer.ts"
    longer.write_bytes(b"".join(stream[at : at + 188] + bytes(16) for at in range(0, len(stream), 188)))
    assert sniffed(longer) == ("video", "mpegts", "video/mp2t")
    assert ffmpeg_opens(longer, "mpegts")


def test_quicktime_without_a_brand_is_detected(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mov", seconds=1, audio=False).read_bytes()
    old = tmp_path / "old.mov"
    old.write_bytes(struct.pack(">I4s", 20, b"pnot") + bytes(12) + film)
    assert sniffed(old) == ("video", "mov", "video/quicktime")
    assert ffmpeg_opens(old, "mov")


def test_archive_of_videos_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "films.mp4", "w") as archive:
        archive.write(make_clip(tmp_path / "clip.mp4", seconds=1))
    assert sniffed(tmp_path / "films.mp4") is None
