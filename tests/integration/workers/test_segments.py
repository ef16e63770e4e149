"""Films in segments: every frame at its time, in every rendition and in the joined file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from roomcast.errors import EncodingFailed, UnreadableMedia
from roomcast.segments.plan import AudioTrack, InitFile, TaskResult
from roomcast.uploads.messages import Partial
from roomcast_workers import job
from roomcast_workers.ffmpeg import runner
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.ffmpeg.segment_commands import FILL_GAPS
from roomcast_workers.job import Job
from roomcast_workers.sandbox.sandbox import ResourceLimits
from roomcast_workers.segments.join import join_film
from roomcast_workers.segments.sound import EncodedSound, encode_sound
from roomcast_workers.segments.task_encoder import encode_task
from roomcast_workers.video.crf_search import rounded_score
from roomcast_workers.video.encoder import encode_video, settings_for
from roomcast_workers.video.progress_meter import ProgressMeter

from tests.support.clips import make_film
from tests.support.jobs import quality_target
from tests.support.segment_runs import PlannedFilm, encode_all, planned_film, shown_times

pytestmark = pytest.mark.usefixtures("unlimited_programs")


def packet_times(path: Path, stream: str = "v:0") -> list[float]:
    """Return when the frames or samples of a file are presented, in order."""
    entries = ["-select_streams", stream, "-show_entries", "packet=pts_time"]
    command = [find_binaries().ffprobe, "-v", "error", "-of", "json", *entries, str(path)]
    listed: Any = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return sorted(float(packet["pts_time"]) for packet in listed["packets"])


@pytest.fixture
async def film(tmp_path: Path) -> PlannedFilm:
    options = ("-preset", "ultrafast", "-bf", "3", "-metadata", "title=secret")
    clip = make_film(tmp_path / "film.mp4", *options, rate="6000/1001", size="200x150", sound=True)
    return await planned_film(clip, tmp_path, hls=[144])


async def test_film_in_segments_has_every_frame_of_its_source_at_its_time(
    film: PlannedFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    priorities: dict[str, int] = {}

    async def run(binaries: Binaries, arguments: list[str], *, limits: ResourceLimits, **options: Any) -> None:
        priorities.update({Path(one).name: limits.nice for one in arguments if one.startswith("file:")})
        await runner.run_ffmpeg(binaries, arguments, limits=limits, **options)

    monkeypatch.setattr(job, "run_ffmpeg", run)
    assert [(one.name, one.listed) for one in film.plan.renditions] == [("150", False), ("144", True)]
    assert len(film.plan.segments) == 3
    fractions: list[float] = []
    board, paths = await encode_all(film, fractions.append)
    assert fractions.count(1.0) >= len(film.plan.tasks)
    for rendition in ("150", "144"):
        assert shown_times(board, paths, rendition) == pytest.approx(film.source_times, abs=2e-5)
    reported: list[int] = []

    async def on_segments(sound: EncodedSound) -> None:
        reported.append(len(sound.segments))

    sound = await encode_sound(film.job, film.media, film.plan, on_segments)
    assert sound.file is not None
    assert priorities["sound.mp4"] > priorities["segment-150.mp4"], "the first segment takes longer than its sound"
    assert reported[-1] == len(sound.segments) == 3
    assert all(segment.seconds < 8.5 for segment in sound.segments)
    assert sum(segment.seconds for segment in sound.segments) == pytest.approx(24, abs=0.05)
    whole = tmp_path / "sound.mp4"
    whole.write_bytes(b"".join(path.read_bytes() for path in (sound.init_path, *(one.path for one in sound.segments))))

    track = AudioTrack(InitFile("audio", "init", "", sound.codec), sound.channels, (), complete=True, file="sound")
    board = replace(board, audio=track)
    assert board.is_complete
    joined = await join_film(film.job, film.media, board, {**paths, "sound": sound.file})
    assert packet_times(joined.path, "a:0") == packet_times(whole, "a:0")
    assert packet_times(joined.path) == pytest.approx(film.source_times, abs=2e-5)
    assert joined.info.duration == pytest.approx(film.media.seconds, abs=0.001)
    assert joined.extra == {}
    content = joined.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert b"secret" not in content
    settings = await settings_for(film.job, film.media)
    in_one_run = await encode_video(film.job, film.media, settings, ProgressMeter(24, lambda _: None))
    assert packet_times(joined.path, "a:0") == packet_times(in_one_run.path, "a:0")


async def test_gaps_in_the_sound_are_silence_and_no_longer_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap = ("-af", "aselect='not(between(t,5,17)+between(t,20,20.06))'")
    film = await planned_film(make_film(tmp_path / "film.mkv", *gap, sound=True), tmp_path)

    async def on_segments(_: EncodedSound) -> None:
        return None

    sound = await encode_sound(film.job, film.media, film.plan, on_segments)
    assert all(segment.seconds < 8.5 for segment in sound.segments)
    delay = 1024 / 44_100  # of the encoder
    assert sum(segment.seconds for segment in sound.segments) == pytest.approx(24 + delay, abs=0.01)
    run = Job.run_ffmpeg

    async def leave_gaps(job: Job, arguments: list[str], *more: Any, **options: Any) -> None:
        assert FILL_GAPS in arguments
        left = ["anull" if argument == FILL_GAPS else argument for argument in arguments]
        await run(job, left, *more, **options)

    monkeypatch.setattr(Job, "run_ffmpeg", leave_gaps)
    with pytest.raises(EncodingFailed, match="gap"):
        await encode_sound(film.job, film.media, film.plan, on_segments)


async def test_encoder_that_makes_no_segment_fails_for_that(
    film: PlannedFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making: Callable[[Path], object]

    async def run(job: Job, _command: object, on_progress: Callable[[ProgressBlock], None], **_: object) -> None:
        target = job.scratch / "segment-150.mp4"
        if not target.is_symlink() and not target.exists():
            making(target)
        on_progress(ProgressBlock(None, 40, None, None, None, ended=True))

    monkeypatch.setattr(Job, "run_ffmpeg", run)
    for number, making in enumerate((  # noqa: B007 - `run` calls it
        lambda _: None,
        Path.touch,
        lambda path: path.write_text("This is no film."),
        lambda path: path.symlink_to(film.job.path),
        os.mkfifo,
    )):  # fmt: skip
        scratch = tmp_path / str(number)
        scratch.mkdir()
        job = replace(film.job, scratch=scratch)
        with pytest.raises(EncodingFailed, match=r"no segment|cannot be read"):
            await encode_task(job, film.plan, film.plan.tasks[-1], lambda _: None)


HEVC = ("-c:v", "libx265", "-x265-params", "open-gop=1:keyint=10:min-keyint=10:scenecut=0:bframes=4:log-level=error")
NOISY_END = "noise=alls=60:allf=t:enable=gte(t\\,16)"
UNEVEN = ("-vf", f"select='mod(n,5)+mod(n,3)',{NOISY_END}", "-fps_mode", "vfr", "-crf", "10")


@pytest.mark.parametrize(
    ("name", "encoding", "template"),
    [
        ("film.mkv", (*HEVC, *UNEVEN), {"codec": "vp9", "target_quality": 80}),
        (
            "film.mp4",
            ("-bf", "2", "-crf", "10", "-vf", NOISY_END, "-output_ts_offset", "5"),
            {"codec": "av1", "target_quality": 80},
        ),
        ("film.mov", ("-c:v", "mjpeg", "-vf", "settb=1/1000,setpts=PTS*(1+0.7*gte(N\\,119))"), {}),
    ],
    ids=["open groups of pictures and an uneven rate, to VP9", "late, to AV1", "last frame that stays, to H.264"],
)
async def test_any_source_and_codec_has_every_frame_at_its_time(
    name: str, encoding: tuple[str, ...], template: dict[str, Any], tmp_path: Path
) -> None:
    film = await planned_film(make_film(tmp_path / name, *encoding), tmp_path, **template)
    board, paths = await encode_all(film)
    (rendition,) = film.plan.renditions
    assert shown_times(board, paths, rendition.name) == pytest.approx(film.source_times, abs=2e-5)
    # Segments with different qualities have the same header, too.
    assert (len({file.crf for file in board.files(rendition.name)}) > 1) == ("target_quality" in template)
    joined = await join_film(film.job, film.media, board, paths)
    assert joined.codec == template.get("codec", "h264")
    # WebM has milliseconds.
    assert packet_times(joined.path) == pytest.approx(film.source_times, abs=6e-4 if name == "film.mkv" else 5e-5)
    assert joined.info.duration == pytest.approx(film.media.seconds, abs=0.01)


def overwrite_frames(path: Path, start: float, end: float) -> None:
    """Overwrite the frames of a film that are shown in this time with zeros."""
    entries = ["-select_streams", "v:0", "-show_entries", "packet=pts_time,pos,size"]
    command = [find_binaries().ffprobe, "-v", "error", "-of", "json", *entries, str(path)]
    listed: Any = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    content = bytearray(path.read_bytes())
    for packet in listed["packets"]:
        if start <= float(packet["pts_time"]) < end:
            first, size = int(packet["pos"]), int(packet["size"])
            content[first : first + size] = bytes(size)
    path.write_bytes(content)


async def test_film_with_a_damaged_middle_is_complete_except_for_the_seconds_that_it_names(tmp_path: Path) -> None:
    clip = make_film(tmp_path / "film.mp4", "-bf", "0", seconds=32)
    overwrite_frames(clip, 8, 16)
    overwrite_frames(clip, 18, 20)
    film = await planned_film(clip, tmp_path)
    assert [segment.start for segment in film.plan.segments] == [0, 8, 16, 24]
    board, paths = await encode_all(film)
    assert [file.frames for file in board.files("64")] == [40, 30, 40]
    assert board.results[1].files == ()
    times = [time for time in film.source_times if not (8 <= time < 16 or 18 <= time < 20)]
    assert shown_times(board, paths, "64") == pytest.approx(times, abs=2e-5)
    joined = await join_film(film.job, film.media, board, paths)
    assert packet_times(joined.path) == pytest.approx(times, abs=2e-5)
    assert joined.extra["partial"] == {"seconds": 22.0, "declaredSeconds": 32.0, "missing": [[8, 16], [18, 20]]}
    assert joined.extra["partial"].keys() == Partial.__annotations__.keys()

    emptied = replace(board, results={number: TaskResult((), (), ((0, 32),)) for number in board.results})
    with pytest.raises(UnreadableMedia):
        await join_film(film.job, film.media, emptied, paths)
    other = replace(board.results[0], inits=(replace(board.results[0].inits[0], sha256="another"),))
    with pytest.raises(EncodingFailed):
        await join_film(film.job, film.media, replace(board, results={**board.results, 0: other}), paths)


async def test_plan_that_does_not_fit_the_file_is_noticed(tmp_path: Path) -> None:
    film = await planned_film(make_film(tmp_path / "film.mp4"), tmp_path)
    first, second, *rest = film.plan.segments
    wrong = replace(film.plan, segments=(first, replace(second, frames=second.frames + 1), *rest))
    with pytest.raises(EncodingFailed):
        await encode_task(film.job, wrong, wrong.tasks[1], lambda _: None)


async def test_every_segment_reaches_the_target_quality_with_a_crf_of_its_own(tmp_path: Path) -> None:
    clip = make_film(tmp_path / "film.mp4", "-preset", "ultrafast", "-crf", "10", "-vf", NOISY_END, size="200x150")
    film = await planned_film(clip, tmp_path, hls=[144], target_quality=86)
    fractions: list[float] = []
    board, paths = await encode_all(film, fractions.append)
    assert shown_times(board, paths, "150") == pytest.approx(film.source_times, abs=2e-5)
    assert len(fractions) > fractions.count(1.0) > 0
    metric, target = await quality_target(86)
    scored = {file.segment: (file.score or 0.0, file.crf or 0) for file in board.files("150")}
    assert all(score >= target for score, _ in scored.values())
    assert len({crf for _, crf in scored.values()}) > 1
    assert all((file.crf, file.score) == (23, None) for file in board.files("144"))
    joined = await join_film(film.job, film.media, board, paths)
    assert packet_times(joined.path) == pytest.approx(film.source_times, abs=2e-5)
    number = min(scored, key=lambda segment: scored[segment][0])
    score, crf = rounded_score(metric, scored[number][0]), scored[number][1]
    segment = film.plan.segments[number]
    assert joined.extra["quality"] == {
        "metric": metric,
        "crf": crf,
        "target": target,
        "score": score,
        "reached": True,
        "worst": {"start": round(segment.start, 3), "seconds": round(segment.seconds, 3), "score": score, "crf": crf},
    }
