"""Storyboards that ffmpeg made."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat
from roomcast_workers.video import storyboard
from roomcast_workers.video.storyboard import make_storyboard

from tests.support import fake_ffmpeg
from tests.support.clips import make_clip
from tests.support.ffmpeg_runs import Fake
from tests.support.jobs import job_on
from tests.support.media import cues

pytestmark = pytest.mark.usefixtures("unlimited_programs")


@pytest.mark.parametrize(("size", "tile"), [("320x180", (192, 108)), ("90x160", (90, 160))])
async def test_sprite_has_a_tile_a_second_that_shows_its_time(size: str, tile: tuple[int, int], tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=4, size=size, audio=False)
    job, reporter = job_on(clip, tmp_path)
    sprite, track = await make_storyboard(job, clip, await job.probe(clip, "mov"), "mov")
    assert (sprite.kind, sprite.mime, track.kind, track.mime) == ("sprite", "image/jpeg", "storyboard", "text/vtt")
    assert (sprite.width, sprite.height) == (4 * tile[0], tile[1])
    assert [(start, end) for start, end, _ in cues(track.path.read_text())] == [
        (1000 * number, 1000 * number + 1000) for number in range(4)
    ]
    with Image.open(sprite.path, formats=["JPEG"]) as image:
        tiles = [image.crop((x, y, x + wide, y + high)) for _, _, (x, y, wide, high) in cues(track.path.read_text())]
    for one, other in itertools.combinations(tiles, 2):
        assert sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) > 5, "two tiles show the same moment"
    assert reporter.ticks[-1].fraction == 1.0
    assert sorted(path.name for path in job.scratch.iterdir()) == ["sprite.jpg", "storyboard.vtt"]


@pytest.mark.parametrize(
    ("seconds", "fps", "many", "keyframes_only", "tiles"),
    [
        (4, 25, 500e6, True, 4),
        (6, 25, 500e6, True, 6),
        (12, 12, 500e6, False, 10),  # a keyframe each 25 frames: too few of them
        (12, 12, 0.0, True, 6),  # and decoding the others would cost much
        (4, 12, 0.0, False, 4),  # and those are hardly a storyboard
    ],
)
async def test_only_keyframes_are_decoded_if_there_are_enough_or_the_others_cost_much(
    seconds: int,
    fps: int,
    many: float,
    keyframes_only: bool,
    tiles: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storyboard, "_FEW_PIXELS", 0.0)
    monkeypatch.setattr(storyboard, "_MANY_PIXELS", many)
    clip = make_clip(tmp_path / "clip.mp4", seconds=seconds, fps=fps, size="64x48", audio=False)
    fake = Fake(tmp_path, "")
    job, _ = job_on(clip, tmp_path / "job", binaries=fake.binaries)
    _, track = await make_storyboard(job, clip, await job.probe(clip, "mov"), "mov")
    assert len(cues(track.path.read_text())) == tiles
    assert any("nokey" in argv for argv in fake_ffmpeg.calls(fake.path)) == keyframes_only


@pytest.mark.parametrize("behaviour", ["die", "invalid", "no-output", "wrong-output"])
async def test_failed_storyboard_is_no_error(behaviour: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2, size="64x48", audio=False)
    job, _ = job_on(clip, tmp_path, binaries=Fake(tmp_path, behaviour).binaries)
    assert await make_storyboard(job, clip, await job.probe(clip, "mov"), "mov") == []
