"""Sizes, bitrates and the search for a CRF."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from roomcast.errors import TooLarge
from roomcast.uploads.templates import CRF_RANGE, CodecName
from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings, max_bitrate
from roomcast_workers.job import Job
from roomcast_workers.media_info.section_packets import (
    bytes_in_sections,
    bytes_without_extra_keyframes,
    parse_packets,
)
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.video import rate_control
from roomcast_workers.video.copy_or_compress import (
    low_bitrate,
)
from roomcast_workers.video.crf_search import (
    MAX_TRIALS,
    CrfSearch,
    after_keyframes,
    equivalent_ssim,
    loss_per_crf,
    next_crf,
    sample_starts,
    ssim_score,
    vmaf_score,
)
from roomcast_workers.video.encoder import EncodedFile, fit_even
from roomcast_workers.video.rate_control import encode_below
from roomcast_workers.video.size_budget import compute_budget, hits_target, next_bitrate

sides = st.integers(2, 8192)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(2, 4096))
def test_fit_even_gives_even_sides_and_preserves_the_shape(width: int, height: int, long_side: int) -> None:
    fitted = fit_even(width, height, long_side)
    assert all(side % 2 == 0 and side >= 2 for side in fitted)
    assert max(fitted) <= max(2, long_side)
    scale = min(1, long_side / max(width, height))
    assert all(abs(is_ - was * scale) <= 2 for is_, was in zip(fitted, (width, height), strict=True))


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((1920, 1080), (1920, 1080)), ((3840, 2160), (1920, 1080)), ((319, 239), (318, 238)), ((1080, 2400), (864, 1920))],
)
def test_fit_even_examples(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit_even(*size, 1920) == fitted


@given(sides, sides, st.floats(1, 240))
def test_max_bitrate_grows_with_size(width: int, height: int, fps: float) -> None:
    assert low_bitrate(width, height, fps) < max_bitrate(width, height, fps)
    assert max_bitrate(width, height, fps) <= max_bitrate(width + 1, height, fps + 1)
    assert max_bitrate(width, height, None) == max_bitrate(width, height, 30)


@given(
    st.integers(10_000, 10**9), st.floats(0.1, 20_000), st.tuples(sides, sides), st.floats(1, 120), st.integers(0, 8)
)
def test_budget_does_not_exceed_the_target(
    target: int, seconds: float, size: tuple[int, int], fps: float, channels: int
) -> None:
    try:
        share = compute_budget(target, seconds, size, fps, channels, 128_000)
    except TooLarge:
        return
    assert (share.video_bitrate + share.audio_bitrate) * seconds / 8 < target
    assert 0 < share.scale <= 1
    assert (share.audio_bitrate > 0) == (channels > 0)
    assert share.channels <= min(channels, 2)


@given(st.integers(20_000, 10**7), st.floats(1, 600), st.floats(0.2, 3))
def test_next_bitrate_converges_on_the_target(target: int, seconds: float, answer: float) -> None:
    """Whatever the encoder makes of a bitrate, as long as it is always the same share of it."""
    fixed = 0.1 * target
    bitrate = int(target * 8 / seconds)
    assume(bitrate > 8000)
    for _ in range(4):
        size = int(fixed + answer * bitrate * seconds / 8)
        if hits_target(size, target):
            return
        bitrate = next_bitrate(bitrate, size, target, fixed)
    assert hits_target(int(fixed + answer * bitrate * seconds / 8), target)


@given(
    st.integers(0, 40),
    st.integers(1, 31),
    st.lists(st.floats(0, 100), min_size=72, max_size=72),
    st.floats(0, 100),
    st.none() | st.integers(0, 80),
)
def test_crf_search_finds_the_highest_sufficient_crf(
    low: int, span: int, scores: list[float], target: float, start: int | None
) -> None:
    falling = sorted(scores, reverse=True)
    search = CrfSearch(low, low + span - 1, target, start=start, loss=1.2)
    while (crf := search.next) is not None:
        assert low <= crf < low + span
        search.record(crf, falling[crf])
    assert len(search.scores) <= MAX_TRIALS + (start is not None)
    good = [crf for crf in range(low, low + span) if falling[crf] >= target]
    assert search.best == (max(good) if good else min(search.scores))
    assert good or search.best == low


def trials(search: CrfSearch, slope: float, crossing: float) -> int:
    """Return how many trials the search takes, where the score meets 93 at `crossing`."""
    while (crf := search.next) is not None:
        search.record(crf, 93.0 + slope * (crossing - crf))
    assert 93.0 <= search.scores[search.best] < 93.0 + max(0.7, slope)
    return len(search.scores)


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("crossing", [16.2, 22.7, 25.1, 30.4, 34.9])
def test_crf_search_with_a_tolerance_takes_few_trials(slope: float, crossing: float) -> None:
    assert trials(CrfSearch(14, 36, 93.0, tolerance=0.7), slope, crossing) <= 4


def test_crf_search_that_starts_near_its_result_takes_about_two_trials() -> None:
    counts = [
        trials(CrfSearch(14, 36, 93.0, 0.7, start=math.floor(crossing) + off, loss=1.2), slope, crossing)
        for slope in (0.5, 1.0, 2.0)
        for crossing in (16.2, 18.5, 22.7, 25.1, 28.4, 30.4, 34.9)
        for off in (-1, 0, 1)
    ]
    assert fmean(counts) < 2.2


@pytest.mark.parametrize(("crossing", "most"), [(27.3, 1), (28.3, 2), (26.8, 2), (32.4, 3), (15.1, 3)])
def test_crf_search_that_starts_near_the_result_takes_one_trial_or_two(crossing: float, most: int) -> None:
    assert trials(CrfSearch(14, 36, 93.0, tolerance=0.7, start=27, loss=1.2), 1.0, crossing) <= most


def test_score_that_a_crf_costs_is_smaller_by_ssim_and_never_zero() -> None:
    assert loss_per_crf("h264", "vmaf", 93.0) == pytest.approx(1.2)
    assert 0 < loss_per_crf("h264", "ssim", 93.0) < 0.01
    assert loss_per_crf("av1", "vmaf", 0.0) > 0


async def test_film_that_is_compressed_again_below_its_source_has_no_worst_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    async def encode(_job: object, _source: object, settings: EncodeSettings, _meter: object) -> EncodedFile:
        assert isinstance(settings.rate, ConstantQuality)
        tried.append(settings.rate.crf)
        path.write_bytes(bytes(900))
        return EncodedFile(path, cast(Any, None), "mov", "video/mp4", settings=settings)

    monkeypatch.setattr(rate_control, "encode_video", encode)
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(2000))
    settings = EncodeSettings(CODECS["h264"], "fast", ConstantQuality(25, limited=False), 64, 64)
    quality = {"metric": "vmaf", "crf": 21, "target": 90, "score": 91.0, "reached": True, "worst": {"crf": 21}}
    larger = EncodedFile(path, cast(Any, None), "mov", "video/mp4", {"quality": quality}, settings)
    job, source = SimpleNamespace(scratch=tmp_path), SimpleNamespace(info=SimpleNamespace(audio=None), seconds=60.0)
    smaller = await encode_below(cast(Any, job), cast(Any, source), larger, 1000, cast(Any, None))
    assert smaller.size == 900
    assert smaller.extra["quality"] == {
        "metric": "vmaf",
        "crf": tried[0],
        "target": 90,
        "score": None,
        "reached": False,
    }
    assert tried[0] > 25


@given(st.floats(20, 99), st.floats(20, 99))
def test_equivalent_ssim_grows_with_vmaf(one: float, other: float) -> None:
    assert 0.5 < equivalent_ssim(min(one, other)) <= equivalent_ssim(max(one, other)) < 1


def test_scores_are_parsed_or_none() -> None:
    assert ssim_score("n:1 Y:0.9 U:0.9 V:0.9 All:0.900000 (10)\nn:2 All:1.000000 (inf)\n") == pytest.approx(0.95)
    assert ssim_score("") is None
    assert vmaf_score(json.dumps({"pooled_metrics": {"vmaf": {"mean": 93.5}}})) == 93.5
    assert vmaf_score("{}") is None
    assert vmaf_score("[") is None


@given(st.floats(0.04, 10_000), st.integers(1, 5), st.floats(0.5, 3))
def test_samples_are_within_the_video_and_do_not_overlap(seconds: float, count: int, length: float) -> None:
    starts = sample_starts(seconds, count, length)
    assert all(start >= 0 for start in starts)
    assert all(after - before >= length - 0.01 for before, after in itertools.pairwise(starts))
    assert starts == [0.0] or starts[-1] + length <= seconds + 0.01


@given(st.sampled_from(["h264", "av1", "vp9"]), st.integers(1, 50), st.integers(1, 10**9), st.floats(1.001, 20))
def test_next_crf_is_higher_and_at_most_the_highest(codec: CodecName, crf: int, limit: int, ratio: float) -> None:
    found = next_crf(codec, crf, math.ceil(limit * ratio), limit)
    assert crf < found <= CRF_RANGE[codec][1]


def test_next_crf_halves_the_bytes_of_h264_in_six_steps() -> None:
    assert next_crf("h264", 24, 2000, 1000) == 31
    assert next_crf("h264", 51, 2000, 1000) == 51


def test_bytes_of_samples_count_no_more_keyframes_than_the_complete_video_has() -> None:
    packets = parse_packets("0.0,1000,K__\n0.1,10,___\n0.5,1000,K__\n0.6,10,___\nN/A,7,___\ncut")
    assert [(packet.size, packet.keyframe) for packet in packets] == [(1000, True), (10, False)] * 2
    assert bytes_without_extra_keyframes(packets, 2, 0.5, 5.0) == pytest.approx(2020 - 1.8 * 990)
    assert bytes_without_extra_keyframes(packets, 1, 5.0, 5.0) == 2020  # a change of scene makes keyframes, too
    assert bytes_without_extra_keyframes(packets[1:2], 1, 0.5, 5.0) == 10


def test_bytes_in_sections_are_those_of_the_frames_shown_there() -> None:
    packets = parse_packets("0.9,1,K__\n1.2,2,___\n1.0,4,___\n1.5,8,___\n1.2,2,___\n3.0,16,K__")
    assert bytes_in_sections(packets, [1.0, 3.0], 0.5, 1.0) == 2 + 4 + 16
    assert bytes_in_sections(packets[1:3], [1.0], 0.5, 1.0) == 2 + 4


def test_sections_count_as_many_keyframes_as_the_video_has_elsewhere() -> None:
    before, inside = "0.8,100,K__\n", "1.0,4,___\n1.2,6,___"
    assert bytes_in_sections(parse_packets(before + inside), [1.0], 0.5, 5.0) == pytest.approx(10 + 0.1 * 95)
    with_one = parse_packets(f"{before}{inside}\n1.3,100,K__")
    assert bytes_in_sections(with_one, [1.0], 0.5, 5.0) == pytest.approx(110 - 0.9 * 95)


def test_samples_begin_after_the_keyframe_before_them_unless_they_would_overlap() -> None:
    keyframes = [0.0, 8.0, 16.0, 24.0]
    assert after_keyframes([3.0, 15.9, 24.1], keyframes, 0.5) == [0.15, 8.15, 24.1]
    assert after_keyframes([3.0, 5.0, 15.0], keyframes, 0.5) == [3.0, 5.0, 15.0]
    assert after_keyframes([3.0], [], 0.5) == [3.0]
    assert after_keyframes([0.0], keyframes, 0.5) == [0.0]


@pytest.mark.parametrize(
    ("preset", "rough", "presets", "fraction"),
    [
        ("fast", 0.5, ["veryfast"], 0.5),
        ("fast", 1.3, ["veryfast"], 1.3),
        ("fast", 0.9, ["veryfast", "fast"], 0.7),
        ("veryfast", 0.5, ["veryfast"], 0.5),
    ],
)
async def test_slow_preset_compresses_samples_only_where_a_fast_one_leaves_it_unclear(
    preset: str, rough: float, presets: list[str], fraction: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[EncodeSettings] = []

    async def compress(_job: object, _source: object, settings: EncodeSettings, _scale: float) -> float:
        tried.append(settings)
        return rough if settings.preset == "veryfast" else 0.7

    monkeypatch.setattr(rate_control, "_compress_samples", compress)
    settings = EncodeSettings(CODECS["h264"], preset, ConstantQuality(24), 1280, 720)
    job, source = cast("Job", None), cast("VerifiedMedia", None)
    assert await rate_control.sampled_fraction(job, source, settings) == fraction
    assert [one.preset for one in tried] == presets
    assert tried[-1].rate == ConstantQuality(24 if preset == presets[-1] else 22)
