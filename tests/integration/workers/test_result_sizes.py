"""No result is larger than its source, whatever the reason for encoding it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter
from roomcast.uploads.messages import Element
from roomcast.uploads.templates import CRF_RANGE
from roomcast_workers.job import Results
from roomcast_workers.video import encoder, pipeline, rate_control

from tests.support import clips
from tests.support.clips import make_clip
from tests.support.jobs import job_on, process, quality_target

pytestmark = pytest.mark.usefixtures("unlimited_programs")

SPARSE = ("-c:v", "libx264", "-preset", "slow", "-crf", "40", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "24k")


async def compress_clip(source: Path, tmp_path: Path, **template: Any) -> tuple[Results, int]:
    """Return the results, and by how many bytes the main one is larger than the source."""
    job, _ = job_on(source, tmp_path / "job", **template)
    results = await process(job)
    described = get_type_hints(Element)
    for name, value in results.extra.items():
        TypeAdapter(described[name]).validate_python(value)
    return results, results.files[0].path.stat().st_size - source.stat().st_size


@pytest.mark.parametrize(
    ("unlike", "options"),
    [
        ("orientation", {"rotation": 90}),
        ("pixel_aspect", {"aspect": "128:117"}),
        ("full_range", {"pix_fmt": "yuvj420p"}),
    ],
)
async def test_video_that_players_show_right_is_copied_where_encoding_would_enlarge_it(
    unlike: str, options: dict[str, int | str], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1, size="96x64", crf=45, audio=False, **options)  # type: ignore[arg-type]
    results, excess = await compress_clip(clip, tmp_path, crf=10)
    assert results.extra == {"copied": True, "copiedDespite": [unlike]}
    assert excess <= 0


async def test_video_with_few_keyframes_is_copied_where_encoding_would_enlarge_it(tmp_path: Path) -> None:
    clip = clips.make_slide_show(tmp_path / "slides.mkv")
    results, excess = await compress_clip(clip, tmp_path, crf=1)
    assert results.extra == {"copied": True, "copiedDespite": ["keyframe_gap"]}
    assert excess <= 0


@pytest.mark.parametrize("codec", ["av1", "vp9"])
async def test_video_in_another_codec_than_the_template_has_is_no_larger_than_its_source(
    codec: str, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1, size="96x64", crf=28, audio=False)
    results, excess = await compress_clip(clip, tmp_path, codec=codec, crf=2)
    assert results.extra == {}
    assert excess <= 0
    few = clips.make_encoded(tmp_path / "few.mp4", *SPARSE)
    results, excess = await compress_clip(few, tmp_path / "few", codec=codec)
    assert results.extra == {} or results.extra["copiedDespite"] == ["codec"]
    assert excess <= 0


async def test_video_in_an_efficient_codec_gets_a_higher_crf_in_h264(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.webm", seconds=1, size="160x120", codec="libvpx-vp9")
    _, excess = await compress_clip(clip, tmp_path, crf=1)
    assert excess <= 0


async def test_video_that_the_highest_crf_of_vp9_enlarges_becomes_h264(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CRF_RANGE, "vp9", (0, 33))
    options = ("-c:v", "libsvtav1", "-preset", "8", "-crf", "40", "-svtav1-params", "lp=1")
    clip = clips.make_encoded(tmp_path / "clip.mp4", *options)
    results, excess = await compress_clip(clip, tmp_path, codec="vp9")
    assert (results.files[0].name, results.extra) == ("video.mp4", {"codec": "h264"})
    assert excess <= 0


async def test_copy_with_compressed_audio_is_no_larger_than_its_source(tmp_path: Path) -> None:
    clip = clips.make_encoded(tmp_path / "clip.mp4", *SPARSE, "-c:a", "libmp3lame", "-b:a", "64k")
    results, excess = await compress_clip(clip, tmp_path)
    assert results.extra == {"copied": True}
    assert excess <= 0


async def test_audio_in_an_efficient_codec_gets_a_lower_bitrate(tmp_path: Path) -> None:
    sound = clips.make_sound(tmp_path / "a.ogg", "-c:a", "libopus", "-b:a", "24k", seconds=6)
    _, excess = await compress_clip(sound, tmp_path)
    assert excess <= 0


async def test_target_quality_beyond_the_source_is_reported_as_not_reached(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.webm", seconds=1, size="160x120", codec="libvpx-vp9", audio=False)
    results, excess = await compress_clip(clip, tmp_path, target_quality=99)
    assert excess <= 0
    quality = results.extra["quality"]
    assert (quality["metric"], quality["target"]) == await quality_target(99)
    assert not quality["reached"]


async def test_samples_show_whether_a_video_that_could_be_copied_is_worth_compressing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_control, "_COMPARISON_PIXELS", 1.0)
    encoded: list[int] = []
    monkeypatch.setattr(pipeline, "encode_video", record_call(encoded, encoder.encode_video))
    dense = make_clip(tmp_path / "dense.mp4", seconds=4, size="160x120", crf=8, audio=False)
    results, excess = await compress_clip(dense, tmp_path, crf=6)
    assert results.extra == {"copied": True}
    assert not encoded
    results, excess = await compress_clip(dense, tmp_path / "coarse", crf=30)
    assert results.extra == {}
    assert encoded
    assert excess < -0.2 * dense.stat().st_size


def record_call(calls: list[int], function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return the function, recording each call in `calls`."""

    async def recorded(*arguments: Any) -> Any:
        calls.append(len(arguments))
        return await function(*arguments)

    return recorded
