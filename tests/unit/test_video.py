"""How a film is compressed, and whether what came out is that."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from roomcast import errors
from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings, audio_options, codec_for
from roomcast_workers.ffmpeg.filters import ToneMapper, jpeg_filters, output_colours, video_filters
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream
from roomcast_workers.video.verification import is_short, verify_copied, verify_encoded

FILM = VideoStream(0, "hevc", 3840, 2160, 0, 25.0, "yuv420p10le", 250, 10.0)
SOUND = AudioStream(1, "ac3", 6, 96_000, 10.0)
SOURCE = MediaInfo(10.0, 1000, "mov", FILM, SOUND)
RECIPE = EncodeSettings(CODECS["h264"], "veryfast", ConstantQuality(30), 1920, 1080)
MADE = dataclasses.replace(FILM, codec="h264", width=1920, height=1080, pix_fmt="yuv420p")
RESULT = MediaInfo(10.02, 500, "mov", MADE, dataclasses.replace(SOUND, codec="aac"))


# --- Pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("film", "matrix"),
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
def test_colours(film: dict[str, Any], matrix: str) -> None:
    assert output_colours(dataclasses.replace(FILM, **film)).matrix == matrix


def test_hdr_is_mapped_with_what_there_is() -> None:
    film = dataclasses.replace(FILM, transfer="arib-std-b67", primaries="bt2020", matrix="bt2020nc")

    def options(film: VideoStream, mapper: ToneMapper) -> dict[str, str | int]:
        return {name: value for _, each in video_filters(film, 1920, 1080, mapper) for name, value in each.items()}

    assert options(film, "swscale")["intent"] == "perceptual"
    assert options(film, "zscale")["tonemap"] == "mobius"
    assert "intent" not in options(film, "none")
    assert options(film, "none")["color_trc"] == "bt709"
    assert "intent" not in options(FILM, "swscale")


def test_a_jpeg_is_of_full_range_in_the_matrix_of_jpegs() -> None:
    chain = jpeg_filters(dataclasses.replace(FILM, interlaced=True, alpha=True), 640, 360, "none")
    (first, how), (second, options) = chain[:2]
    assert (first, how) == ("bwdif", {"mode": "send_frame", "deint": "interlaced"})
    assert second == "scale"
    wanted = {"w": 640, "h": 360, "out_range": "pc", "out_color_matrix": "bt470bg", "alphablend": "uniform_color"}
    assert options.items() >= wanted.items()


# --- Codecs -----------------------------------------------------------------------------------------------------------


def test_pictures_that_svt_av1_cannot_take_are_h264() -> None:
    assert codec_for("av1", 64, 64).name == "av1"
    assert codec_for("av1", 1920, 62).name == "h264"
    assert codec_for("vp9", 2, 2).name == "vp9"


@pytest.mark.parametrize(
    ("rate", "asked"), [(96_000, 48_000), (44_100, 44_100), (11_025, 11_025), (12_345, 16_000), (1, 7350)]
)
def test_aac_is_asked_for_a_rate_it_has(rate: int, asked: int) -> None:
    assert audio_options("aac", "aac", 128_000, 6, rate)["ar"] == asked
    assert audio_options("opus", "libopus", 128_000, 1, rate) == {
        "c:a": "libopus", "b:a": 128_000, "ac": 1, "ar": 48_000
    }  # fmt: skip


# --- Verifying --------------------------------------------------------------------------------------------------------


def test_a_right_result_is_right() -> None:
    verify_encoded(RECIPE, SOURCE, 10.0, RESULT)
    verify_encoded(RECIPE, SOURCE, 1000.0, dataclasses.replace(RESULT, duration=1019.0))
    silent = dataclasses.replace(SOURCE, audio=None)
    verify_encoded(RECIPE, silent, 10.0, dataclasses.replace(RESULT, audio=None))
    verify_copied(dataclasses.replace(SOURCE, video=MADE), 10.0, RESULT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"video": FILM},
        {"video": dataclasses.replace(MADE, width=1918)},
        {"video": dataclasses.replace(MADE, pix_fmt="yuv444p")},
        {"video": dataclasses.replace(MADE, as_is=False)},
        {"audio": SOUND},
        {"duration": 12.0},
    ],
)
def test_a_wrong_result_is_the_encoders_fault(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.TranscodeError):
        verify_encoded(RECIPE, SOURCE, 10.0, dataclasses.replace(RESULT, **wrong))


@pytest.mark.parametrize("missing", [{"video": None}, {"audio": None}, {"duration": None}])
def test_a_result_without_a_stream_or_a_length_is_the_files_fault(missing: dict[str, Any]) -> None:
    with pytest.raises(errors.UnreadableMedia):
        verify_encoded(RECIPE, SOURCE, 10.0, dataclasses.replace(RESULT, **missing))


def test_sound_out_of_nowhere_is_wrong() -> None:
    with pytest.raises(errors.TranscodeError):
        verify_encoded(RECIPE, dataclasses.replace(SOURCE, audio=None), 10.0, RESULT)


def test_a_short_result_is_seen() -> None:
    assert is_short(10.0, dataclasses.replace(RESULT, duration=4.2))
    assert not is_short(10.0, dataclasses.replace(RESULT, duration=9.2))
    assert not is_short(1000.0, dataclasses.replace(RESULT, duration=981.0))
