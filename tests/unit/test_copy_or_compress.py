"""The decision to copy a video's streams or to compress them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from roomcast.uploads.templates import Template
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import VideoStream
from roomcast_workers.media_info.truncation import VerifiedMedia, verify_media
from roomcast_workers.video.copy_or_compress import (
    audio_meets_template,
    decide,
    differences,
    is_worthwhile,
    meets_template,
    source_audio_bitrate,
    target_audio_bitrate,
)

from tests.support.media import AUDIO, INFO, VIDEO, scanned


def source(video: VideoStream | None = VIDEO, scan: PacketScan | None = None, **info: Any) -> VerifiedMedia:
    return VerifiedMedia(dataclasses.replace(INFO, video=video, **info), scan or scanned(), 10.0, None)


def template(**options: Any) -> Template:
    return Template(name="t", **options)


def test_low_bitrate_is_copied_and_high_bitrate_compared() -> None:
    assert decide(source(), template()) == "copy"
    assert decide(source(scan=scanned(bits=5_000_000)), template()) == "compare"


@pytest.mark.parametrize(
    "wrong",
    [
        {"codec": "hevc"},
        {"profile": "High 4:2:2"},
        {"profile": None},
        {"pix_fmt": "yuv420p10le"},
        {"full_range": True},
        {"interlaced": True},
        {"as_is": False},
        {"transfer": "smpte2084"},
        {"primaries": "bt2020"},
        {"matrix": "bt2020nc"},
        {"width": 1279},
        {"width": 1922},
    ],
)
def test_video_that_some_players_show_wrongly_is_compressed(wrong: dict[str, Any]) -> None:
    assert decide(source(dataclasses.replace(VIDEO, **wrong)), template()) == "encode"


@pytest.mark.parametrize("wrong", [{"first": "___"}, {"first": "KD_"}, {"gap": 1000, "packets": 400}, {"pts": False}])
def test_video_with_unsuitable_packets_is_compressed(wrong: dict[str, Any]) -> None:
    assert not meets_template(source(scan=scanned(**wrong)), template())


def test_decision_depends_on_the_template() -> None:
    assert decide(source(), template(codec="av1")) == "encode"
    assert decide(source(), template(video_long_side=640)) == "encode"
    assert decide(source(), template(target_bytes=2_000_000)) == "copy"
    assert decide(source(), template(target_bytes=999_999)) == "encode"


def test_truncated_video_is_compressed() -> None:
    cut = verify_media(INFO, scanned(packets=100), b"")
    assert cut.truncation is not None
    assert decide(cut, template()) == "encode"


def test_audio_is_copied_if_it_meets_the_template() -> None:
    assert audio_meets_template(AUDIO, source(), 128_000)
    assert not audio_meets_template(AUDIO, source(), 64_000)
    assert not audio_meets_template(dataclasses.replace(AUDIO, channels=6), source(), 128_000)
    assert not audio_meets_template(dataclasses.replace(AUDIO, codec="mp3"), source(), 128_000)
    assert target_audio_bitrate(AUDIO, source(), 128_000) == pytest.approx(100_000, rel=0.01)
    assert target_audio_bitrate(dataclasses.replace(AUDIO, channels=1), source(), 100_000) == 60_000


def test_saving_a_fifth_is_worthwhile() -> None:
    assert is_worthwhile(80, 100)
    assert not is_worthwhile(81, 100)


@pytest.mark.parametrize(
    ("unlike", "names"),
    [
        ({}, []),
        ({"rotation": 90, "as_is": False}, ["orientation"]),
        ({"pixel_aspect": 1.5, "as_is": False}, ["pixel_aspect"]),
        ({"pix_fmt": "yuvj420p", "full_range": True}, ["full_range"]),
        ({"width": 639}, ["odd_size"]),
        ({"as_is": False}, None),  # flipped or cropped
        ({"pix_fmt": "yuv422p"}, None),
        ({"interlaced": True}, None),
        ({"transfer": "smpte2084"}, None),
    ],
)
def test_differences_are_what_players_show_right_all_the_same(unlike: dict[str, Any], names: list[str] | None) -> None:
    assert differences(source(dataclasses.replace(VIDEO, **unlike)), template()) == names


def test_differences_of_packets() -> None:
    assert differences(source(scan=scanned(gap=1000, packets=400)), template()) == ["keyframe_gap"]
    assert differences(source(scan=scanned(first="KD_")), template()) is None
    assert differences(source(), template(codec="av1")) == ["codec"]
    assert differences(source(dataclasses.replace(VIDEO, codec="hevc")), template()) is None
    assert differences(source(), template(video_long_side=640)) is None


def test_audio_for_a_smaller_result_has_no_more_than_the_source() -> None:
    assert source_audio_bitrate(AUDIO, source(), 64_000) == 64_000
    assert source_audio_bitrate(AUDIO, source(), 128_000) == pytest.approx(100_000, rel=0.01)
