"""Limits on untrusted input, as ffmpeg and ffprobe enforce them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from roomcast import errors
from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.ffmpeg.input_options import DECODERS, InputFile
from roomcast_workers.ffmpeg.runner import run_ffmpeg, run_ffprobe
from roomcast_workers.limits import MediaLimits
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream

from tests.support import attacks
from tests.support.clips import make_clip
from tests.support.ffmpeg_runs import LIMITS

SMALL = MediaLimits(max_pixels=1000, max_duration_seconds=0.4, max_frames=1, max_streams=1)


def test_input_options_are_accepted_by_ffmpeg_and_ffprobe(tmp_path: Path) -> None:
    films = {
        "mov": make_clip(tmp_path / "clip.mp4", seconds=0.2),
        "matroska": make_clip(tmp_path / "c.mkv", seconds=0.2),
    }
    attacks.ffmpeg("-i", films["mov"], "-frames:v", "1", "-update", "1", tmp_path / "100%d.jpg")
    for demuxer, path in {**films, "image2": tmp_path / "100%d.jpg"}.items():
        file = InputFile(path, demuxer)
        for command in (
            [find_binaries().ffprobe, *commands.probe(file)],
            [find_binaries().ffmpeg, *decode(file)],
        ):
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (ended.returncode, ended.stderr) == (0, "")


def test_listed_decoders_are_unique_and_the_common_ones_exist() -> None:
    assert len(set(DECODERS)) == len(DECODERS)
    listing = subprocess.run(
        [find_binaries().ffmpeg, "-hide_banner", "-decoders"], capture_output=True, text=True, check=True
    )
    there = {line.split()[1] for line in listing.stdout.splitlines() if len(line.split()) > 2}
    assert {"h264", "hevc", "vp9", "mpeg4", "prores", "mjpeg", "aac", "mp3float", "opus", "pcm_s16le"} <= there & set(
        DECODERS
    )
    assert not {"anm", "roqvideo", "idcinvideo", "xan_wc3", "snow", "wavesynth"} & set(DECODERS)


def decode(file: InputFile) -> list[str]:
    """What decodes the pictures of a file's first stream."""
    video = VideoStream(0, "any", 2, 2, 0, None, None, None, None)
    return commands.count_decodable_frames(file, MediaInfo(None, None, "", video, None), 0.0, 1.0)


async def probed(path: Path, demuxer: str, limits: MediaLimits = SMALL) -> None:
    await run_ffprobe(find_binaries(), InputFile(path, demuxer, limits), limits=LIMITS)


async def test_too_many_pixels_or_streams_raise_too_large(clip: Path) -> None:
    with pytest.raises(errors.TooLarge) as caught:
        await probed(clip, "mov", MediaLimits(max_pixels=320 * 240 - 1))
    assert caught.value.details == {"maxPixels": 320 * 240 - 1}
    with pytest.raises(errors.TooLarge) as caught:
        await probed(clip, "mov", MediaLimits(max_streams=1))
    assert caught.value.details == {"maxStreams": 1}
    await probed(clip, "mov", MediaLimits(max_pixels=320 * 240, max_streams=2))


async def test_too_many_streams_raise_too_large_when_ffprobe_only_drops_them(tmp_path: Path) -> None:
    with pytest.raises(errors.TooLarge):
        await probed(make_clip(tmp_path / "clip.mkv", seconds=0.2), "matroska", MediaLimits(max_streams=1))


async def test_unlisted_codec_raises_unsupported_type(tmp_path: Path) -> None:
    with pytest.raises(errors.UnsupportedType):
        await probed(attacks.codec_of_no_use(tmp_path / "snow.avi"), "avi", MediaLimits())


async def test_video_with_subtitles_is_readable(tmp_path: Path) -> None:
    (tmp_path / "said.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.2)
    for suffix, demuxer, codec in (
        ("mkv", "matroska", "subrip"),
        ("mp4", "mov", "mov_text"),
        ("webm", "matroska", "webvtt"),
    ):
        video = tmp_path / f"film.{suffix}"
        encoding = ["-c:v", "libvpx-vp9", "-an"] if suffix == "webm" else ["-c", "copy"]
        attacks.ffmpeg(
            "-i", clip, "-i", tmp_path / "said.srt", *("-map", "0", "-map", "1"), *encoding, "-c:s", codec, video
        )
        await probed(video, demuxer, MediaLimits())


def test_reference_to_another_file_is_not_opened(tmp_path: Path) -> None:
    other = make_clip(tmp_path / "other.mov", seconds=1, audio=False)
    video = attacks.film_in_another_file(tmp_path / "film.mov", other)
    command = [find_binaries().ffmpeg, "-v", "verbose", "-enable_drefs", "1", "-use_absolute_path", "1"]
    led_on = subprocess.run([*command, "-i", video, "-f", "null", "-"], capture_output=True, text=True, check=False)
    assert f"Opening '{other}'" in led_on.stderr  # the file does what it is for
    args = [word.replace("error", "verbose") for word in decode(InputFile(video, "mov"))]
    held = subprocess.run([find_binaries().ffmpeg, *args], capture_output=True, text=True, check=False)
    assert "Skipped opening external track" in held.stderr
    assert f"Opening '{other}'" not in held.stderr


async def test_video_over_the_duration_limit_is_stopped_despite_its_header(clip: Path, tmp_path: Path) -> None:
    limits = MediaLimits(max_duration_seconds=0.4)
    audio = AudioStream(1, "aac", 1, 44_100, None)
    with pytest.raises(errors.TooLarge) as caught:
        await run_ffmpeg(
            find_binaries(),
            commands.compress_audio(InputFile(clip, "mov", limits), tmp_path / "out.m4a", audio, 64_000),
            on_progress=lambda _: None,
            stall_seconds=30,
            timeout_seconds=60,
            limits=LIMITS,
            media_limits=limits,
        )
    assert caught.value.details == {"maxSeconds": 0.4}
    assert not caught.value.retryable
