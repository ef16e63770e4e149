"""The storyboard: its plan and its WebVTT as laws, its sprite from real clips."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat
from roomcast_workers.video.storyboard import make_storyboard, plan_storyboard, webvtt

from tests.support.clips import make_clip
from tests.support.jobs import job_on
from tests.support.runs import Fake

CUE = re.compile(
    r"(\d\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d\d+):(\d\d):(\d\d)\.(\d{3})\n(.+)#xywh=(\d+),(\d+),(\d+),(\d+)"
)
DURATIONS = st.floats(2, 200_000)
SIDES = st.integers(1, 8192)


def cues(track: str) -> list[tuple[int, int, tuple[int, ...]]]:
    """Begin and end in milliseconds, and the part of the sprite."""
    found = []
    for cue in CUE.findall(track):
        hours, minutes, seconds, thousandths = zip(cue[:4], cue[4:8], strict=True)
        times = [
            int(h) * 3_600_000 + int(m) * 60_000 + int(s) * 1000 + int(t)
            for h, m, s, t in zip(hours, minutes, seconds, thousandths, strict=True)
        ]
        found.append((*times, tuple(int(number) for number in cue[9:])))
    return found  # type: ignore[return-value]


@given(DURATIONS, SIDES, SIDES)
def test_the_cues_cover_the_film_without_a_gap_and_the_tiles_the_sprite_without_overlap(
    duration: float, width: int, height: int
) -> None:
    storyboard = plan_storyboard(duration, width, height)
    assert storyboard is not None
    track = webvtt(storyboard, "sprite.jpg")
    assert track.startswith("WEBVTT\n\n")
    found = cues(track)
    assert len(found) == storyboard.count <= 100
    assert found[0][0] == 0
    assert found[-1][1] == round(duration * 1000)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    assert all(start < end for start, end, _ in found)
    places = [area for _, _, area in found]
    assert len(set(places)) == storyboard.count
    for x, y, wide, high in places:
        assert (wide, high) == (storyboard.width, storyboard.height)
        assert x % wide == y % high == 0
        assert x + wide <= storyboard.columns * wide
        assert y + high <= storyboard.rows * high
    assert max(storyboard.width, storyboard.height) <= 192


@pytest.mark.parametrize("duration", [None, 0.0, 1.9])
def test_a_film_too_short_to_look_through_has_none(duration: float | None) -> None:
    assert plan_storyboard(duration, 320, 240) is None


@pytest.mark.parametrize(("size", "tile"), [("320x180", (192, 108)), ("90x160", (90, 160))])
async def test_the_sprite_has_a_tile_a_second_and_each_shows_its_moment(
    size: str, tile: tuple[int, int], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=4, size=size, sound=False)
    job, notes = job_on(clip, tmp_path)
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
    assert notes.ticks[-1].fraction == 1.0
    assert sorted(path.name for path in job.scratch.iterdir()) == ["sprite.jpg", "storyboard.vtt"]


async def test_keyframes_alone_are_decoded_where_there_are_enough(tmp_path: Path) -> None:
    for name, fps, sparse in (("dense.mp4", 25, False), ("sparse.mp4", 5, True)):  # a keyframe each 25 frames
        clip = make_clip(tmp_path / name, seconds=4, fps=fps, size="64x48", sound=False)
        fake = Fake(tmp_path, "")
        job, _ = job_on(clip, tmp_path / name.removesuffix(".mp4"), binaries=fake.binaries)
        assert await make_storyboard(job, clip, await job.probe(clip, "mov"), "mov")
        calls = fake.path.with_name("ffmpeg.calls")
        assert ("nokey" not in calls.read_text()) == sparse
        calls.unlink()


@pytest.mark.parametrize("behaviour", ["die", "invalid", "no-output", "wrong-output"])
async def test_a_film_may_go_without(behaviour: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2, size="64x48", sound=False)
    job, _ = job_on(clip, tmp_path, binaries=Fake(tmp_path, behaviour).binaries)
    assert await make_storyboard(job, clip, await job.probe(clip, "mov"), "mov") == []
