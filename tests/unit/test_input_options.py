"""The options with which ffmpeg and ffprobe read untrusted files, and limits on media."""

from __future__ import annotations

from pathlib import Path

import pytest
from roomcast import errors
from roomcast_workers.ffmpeg.input_options import InputFile, input_options, read_seconds
from roomcast_workers.limits import MediaLimits, check_duration

SMALL = MediaLimits(max_pixels=1000, max_duration_seconds=0.4, max_frames=1, max_streams=1)


def test_input_is_read_at_most_a_second_over_the_limit() -> None:
    assert read_seconds(SMALL) == read_seconds(SMALL, 2.0) == 1.4
    assert read_seconds(SMALL, 0.3) == 0.3


@pytest.mark.parametrize("demuxer", ["mov", "matroska", "image2"])
def test_input_allows_one_demuxer_and_only_files(demuxer: str) -> None:
    options = input_options(InputFile(Path("any"), demuxer, SMALL))
    assert (options["f"], options["format_whitelist"], options["protocol_whitelist"]) == (demuxer, demuxer, "file")
    assert (options["max_pixels"], options["max_streams"]) == (1000, 1)


@pytest.mark.parametrize("seconds", [None, 0.0, 0.4])
def test_duration_within_the_limit_or_unknown_is_accepted(seconds: float | None) -> None:
    check_duration(seconds, SMALL)


def test_duration_over_the_limit_raises_too_large() -> None:
    with pytest.raises(errors.TooLarge):
        check_duration(0.41, SMALL)


@pytest.mark.parametrize("limit", ["max_pixels", "max_duration_seconds", "max_frames", "max_streams"])
def test_limit_of_zero_raises_value_error(limit: str) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        MediaLimits(**{limit: 0})
