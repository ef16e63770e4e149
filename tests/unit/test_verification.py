"""The verification of encoded and copied videos."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from roomcast import errors
from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream
from roomcast_workers.video.verification import is_short, verify_copied, verify_encoded

VIDEO = VideoStream(0, "hevc", 3840, 2160, 0, 25.0, "yuv420p10le", 250, 10.0)
AUDIO = AudioStream(1, "ac3", 6, 96_000, 10.0)
SOURCE = MediaInfo(10.0, 1000, "mov", VIDEO, AUDIO)
RECIPE = EncodeSettings(CODECS["h264"], "veryfast", ConstantQuality(30), 1920, 1080)
MADE = dataclasses.replace(VIDEO, codec="h264", width=1920, height=1080, pix_fmt="yuv420p")
RESULT = MediaInfo(10.02, 500, "mov", MADE, dataclasses.replace(AUDIO, codec="aac"))


def test_expected_result_is_accepted() -> None:
    verify_encoded(RECIPE, SOURCE, 10.0, RESULT)
    verify_encoded(RECIPE, SOURCE, 1000.0, dataclasses.replace(RESULT, duration=1019.0))
    silent = dataclasses.replace(SOURCE, audio=None)
    verify_encoded(RECIPE, silent, 10.0, dataclasses.replace(RESULT, audio=None))
    verify_copied(dataclasses.replace(SOURCE, video=MADE), 10.0, RESULT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"video": VIDEO},
        {"video": dataclasses.replace(MADE, width=1918)},
        {"video": dataclasses.replace(MADE, pix_fmt="yuv444p")},
        {"video": dataclasses.replace(MADE, as_is=False)},
        {"audio": AUDIO},
        {"duration": 12.0},
    ],
)
def test_wrong_result_raises_transcode_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.TranscodeError):
        verify_encoded(RECIPE, SOURCE, 10.0, dataclasses.replace(RESULT, **wrong))


@pytest.mark.parametrize("missing", [{"video": None}, {"audio": None}, {"duration": None}])
def test_result_without_stream_or_duration_raises_unreadable_media(missing: dict[str, Any]) -> None:
    with pytest.raises(errors.UnreadableMedia):
        verify_encoded(RECIPE, SOURCE, 10.0, dataclasses.replace(RESULT, **missing))


def test_unexpected_audio_raises_transcode_error() -> None:
    with pytest.raises(errors.TranscodeError):
        verify_encoded(RECIPE, dataclasses.replace(SOURCE, audio=None), 10.0, RESULT)


def test_shorter_result_is_short() -> None:
    assert is_short(10.0, dataclasses.replace(RESULT, duration=4.2))
    assert not is_short(10.0, dataclasses.replace(RESULT, duration=9.2))
    assert not is_short(1000.0, dataclasses.replace(RESULT, duration=981.0))
