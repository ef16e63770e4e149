"""Films in segments: when one is playable, what a kill costs, how many workers share one, and how large it becomes.

What depends on the speed of ffmpeg is measured with the real one. The other figures are those of an encoder that takes
a given time for each segment, so that four workers fit on two cores.
"""

from __future__ import annotations

import math
import random
import re
import subprocess
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.ffmpeg.codecs import ConstantQuality
from roomcast_workers.ffmpeg.runner import read_capabilities
from roomcast_workers.segments.join import join_film
from roomcast_workers.video.encoder import encode_video, settings_for
from roomcast_workers.video.progress_meter import ProgressMeter

from tests.bench.media import Encoding, Scorer, bytes_at, is_result
from tests.bench.rows import Row
from tests.e2e.conftest import FakeFfmpeg
from tests.support import corpus, fake_ffmpeg
from tests.support.clips import make_film, make_heavy_clip
from tests.support.decoded import packets
from tests.support.harness import SHORT_LEASE, Api, RunningServer, eventually
from tests.support.log_lines import log_lines
from tests.support.segment_runs import encode_all, planned_film

_SEGMENT = re.compile(r"segment-\d+\.mp4")
_PACED = "slow:0.5"
_SLOWLY_PACED = "slow:2"
_SEED = 16
_LONGEST_LIFE = 4.0
_DEADLINE = 1800.0
_PRESET, _CRF_STEP = "fast", 3
_LONG_ENOUGH = 24.0
"""In seconds: about three segments."""


async def measure(folder: Path, *, jobs: int, kills: int, sizes: bool) -> list[Row]:
    """Measure `jobs` whole jobs, a long film during which the server is killed `kills` times, and with `sizes` the
    bytes of real films."""
    return [
        await _playable(folder / "playable", jobs),
        *await _killed(folder / "killed", kills),
        *await _shared(folder / "shared"),
        *(await _sizes(folder / "sizes") if sizes else []),
    ]


async def _playable(folder: Path, jobs: int) -> Row:
    """Measure the seconds from the last byte of a film to the first segment that a player can load."""
    clip = make_heavy_clip(folder / "film.mp4", seconds=60, size="1280x720", fps=30)
    samples = []
    with RunningServer(folder / "data") as server:
        async with Api(server) as api:
            for _ in range(jobs):
                upload_id = await api.accepted(clip)
                sent = time.monotonic()
                message = await api.until(upload_id, lambda found: bool(found.get("playable")), 120)
                master = (await api.request("GET", message["playable"]["url"])).content.decode()
                assert "hls-" in master
                samples.append(time.monotonic() - sent)
                await api.cancel(upload_id)
                await api.finished(upload_id)
    return Row(
        "films_playable", "film of 1 min in 720p: playable after its last byte", "s", "≤ 3 + one segment", samples
    )


async def _killed(folder: Path, kills: int) -> list[Row]:
    """Kill the server at random times of one long film, and count what was begun more than once."""
    chance = random.Random(_SEED)
    fps, seconds = 5, max(160, kills * 24)
    film = make_film(folder / "film.mp4", "-pix_fmt", "yuv444p", seconds=seconds, size="64x48")
    fake = FakeFfmpeg(folder / "fake")
    fake.behave(_PACED)
    done = 0
    with RunningServer(folder / "data", **fake.env, **SHORT_LEASE) as server:
        async with Api(server) as api:
            upload_id = await api.accepted(film)
            for _ in range(kills):
                await _live(chance.uniform(0.2, _LONGEST_LIFE))
                ended = (await api.get(upload_id)).body["status"] in {"completed", "error"}
                if ended:
                    break
                server.kill()
                done += 1
                server.restart()
            message = await api.finished(upload_id, _DEADLINE)
        assert message["status"] == "completed", message
        (planned, *_), made = _logged(server, "film_planned"), Counter[int]()
        made.update(line["task"] for line in _logged(server, "task_ended") if line["outcome"] == "completed")
        frames = len(packets(server.data / "media" / message["element"]["outputs"][0]["key"], "v"))
    begun = sum(any(_SEGMENT.search(argument) for argument in call) for call in fake_ffmpeg.calls(fake.path))
    length, tasks = seconds / planned["segments"], planned["segments"]
    twice = (begun - tasks) * length / done
    return [
        Row("films_kills", f"film of {seconds} s: kills of the process", "", "", [done]),
        Row("films_encoded_twice", "  seconds of film encoded twice for each", "s", "≤ 8 + running (16)", [twice]),
        Row("films_segments_lost", "  frames lost", "", "0", [seconds * fps - frames]),
        Row("films_segments_doubled", "  segments recorded twice", "", "0", [sum(made.values()) - len(made)]),
    ]


async def _shared(folder: Path) -> list[Row]:
    """Measure how long several workers take for the segments of a film, in relation to their share of one's time."""
    film = make_film(folder / "film.mp4", "-pix_fmt", "yuv444p", seconds=128, size="64x48")
    fake = FakeFfmpeg(folder / "fake")
    fake.behave(_SLOWLY_PACED)
    seconds = {}
    for workers in (1, 2, 4):
        with RunningServer(folder / f"data{workers}", **fake.env, ROOMCAST_WORKERS=str(workers)) as server:
            async with Api(server) as api:
                await api.finished(await api.accepted(film), _DEADLINE)
            (planned,), ended = _logged(server, "film_planned"), _logged(server, "task_ended")
            seconds[workers] = _time(ended[-1]) - _time(planned)
    return [
        Row(f"films_workers_{count}", f"{count} workers: wall of a film, × {count} ÷ that of one", "×", "≤ 1.15",
            [seconds[count] * count / seconds[1]])
        for count in (2, 4)
    ]  # fmt: skip


async def _sizes(folder: Path) -> list[Row]:
    """Compare the bytes of real films in segments with those of one run."""
    if "libvmaf" not in (await read_capabilities(find_binaries())).filters:
        print("Skipped: the bytes of films in segments, because the ffmpeg in use has no libvmaf.")
        return []
    corpus.main()
    clips = [clip for clip in corpus.films() if not is_result(clip)]
    return [row for clip in clips for row in await compare_sizes(clip, folder / clip.stem)]


async def compare_sizes(clip: Path, folder: Path) -> list[Row]:
    """Compress a clip, repeated until it has several segments, in segments and in one run. The ratio of the bytes of
    video is that at the VMAF of the segments, by a second run with a lower CRF."""
    film = _repeated(clip, folder / "film.mkv")
    planned = await planned_film(film, folder / "job", preset=_PRESET)
    deps = replace(planned.job.deps, stall_seconds=_DEADLINE, step_seconds=_DEADLINE)
    planned = replace(planned, job=replace(planned.job, deps=deps))
    job, media, scorer = planned.job, planned.media, Scorer(film, planned.media, folder)
    joined = await join_film(job, media, *await encode_all(planned))
    segments = scorer.score(joined.path, 0.0)
    joined.path.unlink()

    async def one_run(crf: int) -> Encoding:
        settings = replace(await settings_for(job, media), rate=ConstantQuality(crf))
        meter = ProgressMeter(media.seconds, lambda _: None)
        return scorer.score((await encode_video(job, media, settings, meter)).path, 0.0)

    usual, finer = await one_run(job.template.video_crf), await one_run(job.template.video_crf - _CRF_STEP)
    what, key = f"{clip.stem} in {len(planned.plan.segments)} segments", f"films_bytes_{clip.stem}"
    return [
        Row(
            key,
            f"{what}: bytes at equal VMAF",
            "",
            "≤ 1.01",
            [segments.video_bytes],
            [bytes_at([usual, finer], segments.vmaf)],
        ),
        Row(f"{key}_vmaf", "  VMAF with the same CRF", "", "", [segments.vmaf], [usual.vmaf], compared=False),
    ]


def _repeated(clip: Path, target: Path) -> Path:
    """Repeat the video of a clip, which is not encoded again, until it is long enough for segments."""
    target.parent.mkdir(parents=True)
    binaries = find_binaries()
    command = [binaries.ffprobe, "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(clip)]
    seconds = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    times = math.ceil(_LONG_ENOUGH / seconds) - 1
    repeat = [binaries.ffmpeg, "-v", "error", "-stream_loop", str(times), "-i", str(clip), "-an", "-c", "copy"]
    subprocess.run([*repeat, str(target)], check=True, stdin=subprocess.DEVNULL)
    return target


async def _live(seconds: float) -> None:
    until = time.monotonic() + seconds
    await eventually(lambda: time.monotonic() >= until, seconds + 1)


def _logged(server: RunningServer, event: str) -> list[dict[str, Any]]:
    return [line for line in log_lines(server.log) if line["event"] == event]


def _time(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
