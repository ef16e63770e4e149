"""Films whose keyframe at a cut is damaged: in segments and in one run, the same pictures and the same named times."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from roomcast.segments.plan import SegmentPlan
from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.segments.join import join_film
from roomcast_workers.segments.task_encoder import encode_task
from roomcast_workers.video.encoder import find_undecodable
from roomcast_workers.video.pipeline import compress_video, make_renditions, within_template
from roomcast_workers.video.progress_meter import ProgressMeter

from tests.support.clips import make_film
from tests.support.decoded import packets
from tests.support.segment_runs import PlannedFilm, encode_all, planned_film, read_and_plan

pytestmark = pytest.mark.usefixtures("unlimited_programs")

CUT = 8.0
NOTICED = {
    ("h264", "zeros"): ("-c:v", "libx264", "-bf", "0"),
    ("h264", "bits"): ("-c:v", "libx264", "-bf", "0"),
    ("hevc", "zeros"): ("-c:v", "libx265", "-x265-params", "log-level=error:bframes=0"),
    ("av1", "zeros"): ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lp=1"),
    ("mpeg4", "bits"): ("-c:v", "mpeg4"),
    ("vp9", "zeros"): ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
}
"""What each decoder notices. Some wrong bits in HEVC, AV1 and VP9 are wrong pictures, of which no decoder knows."""


def damage_keyframe(path: Path, damage: str, at: float = CUT) -> None:
    """Damage the frame of a film that is shown at this time: `zeros` instead of it, wrong `bits`, or `removed` bytes in
    its middle, which moves everything behind them."""
    entries = ["-select_streams", "v:0", "-show_entries", "packet=pts_time,pos,size"]
    command = [find_binaries().ffprobe, "-v", "error", "-of", "json", *entries, str(path)]
    listed: Any = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    (packet,) = (one for one in listed["packets"] if float(one["pts_time"]) == at)
    first, size = int(packet["pos"]), int(packet["size"])
    content = bytearray(path.read_bytes())
    match damage:
        case "zeros":
            content[first : first + size] = bytes(size)
        case "bits":
            chosen = random.Random(5)
            for _ in range(20):
                content[chosen.randrange(first + 40, first + size)] ^= 1 << chosen.randrange(8)
        case "removed":
            del content[first + size // 3 : first + 2 * size // 3]
    path.write_bytes(content)


def first_pixel(path: Path) -> bytes:
    """Return the average colour of the first frame of a film: red, green and blue."""
    command = [find_binaries().ffmpeg, "-v", "error", "-i", str(path), "-frames:v", "1", "-vf", "scale=1:1"]
    raw = [*command, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    return subprocess.run(raw, capture_output=True, check=True, timeout=60).stdout


async def named_in_segments(film: PlannedFilm) -> tuple[tuple[float, float], ...]:
    """Encode the segment that begins with the damaged keyframe, and return what it names."""
    (number,) = (number for number, one in enumerate(film.plan.segments) if one.start == CUT)
    task = next(task for task in film.plan.tasks if task.segment == number)
    made = await encode_task(film.job, film.plan, task, lambda _: None)
    for file in made.files:
        file.path.unlink()
        file.init_path.unlink()
    return made.missing


@pytest.mark.parametrize(("codec", "damage"), NOTICED)
async def test_damaged_keyframe_at_a_cut_names_its_seconds_in_segments_and_in_one_run(
    codec: str, damage: str, tmp_path: Path
) -> None:
    clip = make_film(tmp_path / "film.mp4", *NOTICED[codec, damage])
    damage_keyframe(clip, damage)
    film = await planned_film(clip, tmp_path)
    ((begin, end),) = await named_in_segments(film)
    assert (begin, end) == (CUT, CUT + 2)
    assert [list(pair) for pair in await find_undecodable(film.job, film.media)] == [
        [pytest.approx(begin, abs=0.001), pytest.approx(end, abs=0.001)]
    ]


async def test_damaged_keyframe_shows_the_picture_before_it(tmp_path: Path) -> None:
    """Without it, an H.264 decoder shows grey."""
    clip = make_film(tmp_path / "film.mp4", "-bf", "0", "-vf", "drawbox=t=fill:color=red")
    damage_keyframe(clip, "zeros")
    film = await planned_film(clip, tmp_path)
    task = next(task for task in film.plan.tasks if film.plan.segments[task.segment].start == CUT)
    made = await encode_task(film.job, film.plan, task, lambda _: None)
    (file,) = made.files
    whole = tmp_path / "segment.mp4"
    whole.write_bytes(file.init_path.read_bytes() + file.path.read_bytes())
    red, green, blue = first_pixel(whole)
    assert (red > 150, green < 80, blue < 80) == (True, True, True)
    assert made.missing == ((CUT, CUT + 2),)
    assert 0 < file.frames < 40


async def test_short_film_in_one_run_names_what_could_not_be_decoded(tmp_path: Path) -> None:
    clip = make_film(tmp_path / "short.mp4", "-bf", "0", "-crf", "5", seconds=6, sound=True)
    damage_keyframe(clip, "zeros", at=2.0)
    job, media, plan = await read_and_plan(clip, tmp_path)
    assert not isinstance(plan, SegmentPlan)
    job.state.verified = media
    await compress_video(job)
    partial = job.state.results.extra["partial"]
    assert partial == {"seconds": 4.0, "declaredSeconds": pytest.approx(6, abs=0.05), "missing": [[2.0, 4.0]]}


async def test_copy_in_place_of_a_larger_film_in_segments_names_what_these_could_not_decode(tmp_path: Path) -> None:
    clip = make_film(tmp_path / "film.mp4", "-bf", "0", "-crf", "45")
    damage_keyframe(clip, "zeros")
    film = await planned_film(clip, tmp_path, crf=5)
    joined = await join_film(film.job, film.media, *await encode_all(film))
    partial = joined.extra["partial"]
    assert partial["missing"] == [[CUT, CUT + 2]]
    assert joined.settings is not None
    meter = ProgressMeter(film.media.seconds, lambda _: None)
    result = await within_template(film.job, film.media, joined.settings, joined, meter)
    assert result.extra == {"copied": True, "partial": partial}


@pytest.mark.parametrize(
    ("times", "frames"),
    [
        (("-bf", "0", "-bsf:v", "setts=pts='PTS+eq(N,10)*2/TB':dts=DTS"), 22),
        (("-video_track_timescale", "1"), 28),
        (("-bsf:v", "setts=pts='PTS-eq(N,10)*0.2/TB':dts=DTS"), 30),
    ],
    ids=["one two seconds ahead", "in whole seconds", "two equal ones"],
)
async def test_every_frame_of_a_film_with_wrong_times_is_in_the_result_or_named(
    times: tuple[str, ...], frames: int, tmp_path: Path
) -> None:
    """An encoder takes no frame that comes after one of a later time."""
    clip = make_film(tmp_path / "short.mp4", "-crf", "5", *times, seconds=6)
    job, media, _ = await read_and_plan(clip, tmp_path)
    job.state.verified = media
    await compress_video(job)
    ((result,), extra) = job.state.results.files, job.state.results.extra
    assert "copied" not in extra
    shown = [time for time, _ in packets(result.path, "v")]
    assert len(shown) == frames
    named = extra.get("partial", {}).get("missing", [])
    assert bool(named) == (frames < 30)
    for time in set(media.scan.stream(0).times):
        is_shown = any(abs(time - each) < 0.001 for each in shown)
        assert is_shown != any(begin <= time < end for begin, end in named), time


async def test_ladder_of_a_copy_names_the_frames_that_it_does_not_have(tmp_path: Path) -> None:
    ahead = ("-bf", "0", "-bsf:v", "setts=pts='PTS+eq(N,10)*2/TB':dts=DTS")
    clip = make_film(tmp_path / "short.mp4", *ahead, seconds=6, size="256x144")
    job, media, _ = await read_and_plan(clip, tmp_path, hls=[144])
    job.state.verified, job.state.copies = media, True
    await compress_video(job)
    ((result, *_), extra) = job.state.results.files, job.state.results.extra
    assert (extra["copied"], len(packets(result.path, "v")), "partial" in extra) == (True, 30, False)
    await make_renditions(job)
    assert job.state.results.extra["partial"]["missing"] == [[2.2, 4.0]]


async def test_bytes_that_are_missing_in_a_matroska_film_are_survived(tmp_path: Path) -> None:
    clip = make_film(tmp_path / "film.mkv", "-bf", "0")
    damage_keyframe(clip, "removed")
    film = await planned_film(clip, tmp_path)
    assert (await named_in_segments(film))[0][0] == CUT
