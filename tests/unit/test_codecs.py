"""Codecs, filters and colours of a video."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from roomcast_workers.ffmpeg.codecs import audio_options, codec_for
from roomcast_workers.ffmpeg.filters import ToneMapper, jpeg_filters, output_colours, video_filters
from roomcast_workers.media_info.probe import VideoStream

VIDEO = VideoStream(0, "hevc", 3840, 2160, 0, 25.0, "yuv420p10le", 250, 10.0)


@pytest.mark.parametrize(
    ("video", "matrix"),
    [
        ({"width": 1920, "height": 1080}, "bt709"),
        ({"width": 720, "height": 1280}, "bt709"),
        ({"width": 720, "height": 480}, "smpte170m"),
        ({"width": 720, "height": 576}, "bt470bg"),
        ({"width": 1920, "height": 1080, "matrix": "smpte170m"}, "smpte170m"),
        ({"width": 320, "height": 240, "matrix": "bt709"}, "bt709"),
        ({"width": 320, "height": 240, "matrix": "smpte240m"}, "bt709"),
        ({"width": 320, "height": 240, "pix_fmt": "rgb24"}, "bt709"),
        ({"width": 320, "height": 240, "transfer": "smpte2084"}, "bt709"),
        ({"width": 320, "height": 240, "matrix": "smpte170m", "primaries": "bt2020"}, "bt709"),
    ],
)
def test_output_colours_follow_size_and_tags(video: dict[str, Any], matrix: str) -> None:
    assert output_colours(dataclasses.replace(VIDEO, **video)).matrix == matrix


def test_hdr_uses_the_available_tone_mapper() -> None:
    video = dataclasses.replace(VIDEO, transfer="arib-std-b67", primaries="bt2020", matrix="bt2020nc")

    def options(video: VideoStream, mapper: ToneMapper) -> dict[str, str | int]:
        return {name: value for _, each in video_filters(video, 1920, 1080, mapper) for name, value in each.items()}

    assert options(video, "swscale")["intent"] == "perceptual"
    assert options(video, "zscale")["tonemap"] == "mobius"
    assert "intent" not in options(video, "none")
    assert options(video, "none")["color_trc"] == "bt709"
    assert "intent" not in options(VIDEO, "swscale")


def test_jpeg_filters_use_full_range_and_the_matrix_of_jpeg() -> None:
    chain = jpeg_filters(dataclasses.replace(VIDEO, interlaced=True, alpha=True), 640, 360, "none")
    (first, how), (second, options) = chain[:2]
    assert (first, how) == ("bwdif", {"mode": "send_frame", "deint": "interlaced"})
    assert second == "scale"
    wanted = {"w": 640, "h": 360, "out_range": "pc", "out_color_matrix": "bt470bg", "alphablend": "uniform_color"}
    assert options.items() >= wanted.items()


def test_codec_for_small_av1_is_h264() -> None:
    assert codec_for("av1", 64, 64).name == "av1"
    assert codec_for("av1", 1920, 62).name == "h264"
    assert codec_for("vp9", 2, 2).name == "vp9"


@pytest.mark.parametrize(
    ("rate", "asked"), [(96_000, 48_000), (44_100, 44_100), (11_025, 11_025), (12_345, 16_000), (1, 7350)]
)
def test_aac_gets_a_supported_sample_rate(rate: int, asked: int) -> None:
    assert audio_options("aac", "aac", 128_000, 6, rate)["ar"] == asked
    assert audio_options("opus", "libopus", 128_000, 1, rate) == {
        "c:a": "libopus", "b:a": 128_000, "ac": 1, "ar": 48_000
    }  # fmt: skip
