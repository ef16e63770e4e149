"""What is asked of ffmpeg for a video, and what comes of it on real clips."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from server.upload import errors
from tests.clips import make_clip, truncate
from workers.ffmpeg import find_binaries, run_ffmpeg, run_ffprobe
from workers.probe import AudioStream, MediaInfo, VideoStream, parse, require_video
from workers.sandbox import Limits
from workers.video import VideoSettings, compress_args, fit_even, poster_args, poster_moment, verify

LIMITS = Limits(address_space=4 << 30, cpu_seconds=120, file_size=1 << 30)
FILM = VideoStream(0, "hevc", 3840, 2160, 0, 25.0, "yuv420p10le", 250, 10.0)
SOUND = AudioStream(1, "ac3", 6, 96_000, 10.0)
SOURCE = MediaInfo(10.0, 1000, "mov", FILM, SOUND)
RESULT = MediaInfo(10.02, 500, "mov", dataclasses.replace(FILM, codec="h264"), SOUND)


async def probe(path: Path) -> MediaInfo:
    return parse(await run_ffprobe(find_binaries(), path, demuxer(path), limits=LIMITS))


async def run(args: list[str]) -> None:
    await run_ffmpeg(
        find_binaries(), args, on_reading=lambda _: None, stall_seconds=60, wall_seconds=110, limits=LIMITS
    )


def demuxer(path: Path) -> str:
    """What the first bytes of the path's kind of file would have said."""
    return {".mkv": "matroska", ".webm": "matroska", ".ts": "mpegts", ".avi": "avi", ".jpg": "image2"}.get(
        path.suffix, "mov"
    )


async def compress(source: Path, **settings: Any) -> tuple[MediaInfo, MediaInfo, Path]:
    """Source's and result's info, and the result."""
    target = source.with_name(f"{source.stem}-result.mp4")
    info = await probe(source)
    await run(compress_args(source, target, info, VideoSettings(preset="ultrafast", **settings), demuxer(source)))
    return info, await probe(target), target


def frame_times(path: Path) -> list[float]:
    argv = [find_binaries().ffprobe, "-v", "error", "-of", "json", "-select_streams", "v:0"]
    said = subprocess.run([*argv, "-show_entries", "frame=pts_time", str(path)], capture_output=True, check=True)
    return [float(frame["pts_time"]) for frame in json.loads(said.stdout)["frames"]]


def everything_said(path: Path) -> str:
    argv = [find_binaries().ffprobe, "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]
    return subprocess.run([*argv, str(path)], capture_output=True, text=True, check=True).stdout


# --- The command ------------------------------------------------------------------------------------------------------


def test_the_command_says_what_is_wanted() -> None:
    args = compress_args(Path("/in/a b.mov"), Path("/out/film.mp4"), SOURCE, VideoSettings(crf=30), "mov")
    said = " ".join(args)
    for words in (
        "-f mov -protocol_whitelist file -i file:/in/a b.mov",
        "-c:v libx264",
        "-crf 30",
        "-preset veryfast",
        "-c:a aac",
        "-b:a 128k",
        "-ac 2",
        "-ar 48000",
        "-movflags +faststart",
        "-map_metadata -1",
        "-map_metadata:s -1",
        "-map_chapters -1",
        "-fps_mode vfr",
        "-enc_time_base 1:90000",
        "h=1080",
        "w=1920",
        "out_range=tv",
    ):
        assert words in said
    assert args[-1] == "file:/out/film.mp4"


def test_the_chosen_streams_are_mapped_and_no_sound_is_asked_of_a_silent_film() -> None:
    info = dataclasses.replace(SOURCE, video=dataclasses.replace(FILM, index=2), audio=None)
    args = compress_args(Path("/in"), Path("/out.mp4"), info, VideoSettings(), "mov")
    assert any(word.startswith("[0:2]scale") for word in args)
    assert "-c:a" not in args
    assert args.count("-map") == 1


def test_without_a_film_there_is_nothing_to_compress() -> None:
    with pytest.raises(errors.UnreadableMedia):
        compress_args(Path("/in"), Path("/out.mp4"), dataclasses.replace(SOURCE, video=None), VideoSettings(), "mov")


def test_paths_are_never_options_or_protocols() -> None:
    args = compress_args(Path("-y"), Path("http:x.mp4"), SOURCE, VideoSettings(), "mov")
    assert args[args.index("-i") + 1] == f"file:{Path.cwd()}/-y"
    assert args[-1] == f"file:{Path.cwd()}/http:x.mp4"


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(2, 4096))
def test_sizes_are_even_never_larger_and_keep_their_shape(width: int, height: int, long_side: int) -> None:
    fitted = fit_even(width, height, long_side)
    assert all(side % 2 == 0 and side >= 2 for side in fitted)
    assert max(fitted) <= max(2, long_side)
    assert fitted[0] <= max(2, width)
    assert fitted[1] <= max(2, height)
    scale = min(1, long_side / max(width, height))
    assert all(abs(is_ - was * scale) <= 2 for is_, was in zip(fitted, (width, height), strict=True))


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((1920, 1080), (1920, 1080)), ((3840, 2160), (1920, 1080)), ((319, 239), (318, 238)), ((1080, 2400), (864, 1920))],
)
def test_sizes(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit_even(*size, 1920) == fitted


# --- Real clips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wishes", "size"),
    [
        ("plain.mp4", {}, (320, 240)),
        ("turned.mp4", {"rotation": 90}, (240, 320)),
        ("turned-back.mov", {"rotation": 270, "odd": True}, (238, 318)),
        ("odd.mp4", {"odd": True}, (318, 238)),
        ("wide.mp4", {"aspect": "4:3"}, (426, 240)),
        ("turned-wide.mp4", {"aspect": "4:3", "rotation": 90}, (240, 426)),
        ("cover.mp4", {"cover": True}, (320, 240)),
        ("silent.mkv", {"sound": False}, (320, 240)),
        ("vp9.webm", {"codec": "libvpx-vp9"}, (320, 240)),
        ("deep.mkv", {"pix_fmt": "yuv422p10le"}, (320, 240)),
        ("surround.mp4", {"channels": 6}, (320, 240)),
        ("100%d.mp4", {"size": "64x48"}, (64, 48)),
    ],
)
async def test_results_are_upright_even_and_playable_anywhere(
    name: str, wishes: dict[str, Any], size: tuple[int, int], tmp_path: Path
) -> None:
    info, result, path = await compress(make_clip(tmp_path / name, seconds=1, **wishes))
    verify(info, result)
    video = require_video(result)
    assert (video.codec, video.pix_fmt, video.rotation) == ("h264", "yuv420p", 0)
    assert (video.width, video.height) == size
    assert '"sample_aspect_ratio": "1:1"' in everything_said(path)
    assert result.audio is None or (result.audio.codec, result.audio.channels) == ("aac", 2)
    start = path.read_bytes()
    assert start.index(b"moov") < start.index(b"mdat")


async def test_a_large_film_is_scaled_down(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "large.mp4", seconds=1, size="640x360")
    _, result, _ = await compress(clip, long_side=400)
    assert (require_video(result).width, require_video(result).height) == (400, 224)


async def test_every_frame_of_a_variable_rate_is_kept_at_its_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "vfr.mp4", seconds=4, vfr=True)
    _, _, path = await compress(clip)
    before, after = frame_times(clip), frame_times(path)
    assert len({round(b - a, 3) for a, b in itertools.pairwise(before)}) > 2, "the clip is not variable"
    assert after == pytest.approx(before, abs=0.001)


async def test_titles_places_and_comments_are_gone(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "tagged.mp4", seconds=1, tags=True)
    secrets = ("A secret", "+52.5", "mine", "My camera")
    assert all(secret in everything_said(clip) for secret in secrets)
    _, _, path = await compress(clip)
    assert not any(secret in everything_said(path) for secret in secrets)


async def test_a_full_range_source_keeps_its_black_and_white(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "full.mkv", seconds=1, pix_fmt="yuvj420p")
    assert '"color_range": "pc"' in everything_said(clip)
    _, _, path = await compress(clip, crf=1)
    assert '"color_range": "pc"' not in everything_said(path)  # x264 leaves the tag out where it is the default
    for film in (clip, path):
        await run(poster_args(film, film.with_suffix(".jpg"), 0.5, demuxer(film)))
    with Image.open(clip.with_suffix(".jpg")) as before, Image.open(path.with_suffix(".jpg")) as after:
        pairs = zip(before.convert("L").histogram(), after.convert("L").histogram(), strict=True)
        assert sum(abs(a - b) for a, b in pairs) < before.width * before.height * 0.5


async def test_a_clip_cut_short_is_found_out(tmp_path: Path) -> None:
    clip = truncate(make_clip(tmp_path / "cut.mp4", seconds=8), 0.5)
    info, result, _ = await compress(clip)
    with pytest.raises(errors.UnreadableMedia, match=r"^the file is cut short: [345]\.\ds of 8\.0s could be read$"):
        verify(info, result)


@pytest.mark.parametrize(
    ("wishes", "size"), [({}, (320, 240)), ({"rotation": 90, "aspect": "4:3"}, (160, 284)), ({"size": "8x6"}, (8, 6))]
)
async def test_a_poster_is_upright_and_fits(wishes: dict[str, Any], size: tuple[int, int], tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1, **wishes)
    poster = tmp_path / "poster %d.jpg"
    moment = poster_moment(await probe(clip))
    await run(poster_args(clip, poster, moment, "mov", long_side=284 if "rotation" in wishes else 1280))
    with Image.open(poster, formats=["JPEG"]) as image:
        image.load()
        assert image.size == size


@pytest.mark.parametrize(("seconds", "moment"), [(None, 0.0), (1.0, 0.25), (600.0, 3.0)])
def test_a_posters_moment_is_within_the_film(seconds: float | None, moment: float) -> None:
    info = dataclasses.replace(SOURCE, duration=seconds, video=dataclasses.replace(FILM, duration=None))
    assert poster_moment(info) == moment


# --- Verifying --------------------------------------------------------------------------------------------------------


def test_a_right_result_is_right() -> None:
    verify(SOURCE, RESULT)
    verify(dataclasses.replace(SOURCE, duration=None), RESULT)
    verify(dataclasses.replace(SOURCE, duration=1000.0), dataclasses.replace(RESULT, duration=981.0))
    verify(dataclasses.replace(SOURCE, audio=None), dataclasses.replace(RESULT, audio=None))


@pytest.mark.parametrize(
    "wrong",
    [
        {"video": None},
        {"video": FILM},
        {"audio": None},
        {"duration": None},
        {"duration": 12.0},
    ],
)
def test_a_wrong_result_is_the_encoders_fault(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.TranscodeError):
        verify(SOURCE, dataclasses.replace(RESULT, **wrong))


def test_sound_out_of_nowhere_is_wrong() -> None:
    with pytest.raises(errors.TranscodeError):
        verify(dataclasses.replace(SOURCE, audio=None), RESULT)


def test_a_short_result_is_the_files_fault() -> None:
    with pytest.raises(errors.UnreadableMedia, match=r"cut short: 4\.2s of 10\.0s") as caught:
        verify(SOURCE, dataclasses.replace(RESULT, duration=4.2))
    assert caught.value.details == {"seconds": 4.2, "declaredSeconds": 10.0}
