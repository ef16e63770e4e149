"""The HLS ladder: its sizes and playlists as laws, its segments from real clips."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.errors import TranscodeError
from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.ffmpeg.commands import Rendition
from roomcast_workers.video import hls
from roomcast_workers.video.hls import (
    AudioRendition,
    Bandwidth,
    MediaSegment,
    Variant,
    bandwidth_of,
    make_hls,
    master_playlist,
    parse_segments,
    renditions,
)

from tests.support.clips import make_clip
from tests.support.jobs import job_on

SIDES = st.lists(st.integers(144, 4320), min_size=1, max_size=6)
LENGTHS = st.integers(16, 8192)


def attributes(line: str) -> dict[str, str]:
    """Of a playlist's tag."""
    found = re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line.partition(":")[2])
    return {name: value.strip('"') for name, value in found}


def probed(path: Path, *wanted: str) -> dict[str, Any]:
    """What ffprobe says of a file or a whole ladder."""
    command = [find_binaries().ffprobe, "-v", "error", "-of", "json", *wanted, str(path)]
    said: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return said


def frames(path: Path, stream: str = "v:0") -> list[tuple[float, bool]]:
    """Each decoded frame's time and whether it is a keyframe."""
    said = probed(path, "-select_streams", stream, "-show_entries", "frame=pts_time,key_frame")
    return [(float(frame["pts_time"]), bool(frame["key_frame"])) for frame in said["frames"]]


@given(SIDES, LENGTHS, LENGTHS)
def test_the_sizes_are_even_fit_the_film_keep_its_shape_and_fall(sides: list[int], width: int, height: int) -> None:
    ladder = renditions(sides, width, height)
    assert 1 <= len(ladder) <= len(sides)
    for rung in ladder:
        assert rung.width % 2 == rung.height % 2 == 0
        assert rung.width <= width
        assert rung.height <= height
        assert min(rung.width, rung.height) <= max(sides)
        assert abs(rung.width / rung.height - width / height) <= (width / height) * (2 / rung.height + 2 / rung.width)
    for above, below in itertools.pairwise(ladder):
        assert (above.width, above.height, above.max_rate) > (below.width, below.height, below.max_rate)
    assert len({rung.name for rung in ladder}) == len(ladder)


def test_a_side_above_the_films_comes_to_the_films_own() -> None:
    assert [(rung.name, rung.width, rung.height) for rung in renditions([1080, 720, 480], 1920, 800)] == [
        ("800", 1920, 800),
        ("720", 1728, 720),
        ("480", 1152, 480),
    ]
    assert [(rung.name, rung.width, rung.height) for rung in renditions([1080, 720], 360, 640)] == [("360", 360, 640)]


ENTRIES = st.lists(st.tuples(st.floats(0.04, 30), st.integers(1, 10**8)), min_size=1, max_size=50)


@given(ENTRIES)
def test_the_average_is_what_is_sent_over_the_time_it_plays(entries: list[tuple[float, int]]) -> None:
    cut = [MediaSegment(f"{number}.m4s", seconds) for number, (seconds, _) in enumerate(entries)]
    rate = bandwidth_of(cut, [size for _, size in entries])
    total = sum(seconds for seconds, _ in entries)
    assert rate.average == pytest.approx(sum(size for _, size in entries) * 8 / total, abs=1)
    full = [size * 8 / seconds for seconds, size in entries if seconds >= commands.HLS_SEGMENT_SECONDS / 2]
    assert rate.peak >= max([rate.average, *map(round, full)])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0.001, 99), st.from_regex(r"hls-\d+-\d{5}\.m4s", fullmatch=True)), max_size=30))
def test_the_entries_of_a_playlist_are_read_as_they_were_written(entries: list[tuple[float, str]]) -> None:
    body = "".join(f"#EXTINF:{seconds:.6f},\n{name}\n" for seconds, name in entries)
    read = parse_segments(f'#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MAP:URI="hls-720-init.mp4"\n{body}#EXT-X-ENDLIST\n')
    assert read == [MediaSegment(name, float(f"{seconds:.6f}")) for seconds, name in entries]


def test_the_master_playlist_adds_the_sound_to_what_each_variant_takes() -> None:
    variants = [Variant(Rendition("720", 1280, 720, 1), "avc1.64001f", Bandwidth(2_000_000, 1_500_000))]
    silent, sounding = (
        master_playlist(variants, 23.976, sound)
        for sound in (None, AudioRendition(2, "mp4a.40.2", Bandwidth(130_000, 128_000)))
    )
    assert silent == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1500000,CODECS="avc1.64001f",RESOLUTION=1280x720,'
        "FRAME-RATE=23.976\nhls-720.m3u8\n"
    )
    stream = attributes(sounding.splitlines()[-2])
    assert (stream["BANDWIDTH"], stream["AVERAGE-BANDWIDTH"]) == ("2130000", "1628000")
    assert stream["CODECS"] == "avc1.64001f,mp4a.40.2"
    media = attributes(sounding.splitlines()[3])
    assert (media["TYPE"], media["GROUP-ID"], media["URI"]) == ("AUDIO", stream["AUDIO"], "hls-audio.m3u8")


@pytest.mark.parametrize("init", [b"", b"avcC", b"avcC\x01\x64", b"hvcC\x01\x64\x00\x1f"])
def test_an_initialization_segment_of_something_else_is_the_encoders_fault(init: bytes) -> None:
    with pytest.raises(TranscodeError):
        hls.codec_string(init)


@pytest.mark.parametrize(
    "wishes", [{}, {"vfr": True, "sound": False}, {"fps": 23.976, "channels": 1}], ids=["plain", "vfr", "film rate"]
)
async def test_a_ladder_is_whole_aligned_and_as_its_playlists_say(wishes: dict[str, Any], tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=9, size="320x240", **wishes)
    job, _ = job_on(clip, tmp_path, hls=[480, 160], preset="ultrafast")
    info = await job.probe(clip, "mov")
    heard: list[float | None] = []
    master, *rest = await make_hls(job, clip, info, "mov", lambda reading: heard.append(reading.seconds))
    assert (master.kind, master.mime, master.listed) == ("hls", "application/vnd.apple.mpegurl", True)
    assert not any(made.listed for made in rest)
    assert heard[-1] == pytest.approx(9, abs=0.5)

    names = {path.name for path in job.scratch.iterdir()}
    assert {made.path.name for made in [master, *rest]} == names
    assert all(re.fullmatch(r"hls[a-z0-9-]*\.(m3u8|m4s|mp4)", name) for name in names)
    assert_as_the_master_says(master.path, sound=wishes.get("sound", True))

    cuts = {name: parse_segments((job.scratch / f"hls-{name}.m3u8").read_text()) for name in ("240", "160")}
    assert [entry.seconds for entry in cuts["240"]] == [entry.seconds for entry in cuts["160"]]
    assert len(cuts["240"]) == 3
    times = {name: frames(job.scratch / f"hls-{name}.m3u8") for name in cuts}
    assert times["240"] == times["160"]
    assert [key for _, key in times["240"]].count(True) == 3, "a keyframe begins each segment, and there is no other"
    before = frames(clip)
    offset = times["240"][0][0] - before[0][0]
    assert [time - offset for time, _ in times["240"]] == pytest.approx([time for time, _ in before], abs=0.001)


def assert_as_the_master_says(master: Path, *, sound: bool) -> None:
    """ffmpeg's own player finds in the ladder what its master playlist promises."""
    lines = master.read_text().splitlines()
    found = probed(master, "-show_programs", "-show_streams")
    variants = [
        (attributes(line), uri) for line, uri in itertools.pairwise(lines) if line.startswith("#EXT-X-STREAM-INF")
    ]
    assert len(variants) == len(found["programs"]) == 2
    for (said, uri), program in zip(variants, found["programs"], strict=True):
        streams = {stream["codec_type"]: stream for stream in program["streams"]}
        film = streams["video"]
        assert said["RESOLUTION"] == f"{film['width']}x{film['height']}"
        assert (said["CODECS"].count("avc1"), "mp4a.40.2" in said["CODECS"]) == (1, sound)
        profile, level = int(said["CODECS"][5:7], 16), int(said["CODECS"][9:11], 16)
        assert level == film["level"]
        assert profile == {"Constrained Baseline": 66, "Baseline": 66, "Main": 77, "High": 100}[film["profile"]]
        assert ("audio" in streams) == sound
        sizes = [
            (master.parent / entry.name).stat().st_size for entry in parse_segments((master.parent / uri).read_text())
        ]
        assert int(said["AVERAGE-BANDWIDTH"]) >= sum(sizes) * 8 / 9.5
        assert int(said["BANDWIDTH"]) >= int(said["AVERAGE-BANDWIDTH"])


def with_a_gap(clip: Path) -> Path:
    """The clip without what is between its third second and its eleventh: there a frame stands still."""
    target = clip.with_name("gapped.mp4")
    select = "select=lt(t\\,3)+gt(t\\,11)"
    encoding = ["-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast"]
    command = [find_binaries().ffmpeg, "-v", "error", "-i", str(clip), "-vf", select, *encoding, str(target)]
    subprocess.run(command, check=True)
    return target


async def test_a_film_that_stands_still_for_longer_than_a_segment_is_whole(tmp_path: Path) -> None:
    gapped = with_a_gap(make_clip(tmp_path / "clip.mp4", seconds=12, size="192x144", sound=False))
    job, _ = job_on(gapped, tmp_path, hls=[144], preset="ultrafast")
    made = await make_hls(job, gapped, await job.probe(gapped, "mov"), "mov", lambda _: None)
    assert len(frames(made[0].path)) == len(frames(gapped))
