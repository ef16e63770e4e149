"""The index of a real file, or the headers of its packets, beside the packets that ffprobe lists."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from roomcast_workers.media_info.packet_scan import StreamScan
from roomcast_workers.sources.indexed_scan import scan_by_index

from tests.support import clips
from tests.support.jobs import job_on

pytestmark = pytest.mark.usefixtures("unlimited_programs")

STAYS = (
    "-bf",
    "3",
    "-vf",
    "settb=1/1000,setpts=PTS+9000*gte(N\\,13)",
    "-fps_mode",
    "passthrough",
    "-enc_time_base",
    "1/1000",
)

FRAGMENTS = ("-bf", "3", "-movflags", "+frag_keyframe+empty_moov")
CMAF = ("-bf", "2", "-movflags", "+cmaf+frag_keyframe")
HYBRID = ("-movflags", "+frag_keyframe")
VP8 = ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-c:a", "libopus")
LIVE = ("-c:v", "libx265", "-x265-params", "open-gop=1:log-level=none", "-c:a", "ac3", "-live", "1")


def short_film(*encoding: str) -> Callable[[Path], Path]:
    return lambda path: clips.make_film(path, *encoding, seconds=2, rate="10", size="64x64", sound=True)


MAKERS: dict[str, tuple[Callable[[Path], Path], bool]] = {
    "film": (lambda path: clips.make_clip(path, seconds=1, size="64x48"), True),
    "index at the end": (lambda path: clips.make_clip(path, seconds=1, size="64x48", faststart=False), True),
    "variable rate": (lambda path: clips.make_clip(path, seconds=1, size="64x48", audio=False, vfr=True), True),
    "late": (clips.make_late, True),
    "held": (lambda path: clips.make_held(path, held=2.0), True),
    "a frame that stays in the middle": (lambda path: clips.make_film(path, *STAYS, seconds=2, rate="10"), True),
    "amid a group of pictures": (clips.make_trimmed, False),
    "fragments": (short_film(*FRAGMENTS), True),
    "fragments, shown before they are decoded": (short_film(*CMAF), True),
    "frames in the index and in fragments": (short_film(*HYBRID), False),
    "film.mkv": (short_film("-bf", "3"), True),
    "live.mkv": (short_film(*LIVE), True),
    "frames that are not shown.webm": (short_film(*VP8), True),
    "cut off.mkv": (lambda path: clips.truncate(short_film()(path), 0.6), False),
    "joined fragments": (lambda path: clips.make_joined(path, 0.0, 0.0), False),
    "AC-3": (lambda path: clips.make_film(path, "-c:a", "ac3", seconds=2, sound=True), True),
    "several streams": (clips.make_many_streams, True),
    "cut off": (lambda path: clips.truncate(clips.make_clip(path, seconds=1, size="64x48"), 0.6), False),
}


def figures(scan: StreamScan, *, is_video: bool) -> dict[str, object]:
    fields = ("packets", "hidden", "untimed", "size", "starts_with_keyframe")
    times = ("start", "last", "end", "max_keyframe_gap") if is_video else ("start",)
    rounded = {name: round(getattr(scan, name), 4) for name in times}
    return {name: getattr(scan, name) for name in fields} | rounded | {"runs": len(scan.runs)}


@pytest.mark.parametrize("name", MAKERS)
async def test_index_shows_the_packets_or_nothing(name: str, tmp_path: Path) -> None:
    make, is_shown = MAKERS[name]
    job, _ = job_on(make(tmp_path / f"clip{Path(name).suffix or '.mp4'}"), tmp_path)
    info = await job.probe(job.path, job.source.format)
    indexed, listed = scan_by_index(job.path, job.source.format, info), await job.scan_packets()
    assert (indexed is not None) == is_shown
    if indexed is None:
        return
    assert info.video is not None
    for index in indexed.streams:
        is_video = index == info.video.index
        shown, found = (figures(scan.stream(index), is_video=is_video) for scan in (listed, indexed))
        assert found == shown
        # The last packet of sound may end amid what the edit list shows.
        assert abs(indexed.stream(index).end - listed.stream(index).end) < 0.04
    film, expected = indexed.stream(info.video.index), listed.stream(info.video.index)
    assert all(math.isclose(one, other, abs_tol=1e-6) for one, other in zip(film.times, expected.times, strict=True))
    for table in ("first_bytes", "end_bytes", "head_bytes", "leading"):
        assert getattr(film.intervals, table) == getattr(expected.intervals, table)
