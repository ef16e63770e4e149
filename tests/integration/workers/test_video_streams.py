"""Of several streams that which a player would play is processed, with its alpha, its sizes and its channels."""

from __future__ import annotations

from pathlib import Path

import pytest
from roomcast_workers.job import Results

from tests.support import clips
from tests.support.decoded import pitches, pixel, span
from tests.support.jobs import job_on, process

pytestmark = pytest.mark.usefixtures("unlimited_programs")

DATA = Path(__file__).parents[2] / "data" / "films"


async def processed(source: Path, tmp_path: Path) -> tuple[Results, Path]:
    job, _ = job_on(source, tmp_path / "job", preset="ultrafast")
    results = await process(job)
    return results, results.files[0].path


async def test_sound_without_its_declared_picture_is_audio(tmp_path: Path) -> None:
    results, path = await processed(DATA / "sound_without_its_video.webm", tmp_path)
    assert (path.name, results.files[0].kind) == ("audio.m4a", "audio")
    assert results.files[0].duration == pytest.approx(3, abs=0.05)


async def test_track_without_packets_is_not_chosen(tmp_path: Path) -> None:
    _, path = await processed(clips.make_empty_track(tmp_path / "empty.mkv"), tmp_path)
    assert pitches(path)[0] == pytest.approx(440, abs=5)


async def test_thumbnail_track_is_not_chosen_though_it_is_first(tmp_path: Path) -> None:
    results, _ = await processed(clips.make_thumbnail_track(tmp_path / "thumbnails.mov"), tmp_path)
    assert (results.files[0].width, results.files[0].height) == (64, 48)


async def test_sound_of_the_programme_of_the_picture_is_chosen(tmp_path: Path) -> None:
    _, path = await processed(clips.make_programmes(tmp_path / "two.ts"), tmp_path)
    assert pitches(path)[0] == pytest.approx(440, abs=5)


async def test_frames_of_another_size_are_scaled_without_distortion(tmp_path: Path) -> None:
    results, path = await processed(clips.make_turned(tmp_path / "turned.webm"), tmp_path)
    assert (results.files[0].width, results.files[0].height) == (64, 48)
    assert "copied" not in results.extra
    assert pixel(path, 4, 24, number=5) == pytest.approx((255, 255, 255), abs=4)
    # The second half is 36 pixels wide, with black on both sides.
    assert pixel(path, 4, 24, number=20) == pytest.approx((0, 0, 0), abs=4)
    assert pixel(path, 18, 24, number=20) == pytest.approx((255, 255, 255), abs=4)
    assert span(path, "v")[1] == pytest.approx(1, abs=0.09)


async def test_alpha_of_web_video_is_blended_onto_black(tmp_path: Path) -> None:
    _, path = await processed(clips.make_web_alpha(tmp_path / "alpha.webm"), tmp_path)
    assert pixel(path, 10, 24) == pytest.approx((254, 0, 0), abs=6)
    assert pixel(path, 54, 24) == pytest.approx((0, 0, 0), abs=6)


async def test_channels_without_places_become_stereo(tmp_path: Path) -> None:
    _, path = await processed(clips.make_unplaced_channels(tmp_path / "unplaced.mov"), tmp_path)
    assert pitches(path) == pytest.approx([440, 880], abs=8)
