"""Posters of real clips, including dark and broken ones."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.video.poster import make_poster, poster_time

from tests.support import fake_ffmpeg
from tests.support.clips import make_clip, truncate
from tests.support.jobs import job_on

pytestmark = pytest.mark.usefixtures("unlimited_programs")


def darkened(clip: Path, fade: str) -> Path:
    """The clip with a fade filter over it, and a single keyframe."""
    target = clip.with_name("dark.mp4")
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "1000"]
    command = [find_binaries().ffmpeg, "-v", "error", "-i", str(clip), "-vf", fade, *encoding, str(target)]
    subprocess.run(command, check=True)
    return target


def luma(path: Path) -> float:
    with Image.open(path, formats=["JPEG"]) as image:
        return float(ImageStat.Stat(image.convert("L")).mean[0])


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (320, 240)),
        ({"rotation": 90, "aspect": "4:3"}, (240, 427)),
        ({"size": "8x6"}, (8, 6)),
        ({"size": "1920x1080", "fps": 5, "cover": True}, (1280, 720)),
        ({"odd": True}, (319, 239)),
    ],
)
async def test_poster_is_upright_and_fits(options: dict[str, Any], size: tuple[int, int], tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1, **options)
    job, reporter = job_on(clip, tmp_path)
    output = await make_poster(job, clip, await job.probe(clip, "mov"), "mov")
    assert output is not None
    assert reporter.updates == [{"poster": output}]
    assert (output["name"], output["kind"], output["mime"]) == ("poster", "poster", "image/jpeg")
    assert (output["width"], output["height"]) == size
    with Image.open(tmp_path / "data" / "media" / output["key"], formats=["JPEG"]) as image:
        image.load()
        assert image.size == size


@pytest.mark.parametrize(("fade", "least"), [("fade=in:st=1.5:d=1", 20), ("fade=out:st=0:d=0.1", 0)])
async def test_poster_skips_black_frames_if_there_are_others(fade: str, least: float, tmp_path: Path) -> None:
    clip = darkened(make_clip(tmp_path / "clip.mp4", seconds=4, size="96x64", audio=False), fade)
    job, _ = job_on(clip, tmp_path)
    output = await make_poster(job, clip, await job.probe(clip, "mov"), "mov")
    assert output is not None
    assert luma(tmp_path / "data" / "media" / output["key"]) >= least


async def test_poster_is_the_first_frame_if_there_is_none_at_its_time(tmp_path: Path) -> None:
    clip = truncate(make_clip(tmp_path / "clip.mp4", seconds=8, size="640x480", fps=5), 0.2)
    job, _ = job_on(clip, tmp_path)
    info = await job.probe(clip, "mov")
    assert poster_time(info) == 2.0
    output = await make_poster(job, clip, info, "mov")
    assert output is not None
    assert (output["width"], output["height"]) == (640, 480)


async def test_failed_poster_is_no_error_and_the_result_may_give_one(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1)
    real = find_binaries()
    broken = fake_ffmpeg.install(tmp_path, "die", name="broken", real="/bin/false")  # the real one makes posters
    job, reporter = job_on(clip, tmp_path, binaries=Binaries(str(broken), real.ffprobe))
    info = await job.probe(clip, "mov")
    assert await make_poster(job, clip, info, "mov") is None
    assert reporter.updates == []
    fake_ffmpeg.install(tmp_path, "die", name="broken")
    output = await make_poster(job, clip, info, "mov")
    assert reporter.updates == [{"poster": output}]
