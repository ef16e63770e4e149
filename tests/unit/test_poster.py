"""The time of the poster."""

from __future__ import annotations

import pytest
from roomcast_workers.media_info.probe import MediaInfo, VideoStream
from roomcast_workers.video.poster import poster_time


@pytest.mark.parametrize(("seconds", "moment"), [(None, 0.0), (1.0, 0.25), (600.0, 3.0)])
def test_poster_time_is_within_the_video(seconds: float | None, moment: float) -> None:
    video = VideoStream(0, "hevc", 3840, 2160, 0, 25.0, "yuv420p", 250, None)
    assert poster_time(MediaInfo(seconds, 1000, "mov", video, None)) == moment
