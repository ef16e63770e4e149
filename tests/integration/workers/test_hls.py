"""HLS renditions that ffmpeg made: complete, aligned, and as their master playlist describes them."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.video.hls import (
    make_hls,
    parse_segments,
)

from tests.support.clips import make_clip
from tests.support.jobs import job_on
from tests.support.media import attributes

pytestmark = pytest.mark.usefixtures("unlimited_programs")


def probed(path: Path, *wanted: str) -> dict[str, Any]:
    """What ffprobe says of a file or a whole ladder."""
    command = [find_binaries().ffprobe, "-v", "error", "-of", "json", *wanted, str(path)]
    output: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return output


def frames(path: Path) -> list[tuple[float, bool]]:
    """Each decoded frame's time and whether it is a keyframe."""
    output = probed(path, "-select_streams", "v:0", "-show_entries", "frame=pts_time,key_frame")
    return [(float(frame["pts_time"]), bool(frame["key_frame"])) for frame in output["frames"]]


@pytest.mark.parametrize(
    "options", [{}, {"vfr": True, "audio": False}, {"fps": 23.976, "channels": 1}], ids=["plain", "vfr", "film rate"]
)
async def test_renditions_are_complete_aligned_and_as_their_playlists_describe(
    options: dict[str, Any], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=9, size="216x162", **options)
    job, _ = job_on(clip, tmp_path, hls=[480, 144], preset="ultrafast")
    info = await job.probe(clip, "mov")
    received: list[float | None] = []
    master, *rest = await make_hls(job, clip, info, "mov", lambda block: received.append(block.seconds))
    assert (master.kind, master.mime, master.listed) == ("hls", "application/vnd.apple.mpegurl", True)
    assert not any(made.listed for made in rest)
    assert received[-1] == pytest.approx(9, abs=0.5)

    names = {path.name for path in job.scratch.iterdir()}
    assert {made.path.name for made in [master, *rest]} == names
    assert all(re.fullmatch(r"hls[a-z0-9-]*\.(m3u8|m4s|mp4)", name) for name in names)
    assert_master_describes_the_renditions(master.path, audio=options.get("audio", True))

    cuts = {name: parse_segments((job.scratch / f"hls-{name}.m3u8").read_text()) for name in ("162", "144")}
    assert [entry.seconds for entry in cuts["162"]] == [entry.seconds for entry in cuts["144"]]
    assert len(cuts["162"]) == 3
    times = {name: frames(job.scratch / f"hls-{name}.m3u8") for name in cuts}
    assert times["162"] == times["144"]
    assert [key for _, key in times["162"]].count(True) == 3, "a keyframe begins each segment, and there is no other"
    before = frames(clip)
    offset = times["162"][0][0] - before[0][0]
    assert [time - offset for time, _ in times["162"]] == pytest.approx([time for time, _ in before], abs=0.001)


def assert_master_describes_the_renditions(master: Path, *, audio: bool) -> None:
    """ffmpeg's own player finds in the ladder what its master playlist promises."""
    lines = master.read_text().splitlines()
    found = probed(master, "-show_programs", "-show_streams")
    renditions = [attributes(line) for line in lines if line.startswith("#EXT-X-MEDIA")]
    assert [(each["GROUP-ID"], each["NAME"], each["AUTOSELECT"]) for each in renditions] == [
        ("audio", "Audio", "YES")
    ] * audio
    variants = [
        (attributes(line), uri) for line, uri in itertools.pairwise(lines) if line.startswith("#EXT-X-STREAM-INF")
    ]
    assert len(variants) == len(found["programs"]) == 2
    for (variant, uri), program in zip(variants, found["programs"], strict=True):
        streams = {stream["codec_type"]: stream for stream in program["streams"]}
        video = streams["video"]
        assert ("FRAME-RATE" in variant, variant.get("AUDIO")) == (True, "audio" if audio else None)
        assert variant["RESOLUTION"] == f"{video['width']}x{video['height']}"
        assert (variant["CODECS"].count("avc1"), "mp4a.40.2" in variant["CODECS"]) == (1, audio)
        profile, level = int(variant["CODECS"][5:7], 16), int(variant["CODECS"][9:11], 16)
        assert level == video["level"]
        assert profile == {"Constrained Baseline": 66, "Baseline": 66, "Main": 77, "High": 100}[video["profile"]]
        assert ("audio" in streams) == audio
        sizes = [
            (master.parent / entry.name).stat().st_size for entry in parse_segments((master.parent / uri).read_text())
        ]
        assert int(variant["AVERAGE-BANDWIDTH"]) >= sum(sizes) * 8 / 9.5
        assert int(variant["BANDWIDTH"]) >= int(variant["AVERAGE-BANDWIDTH"])


def with_a_gap(clip: Path) -> Path:
    """Return the clip without its seconds 3 to 11, where one frame is shown all the time."""
    target = clip.with_name("gapped.mp4")
    select = "select=lt(t\\,3)+gt(t\\,11)"
    encoding = ["-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast"]
    command = [find_binaries().ffmpeg, "-v", "error", "-i", str(clip), "-vf", select, *encoding, str(target)]
    subprocess.run(command, check=True)
    return target


async def test_video_with_a_gap_longer_than_a_segment_is_complete(tmp_path: Path) -> None:
    gapped = with_a_gap(make_clip(tmp_path / "clip.mp4", seconds=12, size="96x64", audio=False))
    job, _ = job_on(gapped, tmp_path, hls=[144], preset="ultrafast")
    made = await make_hls(job, gapped, await job.probe(gapped, "mov"), "mov", lambda _: None)
    assert len(frames(made[0].path)) == len(frames(gapped))
