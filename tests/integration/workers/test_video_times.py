"""Films whose times start over, jump, begin late or end with a held frame keep every frame, in step with the sound."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from roomcast_workers.job import Results

from tests.support import clips
from tests.support.clips import make_sound, truncate
from tests.support.decoded import packets, span
from tests.support.jobs import job_on, process

pytestmark = pytest.mark.usefixtures("unlimited_programs")


async def processed(source: Path, tmp_path: Path) -> tuple[Results, Path]:
    job, _ = job_on(source, tmp_path / "job", preset="ultrafast")
    results = await process(job)
    return results, results.files[0].path


@pytest.mark.parametrize(
    ("name", "clocks"),
    [
        ("reset.ts", (1.4, 1.4)),
        ("jumps.ts", (1000, 1.4, 1000)),
        ("reset.mkv", (0, 0)),
        ("jump.flv", (0, 5000)),
        ("reset.mpg", (0.5, 0.5)),
        ("fragments.mp4", (0, 0)),
    ],
)
async def test_joined_recordings_become_one_film(name: str, clocks: tuple[float, ...], tmp_path: Path) -> None:
    source = clips.make_joined(tmp_path / name, *clocks)
    results, path = await processed(source, tmp_path)
    frames = [time for time, _ in packets(path, "v")]
    assert len(frames) == 20 * len(clocks)
    # At most a frame is longer, by what one frame of the sound outlasts the picture.
    assert all(0.039 < after - before < 0.081 for before, after in pairwise(frames))
    seconds = 0.8 * len(clocks)
    assert results.files[0].duration == pytest.approx(seconds, abs=0.08)
    assert results.original["duration"] == pytest.approx(seconds, abs=0.08)
    assert span(path, "a")[1] == pytest.approx(span(path, "v")[1], abs=0.06)
    assert "partial" not in results.extra
    assert "copied" not in results.extra


@pytest.mark.parametrize("name", ["joined.flac", "joined.mp3"])
async def test_joined_sound_files_become_one(name: str, tmp_path: Path) -> None:
    results, path = await processed(clips.make_joined(tmp_path / name, 0, 0), tmp_path)
    assert results.files[0].duration == pytest.approx(1.6, abs=0.08)
    assert span(path, "a")[1] == pytest.approx(1.6, abs=0.08)
    assert "partial" not in results.extra


async def test_sound_whose_times_jump_alone_stays_in_step(tmp_path: Path) -> None:
    _, path = await processed(clips.make_jumping_sound(tmp_path / "jump.ts"), tmp_path)
    assert span(path, "v")[1] == pytest.approx(0.8, abs=0.05)
    assert span(path, "a") == pytest.approx((0, 0.8), abs=0.05)


@pytest.mark.parametrize(("name", "video", "audio"), [("video.webm", 1.5, 0), ("audio.mp4", 0, 1.5)])
async def test_late_stream_keeps_its_offset(name: str, video: float, audio: float, tmp_path: Path) -> None:
    results, path = await processed(clips.make_offset(tmp_path / name, video=video, audio=audio), tmp_path)
    assert span(path, "v") == pytest.approx((video, video + 1), abs=0.06)
    assert span(path, "a") == pytest.approx((audio, audio + 1), abs=0.06)
    assert len(packets(path, "v")) == 25
    assert "partial" not in results.extra
    assert results.files[0].duration == pytest.approx(2.5, abs=0.06)
    storyboards = [file.duration for file in results.files if file.kind == "storyboard"]
    assert storyboards == ([pytest.approx(2.5, abs=0.06)] if video else [])  # one second of film has none


async def test_picture_that_begins_long_after_the_sound_is_known(tmp_path: Path) -> None:
    job, _ = job_on(clips.make_late_picture(tmp_path / "late.mp4", seconds=12), tmp_path)
    video = (await job.probe(job.path, "mov")).video
    assert video is not None
    assert (video.start, video.pix_fmt) == (12, "yuv444p")


async def test_held_last_frame_keeps_its_duration_with_reordered_frames(tmp_path: Path) -> None:
    source = clips.make_held(tmp_path / "held.mp4", held=3)
    # HLS of the same film: its last segment has the held frame, too.
    job, _ = job_on(source, tmp_path / "job", preset="veryfast", hls=(144,))
    results = await process(job)
    path = results.files[0].path
    frames = packets(path, "v")
    assert len(frames) == 25
    assert frames[-1] == pytest.approx((0.96, 3.0), abs=0.01)
    assert span(path, "v") == pytest.approx((0, 3.96), abs=0.01)
    assert results.files[0].duration == pytest.approx(3.96, abs=0.01)
    assert "partial" not in results.extra
    storyboard = next(file for file in results.files if file.kind == "storyboard")
    assert storyboard.path.read_text().rstrip().splitlines()[-2].endswith("--> 00:00:03.960")
    segments = sorted(job.scratch.glob("hls-*-0*.m4s"))
    rendition = tmp_path / "rendition.mp4"
    init = next(job.scratch.glob("hls-*-init.mp4"))
    rendition.write_bytes(init.read_bytes() + b"".join(segment.read_bytes() for segment in segments))
    assert packets(rendition, "v")[-1][1] == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("cut.m4a", ("-c:a", "aac", "-movflags", "+faststart")),
        ("cut.flac", ()),
        ("cut.mp3", ("-c:a", "libmp3lame", "-q:a", "6")),
        ("cut.wav", ()),
        ("cut.wma", ("-c:a", "wmav2")),
    ],
)
async def test_truncated_sound_is_partial(name: str, encoding: tuple[str, ...], tmp_path: Path) -> None:
    source = truncate(make_sound(tmp_path / name, *encoding, seconds=8), 0.5)
    results, path = await processed(source, tmp_path)
    reported = results.extra["partial"]
    assert 2 < reported["seconds"] < 6
    assert reported["declaredSeconds"] == pytest.approx(8, abs=0.1)
    assert "copied" not in results.extra
    assert span(path, "a")[1] == pytest.approx(reported["seconds"], abs=0.15)


async def test_estimated_duration_of_sound_is_not_taken_for_a_declared_one(tmp_path: Path) -> None:
    results, _ = await processed(make_sound(tmp_path / "a.mp3", "-q:a", "9", "-write_xing", "0"), tmp_path)
    assert "partial" not in results.extra
