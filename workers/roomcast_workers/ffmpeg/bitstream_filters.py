"""Bitstream filters, which change packets without decoding them: their times and durations. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from roomcast_workers.ffmpeg.filters import colour_codes, output_colours
from roomcast_workers.media_info.probe import VideoStream
from roomcast_workers.media_info.timeline import Shift

_HALF_A_MILLISECOND = 0.0005
_MAX_REORDER_SECONDS = 5


def last_frame_time(last_frame: tuple[float, float]) -> str:
    """Return the time for a keyframe that makes the last frame also the one that is decoded last.

    MP4 takes the end of a track from the packet that is decoded last.
    """
    return f"{last_frame[0] - _HALF_A_MILLISECOND:.4f}"


def last_duration(last_frame: tuple[float, float]) -> str:
    """Return the bitstream filter that gives the last frame its duration, which MP4 sources may have given another."""
    is_last = f"gte(PTS*TB,{last_frame_time(last_frame)})"
    return f"setts=pts=PTS:dts=DTS:duration='if({is_last},round({last_frame[1]:.6f}/TB),DURATION)'"


def copied_pictures(video: VideoStream) -> list[str]:
    """Return the bitstream filters of a video that is copied: they drop the user data of an H.264 stream, and add
    colour tags if it has none."""
    if video.codec != "h264":
        return []
    codes = colour_codes(output_colours(video))
    tags = [] if video.matrix else ["h264_metadata=" + ":".join(f"{name}={code}" for name, code in codes.items())]
    return ["filter_units=remove_types=6", *tags]  # NAL unit type 6 is SEI, which may carry user data


def select_packets(seconds: float | None) -> str:
    """Return the bitstream filter that leaves the packets that are shown in the first `seconds`, or from zero on."""
    dropped = f"lt(pts*tb,{-_HALF_A_MILLISECOND})"
    return f"noise=drop='{dropped}" + ("'" if seconds is None else f"+gte(pts*tb,{seconds:.6f})'")


def shift_packets(shifts: Sequence[Shift], *, stores_dts: bool) -> str:
    """Return the bitstream filters that move packets by `shifts` and drop those that would overlap.

    For a muxer that stores no decoding times they are made: rising, and before the times of presentation.
    """
    # Differences to the shift before: a sum is not nested, and the depth of nesting is limited.
    steps = [f"{shifts[0].seconds:.6f}"]
    for before, shift in itertools.pairwise(shifts):
        steps.append(f"gte(N,{shift.first})*({shift.seconds - before.seconds:.6f})")
    moved = f"+round(({'+'.join(steps)})/TB)"
    dts = f"if(eq(DTS,NOPTS),NOPTS,DTS{moved})"
    if not stores_dts:
        dts = f"max(PREV_OUTDTS+1,if(eq(PTS,NOPTS),NOPTS,PTS{moved}-round({_MAX_REORDER_SECONDS}/TB)))"
    filters = [f"setts=pts='if(eq(PTS,NOPTS),NOPTS,PTS{moved})':dts='{dts}'"]
    overlaps = [
        f"between(n,{shift.first},{after.first - 1})*gte(pts*tb,{shift.until - _HALF_A_MILLISECOND:.6f})"
        for shift, after in itertools.pairwise(shifts)
        if math.isfinite(shift.until)
    ]
    if overlaps:
        filters.append(f"noise=drop='{'+'.join(overlaps)}'")
    return ",".join(filters)
