"""With an ffmpeg that lacks a decoder, an encoder or a filter, uploads complete without it or end with its name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from roomcast import errors
from roomcast_workers.ffmpeg import runner
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries, shaka_binary
from roomcast_workers.ffmpeg.runner import read_capabilities
from roomcast_workers.media_info.probe import require_video
from roomcast_workers.sources.reader import read_source
from roomcast_workers.video.encoder import encode_video, settings_for
from roomcast_workers.video.progress_meter import ProgressMeter

from tests.support import clips
from tests.support.clips import first_frame, make_clip
from tests.support.jobs import job_on, process

pytestmark = pytest.mark.usefixtures("unlimited_programs")

OTHER = Binaries(shaka_binary("ffmpeg"), shaka_binary("ffprobe"))
"""Without decoder of AV1, libvmaf and zscale; the build for Alpine and for old systems."""


async def test_av1_source_is_compressed_by_the_packaged_ffmpeg_and_named_where_it_cannot_be_decoded(
    tmp_path: Path,
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.4, size="64x64", codec="libsvtav1")
    job, reporter = job_on(clip, tmp_path / "job", preset="ultrafast")
    results = await process(job)
    assert (results.original["codec"], results.files[0].name) == ("av1", "video.mp4")

    job, reporter = job_on(clip, tmp_path / "other", binaries=OTHER)
    with pytest.raises(errors.UnsupportedType, match="the codec av1, which this server cannot decode") as refused:
        await process(job, reporter)
    assert refused.value.details == {"codec": "av1"}
    assert not reporter.stage_starts  # while probing


@pytest.mark.parametrize(("codec", "encoder"), [("av1", "libsvtav1"), ("vp9", "libopus")])
async def test_codec_without_encoder_becomes_h264(
    codec: str, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capabilities = await read_capabilities(find_binaries())
    fewer = dataclasses.replace(capabilities, encoders=capabilities.encoders - {encoder})
    monkeypatch.setitem(runner._capabilities, find_binaries().ffmpeg, fewer)
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.4, size="64x64", crf=5)
    job, _ = job_on(clip, tmp_path / "job", codec=codec, preset="ultrafast")
    results = await process(job)
    assert (results.files[0].name, results.extra["codec"]) == ("video.mp4", "h264")


async def test_other_ffmpeg_encodes_av1_and_does_without_its_decoder(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2, size="64x64", crf=5)
    job, _ = job_on(clip, tmp_path / "job", binaries=OTHER, codec="av1", preset="ultrafast", target_quality=90)
    results = await process(job)
    assert require_video(await job.probe(results.files[0].path, "mov")).codec == "av1"
    assert [file.name for file in results.files] == ["video.mp4", "sprite.jpg", "storyboard.vtt"]
    assert results.extra["quality"]["metric"] is None


@pytest.mark.timeout(600)
async def test_other_ffmpeg_tone_maps_hdr_by_swscale(tmp_path: Path) -> None:
    # Swscale makes its tables for six CPU seconds, and once more for a film that describes its screen.
    clip = clips.make_hdr(tmp_path / "hdr.mp4", described=False)
    job, _ = job_on(clip, tmp_path / "job", binaries=OTHER, crf=4, preset="ultrafast")
    job, source = await read_source(dataclasses.replace(job, deps=dataclasses.replace(job.deps, stall_seconds=600)))
    meter = ProgressMeter(source.seconds, lambda _: None)
    result = await encode_video(job, source, await settings_for(job, source), meter)  # one run: each takes seconds
    luma = first_frame(result.path)
    assert [luma[32 * 320 + x] for x in (40, 120, 200, 280)] == pytest.approx([16, 126, 149, 194], abs=4)


async def test_other_ffmpeg_measures_quality_by_ssim(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2, crf=5, size="64x64")
    job, _ = job_on(clip, tmp_path / "job", binaries=OTHER, target_quality=90, preset="ultrafast")
    quality = (await process(job)).extra["quality"]
    assert quality["metric"] == "ssim"
    assert quality["score"] >= quality["target"] == 0.965
