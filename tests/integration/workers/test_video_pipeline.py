"""Videos and audio are processed by the real ffmpeg: real clips, one for each thing that can be wrong with them."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from roomcast import errors
from roomcast.uploads.lifecycle import Stage
from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.ffmpeg.runner import read_capabilities
from roomcast_workers.job import Results

from tests.support import clips
from tests.support.clips import first_frame, make_clip, make_encoded, make_sound, make_uneven, truncate
from tests.support.jobs import RecordingReporter, job_on, process, quality_target

pytestmark = pytest.mark.usefixtures("unlimited_programs")


async def run_video_steps(source: Path, tmp_path: Path, **template: Any) -> tuple[Results, Path, RecordingReporter]:
    template.setdefault("preset", "ultrafast")
    job, reporter = job_on(source, tmp_path / "job", **template)
    results = await process(job, reporter)
    return results, results.files[0].path, reporter


def output(path: Path, *entries: str) -> dict[str, Any]:
    argv = [find_binaries().ffprobe, "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]
    done = subprocess.run([*argv, *entries, str(path)], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def streams(path: Path) -> dict[str, dict[str, Any]]:
    return {stream["codec_type"]: stream for stream in output(path)["streams"]}


def frame_times(path: Path) -> list[float]:
    argv = [find_binaries().ffprobe, "-v", "error", "-of", "json", "-select_streams", "v:0"]
    done = subprocess.run([*argv, "-show_entries", "frame=pts_time", str(path)], capture_output=True, check=True)
    return [float(frame["pts_time"]) for frame in json.loads(done.stdout)["frames"]]


def assert_plays_anywhere(path: Path) -> None:
    """H.264 in 8-bit 4:2:0, TV range, square pixels, upright, progressive, even, tagged; AAC; the index in front, a
    keyframe first, and nothing that the source said about itself."""
    found = output(path, "-show_entries", "packet=flags")
    video = next(stream for stream in found["streams"] if stream["codec_type"] == "video")
    assert (video["codec_name"], video["pix_fmt"]) == ("h264", "yuv420p")
    assert video.get("sample_aspect_ratio", "1:1") == "1:1"
    assert video.get("color_range", "tv") == "tv"
    assert video["color_space"] == video["color_transfer"] or video["color_space"] == "bt470bg"
    assert video["field_order"] == "progressive"
    assert "side_data_list" not in video or "rotation" not in str(video["side_data_list"])
    assert video["width"] % 2 == video["height"] % 2 == 0
    sounds = [stream for stream in found["streams"] if stream["codec_type"] == "audio"]
    assert all(audio["codec_name"] == "aac" and audio["channels"] <= 2 for audio in sounds)
    assert len(found["streams"]) == 1 + len(sounds)
    assert "K" in found["packets"][0]["flags"]
    assert found["chapters"] == []
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


# --- Right ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("turned.mp4", {"rotation": 90}, (120, 160)),
        ("turned-back.mov", {"rotation": 270, "odd": True}, (118, 158)),
        ("wide.mp4", {"aspect": "4:3", "crf": 8}, (212, 120)),
        ("turned-wide.mp4", {"crf": 8, "aspect": "4:3", "rotation": 90}, (120, 212)),
        ("cover.mp4", {"cover": True}, (160, 120)),
        ("silent.mkv", {"audio": False, "pix_fmt": "yuvj420p"}, (160, 120)),
        ("vp9.webm", {"codec": "libvpx-vp9"}, (160, 120)),
        ("deep.mkv", {"pix_fmt": "yuv422p10le"}, (160, 120)),
        ("surround.mp4", {"channels": 6}, (160, 120)),
        ("100%d.mp4", {"size": "64x48", "crf": 1}, (64, 48)),
        ("slow.mp4", {"fps": 1, "seconds": 3}, (160, 120)),
        ("quick.mp4", {"fps": 240, "size": "64x48"}, (64, 48)),
        ("tall.mp4", {"size": "16x4096", "fps": 5}, (6, 1920)),
        ("instant.mp4", {"seconds": 0.1}, (160, 120)),
        ("frame.mp4", {"seconds": 0.04, "audio": False}, (160, 120)),
    ],
)
async def test_compressed_video_plays_everywhere(
    name: str, options: dict[str, Any], size: tuple[int, int], tmp_path: Path
) -> None:
    small: dict[str, Any] = {"seconds": 1, "size": "160x120"}
    clip = make_clip(tmp_path / name, **(small | options))
    results, path, _ = await run_video_steps(clip, tmp_path)
    assert_plays_anywhere(path)
    video = results.files[0]
    assert (video.kind, video.mime, video.width, video.height) == ("video", "video/mp4", *size)
    assert ("audio" in streams(path)) == options.get("audio", True)
    assert len(frame_times(path)) == len(frame_times(clip))
    assert "partial" not in results.extra
    assert results.original["duration"] == pytest.approx(options.get("seconds", 1), abs=0.1)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("mj.mov", ("-c:v", "mjpeg", "-c:a", "pcm_s16le")),
        ("m2.ts", ("-c:v", "mpeg2video", "-c:a", "mp2")),
        ("m2.mpg", ("-c:v", "mpeg2video", "-c:a", "mp2")),
        ("m4.avi", ("-c:v", "mpeg4", "-c:a", "libmp3lame")),
        ("w.wmv", ("-c:v", "wmv2", "-c:a", "wmav2")),
        ("f.flv", ("-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100")),
        ("live.webm", ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus", "-live", "1")),
        ("pieces.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov", "-g", "9")),
    ],
)
async def test_old_containers_and_codecs_are_compressed(name: str, encoding: tuple[str, ...], tmp_path: Path) -> None:
    results, path, _ = await run_video_steps(make_encoded(tmp_path / name, *encoding), tmp_path)
    assert_plays_anywhere(path)
    assert len(frame_times(path)) == 25
    assert results.original["duration"] == pytest.approx(1, abs=0.1)
    assert "partial" not in results.extra


async def test_variable_frame_rate_preserves_every_frame_and_its_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "vfr.mp4", seconds=4, vfr=True, crf=1, size="160x120")
    _, path, _ = await run_video_steps(clip, tmp_path)
    before, after = frame_times(clip), frame_times(path)
    assert len({round(b - a, 3) for a, b in itertools.pairwise(before)}) > 2, "the clip is not variable"
    assert after == pytest.approx(before, abs=0.001)


async def test_frames_hidden_by_an_edit_list_are_absent_from_the_result(tmp_path: Path) -> None:
    clip = clips.make_trimmed(tmp_path / "trimmed.mp4")
    results, path, _ = await run_video_steps(clip, tmp_path)
    assert "copied" not in results.extra
    hidden = output(clip, "-show_entries", "packet=flags")["packets"]
    assert any("D" in packet["flags"] for packet in hidden), "the clip hides nothing"
    assert len(frame_times(path)) == len(frame_times(clip))
    assert not any(
        "D" in packet["flags"] for packet in output(path, "-select_streams", "v", "-show_packets")["packets"]
    )


@pytest.mark.parametrize(("video", "audio"), [(1.0, 2.0), (2.0, 1.0)])
async def test_video_and_audio_of_different_duration_are_both_complete(
    video: float, audio: float, tmp_path: Path
) -> None:
    results, path, _ = await run_video_steps(make_uneven(tmp_path / "uneven.mp4", video=video, audio=audio), tmp_path)
    found = streams(path)
    assert float(found["video"]["duration"]) == pytest.approx(video, abs=0.1)
    assert float(found["audio"]["duration"]) == pytest.approx(audio, abs=0.1)
    assert results.original["duration"] == pytest.approx(2, abs=0.1)


async def test_default_audio_stream_is_used(tmp_path: Path) -> None:
    _, path, _ = await run_video_steps(clips.make_two_sounds(tmp_path / "two.mkv"), tmp_path)
    assert streams(path)["audio"]["channels"] == 1


@pytest.mark.parametrize("name", ["late.ts", "late.mkv"])
async def test_video_with_a_late_start_starts_at_zero(name: str, tmp_path: Path) -> None:
    results, path, _ = await run_video_steps(clips.make_late(tmp_path / name), tmp_path)
    assert frame_times(path)[0] == pytest.approx(0, abs=0.1)
    assert results.original["duration"] == pytest.approx(1, abs=0.1)


async def test_interlaced_video_is_deinterlaced(tmp_path: Path) -> None:
    clip = clips.make_interlaced(tmp_path / "fields.mp4")
    assert streams(clip)["video"]["field_order"] == "tt"
    _, path, _ = await run_video_steps(clip, tmp_path)
    assert_plays_anywhere(path)


@pytest.mark.parametrize(
    ("transfer", "luma"), [("smpte2084", [16, 173, 201, 230]), ("arib-std-b67", [16, 141, 161, 201])]
)
async def test_hdr_video_is_tone_mapped(transfer: str, luma: list[int], tmp_path: Path) -> None:
    if (await read_capabilities(find_binaries())).tone_mapper != "zscale":
        pytest.skip("this ffmpeg has no zscale: test_other_ffmpegs.py has the values of swscale")
    results, path, _ = await run_video_steps(clips.make_hdr(tmp_path / "hdr.mp4", transfer), tmp_path, crf=4)
    assert results.original["hdr"] is True
    found = output(path, "-show_frames")
    video = found["streams"][0]
    assert [video[f"color_{what}"] for what in ("space", "transfer", "primaries")] == ["bt709"] * 3
    assert "light" not in json.dumps(found).lower()
    stripes = [first_frame(path)[32 * 320 + x] for x in (40, 120, 200, 280)]
    # Black stays black. The white of a page (203 cd/m²) keeps 85 % of the range, and what is brighter the rest.
    assert stripes == pytest.approx(luma, abs=4)


async def test_transparent_video_is_blended_onto_black(tmp_path: Path) -> None:
    _, path, _ = await run_video_steps(clips.make_alpha(tmp_path / "alpha.mov"), tmp_path)
    frame = first_frame(path)
    assert frame[0] == pytest.approx(40, abs=4)  # half of the luma of red over that of black


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("a.mp3", ("-c:a", "libmp3lame", "-metadata", "title=A secret")),
        ("a.wav", ()),
        ("a.flac", ()),
        ("a.ogg", ("-c:a", "libopus")),
        ("a.m4a", ("-c:a", "aac", "-metadata", "title=A secret")),
        ("a.aac", ("-c:a", "aac")),
        ("eleven.mp3", ("-ar", "11025", "-c:a", "libmp3lame")),
        ("five-one.mp4", ("-ac", "6", "-c:a", "ac3")),
    ],
)
async def test_audio_alone_becomes_an_m4a(name: str, encoding: tuple[str, ...], tmp_path: Path) -> None:
    source = make_sound(tmp_path / name, *encoding, seconds=1)
    results, path, reporter = await run_video_steps(source, tmp_path)
    (made,) = results.files
    assert (path.name, made.kind, made.mime, made.width) == ("audio.m4a", "audio", "audio/mp4", None)
    (audio,) = output(path)["streams"]
    assert (audio["codec_name"], audio["channels"] <= 2) == ("aac", True)
    assert made.duration == pytest.approx(1, abs=0.15)
    assert "A secret" not in json.dumps(output(path))
    assert results.extra == {
        "a.m4a": {"copied": True},
        "a.aac": {"copied": True, "copiedDespite": ["size"]},  # a few bytes of the container more
    }.get(name, {})
    assert [stage.value for stage in reporter.stage_starts] == ["compressing", "thumbnails"]


# --- Whole, or not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kept"), [("cut.mp4", 0.5), ("cut.mkv", 0.5), ("cut.webm", 0.5), ("cut.avi", 0.5)])
async def test_truncated_file_completes_with_partial(name: str, kept: float, tmp_path: Path) -> None:
    codec = {"cut.webm": "libvpx-vp9", "cut.avi": "mpeg4"}.get(name, "libx264")
    clip = truncate(make_clip(tmp_path / name, seconds=3, codec=codec, size="160x120"), kept)
    results, path, _ = await run_video_steps(clip, tmp_path)
    assert_plays_anywhere(path)
    reported = results.extra["partial"]
    assert 0.5 < reported["seconds"] < 2.5
    assert reported["declaredSeconds"] == pytest.approx(3, abs=0.1)
    assert results.files[0].duration == pytest.approx(reported["seconds"], abs=0.3)
    assert results.original["duration"] == pytest.approx(reported["seconds"], abs=0.3)


async def test_forged_header_does_not_make_a_video_partial(tmp_path: Path) -> None:
    clip = clips.forge_duration(make_clip(tmp_path / "forged.mp4", seconds=3, size="160x120"))
    results, _, _ = await run_video_steps(clip, tmp_path)
    assert "partial" not in results.extra
    assert results.files[0].duration == pytest.approx(3, abs=0.1)
    assert results.original["duration"] == pytest.approx(3, abs=0.1)


async def test_undecodable_last_packets_are_reported_as_partial(tmp_path: Path) -> None:
    clip = clips.blank(make_clip(tmp_path / "blank.mp4", seconds=3, size="160x120"), 0.5)
    results, _, _ = await run_video_steps(clip, tmp_path)
    assert results.extra["partial"]["declaredSeconds"] == pytest.approx(3, abs=0.1)
    assert results.extra["partial"]["seconds"] < 2.5


async def test_file_without_readable_packets_raises_unreadable_media(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "head.mp4", seconds=1)
    clip.write_bytes(clip.read_bytes()[: clip.read_bytes().index(b"mdat") + 4])
    with pytest.raises(errors.UnreadableMedia):
        await run_video_steps(clip, tmp_path)


# --- Private ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crf", [1, 40])
async def test_metadata_is_absent_from_compressed_and_copied_videos(crf: int, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "tagged.mov", seconds=1, tags=True, crf=crf)
    secrets = ("A secret", "+52.5", "mine", "My camera")
    assert all(secret in json.dumps(output(clip)) for secret in secrets)
    results, path, _ = await run_video_steps(clip, tmp_path)
    assert results.extra == ({"copied": True} if crf == 40 else {})
    assert not any(secret.encode() in path.read_bytes() for secret in secrets)
    assert b"x264" not in path.read_bytes() or crf == 1


# --- Small ------------------------------------------------------------------------------------------------------------


async def test_small_video_that_meets_the_template_is_copied(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "small.mkv", seconds=2, crf=40)
    results, path, _ = await run_video_steps(clip, tmp_path)
    assert results.extra == {"copied": True}
    assert_plays_anywhere(path)
    assert path.stat().st_size < clip.stat().st_size + 5000


async def test_video_that_compression_does_not_shrink_is_copied(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "dense.mp4", seconds=2, crf=30, size="320x240")
    results, path, _ = await run_video_steps(clip, tmp_path, crf=10)
    assert results.extra == {"copied": True}
    assert path.stat().st_size <= clip.stat().st_size + 2000
    results, path, _ = await run_video_steps(make_clip(tmp_path / "large.mp4", seconds=2, crf=1), tmp_path / "2")
    assert results.extra == {}
    assert path.stat().st_size < 0.95 * (tmp_path / "large.mp4").stat().st_size


async def test_copied_video_has_its_audio_compressed_if_that_does_not_meet_the_template(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "surround.mkv", seconds=2, crf=40, channels=6)
    results, path, _ = await run_video_steps(clip, tmp_path)
    assert results.extra == {"copied": True}
    assert streams(path)["audio"]["channels"] == 2


@pytest.mark.parametrize(
    ("codec", "mime", "name", "audio"),
    [("av1", "video/mp4", "av1", "aac"), ("vp9", "video/webm", "vp9", "opus")],
)
async def test_av1_and_vp9_are_encoded_into_their_containers(
    codec: str, mime: str, name: str, audio: str, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1, vfr=True)
    results, path, _ = await run_video_steps(clip, tmp_path, codec=codec)
    found = streams(path)
    assert (results.files[0].mime, found["video"]["codec_name"], found["audio"]["codec_name"]) == (mime, name, audio)
    assert found["video"]["pix_fmt"] == "yuv420p"
    packets = output(path, "-select_streams", "v", "-show_packets")["packets"]
    assert len(packets) == len(frame_times(clip))


async def test_video_too_small_for_svt_av1_becomes_h264(tmp_path: Path) -> None:
    results, path, _ = await run_video_steps(make_clip(tmp_path / "c.mp4", size="32x16"), tmp_path, codec="av1")
    assert streams(path)["video"]["codec_name"] == "h264"
    assert results.extra["codec"] == "h264"


@pytest.mark.parametrize(("target", "codec"), [(30_000, "h264"), (75_000, "h264"), (30_000, "vp9"), (30_000, "av1")])
async def test_target_bytes_gives_a_result_at_most_five_per_cent_below(target: int, codec: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2, crf=10, size="192x144", loud=True)
    assert clip.stat().st_size > target
    _, path, reporter = await run_video_steps(clip, tmp_path, target_bytes=target, codec=codec)
    assert 0.95 * target <= path.stat().st_size <= target
    begin, end = reporter.stage_starts[Stage.COMPRESSING], reporter.stage_starts[Stage.THUMBNAILS]
    fractions = [tick.fraction for tick in reporter.ticks[begin:end]]
    assert fractions == sorted(fractions)


async def test_target_bytes_does_not_inflate_a_smaller_video(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=2)
    results, path, _ = await run_video_steps(clip, tmp_path, target_bytes=10_000_000)
    assert results.extra == {"copied": True}
    assert path.stat().st_size < clip.stat().st_size + 5000


async def test_unreachable_target_bytes_raises_too_large(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=30, size="64x48", fps=1)
    with pytest.raises(errors.TooLarge, match="too long for the target size") as refused:
        await run_video_steps(clip, tmp_path, target_bytes=10_000)
    assert not refused.value.retryable


async def test_target_quality_is_reached_on_samples(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2, crf=5, size="128x96")
    results, _, reporter = await run_video_steps(clip, tmp_path, target_quality=90)
    quality = results.extra["quality"]
    assert (quality["metric"], quality["target"]) == await quality_target(90)
    assert quality["score"] >= quality["target"]
    worse, _, _ = await run_video_steps(clip, tmp_path / "worse", target_quality=60)
    assert worse.extra["quality"]["crf"] > quality["crf"]
    assert reporter.updates[-1]["forecast"].bytes > 0


async def test_long_compression_publishes_a_forecast_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roomcast_workers.video.rate_control._MIN_FORECAST_SECONDS", 0.0)
    clip = make_clip(tmp_path / "clip.mp4", seconds=10, size="160x90", crf=5)
    _, path, reporter = await run_video_steps(clip, tmp_path)
    forecast = next(updates["forecast"] for updates in reporter.updates if "forecast" in updates)
    assert forecast.bytes == pytest.approx(path.stat().st_size, rel=0.6)
    assert forecast.seconds > 0
