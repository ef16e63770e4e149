"""The command lines for the segments of films."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.segment_commands import Section, SegmentOutput, compress_sound, encode_segment
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream

SETTINGS = EncodeSettings(CODECS["h264"], "veryfast", ConstantQuality(23), 1280, 720)


@pytest.mark.parametrize(("pixels_of_source", "is_one"), [((1281, 721), True), ((1920, 1080), False)])
def test_segment_of_a_film_that_is_hardly_scaled_is_decoded_by_one_thread(
    pixels_of_source: tuple[int, int], is_one: bool
) -> None:
    width, height = pixels_of_source
    video = VideoStream(1, "h264", width, height, 0, 25.0, "yuv420p", 250, 10.0)
    source = InputFile(Path("/in/film.mov"), "mov")
    outputs = [
        SegmentOutput(Path("/work/720.mp4"), SETTINGS),
        SegmentOutput(Path("/work/360.mp4"), replace(SETTINGS, width=640, height=360)),
    ]
    arguments = encode_segment(source, video, Section(8.0, 200, 8.0), outputs)
    of_input, of_outputs = arguments[: arguments.index("-i")], arguments[arguments.index("-i") :]
    assert ("-threads" in of_input) == is_one
    assert not is_one or of_input[of_input.index("-threads") + 1] == "1"
    assert "-threads" not in of_outputs, "the encoders have as many as they want"


def test_sound_of_a_film_is_written_as_soon_as_a_fragment_is_complete() -> None:
    source, sound = InputFile(Path("/in/film.mov"), "mov"), AudioStream(1, "aac", 2, 48_000, 60.0)
    info = MediaInfo(60.0, 1_000_000, "mov", VideoStream(0, "h264", 1280, 720, 0, 25.0, "yuv420p", 1500, 60.0), sound)
    arguments = compress_sound(source, Path("/work/sound.mp4"), info, SETTINGS)
    assert arguments[arguments.index("-flush_packets") + 1] == "1", "quiet sound fills ffmpeg's buffer in minutes only"
