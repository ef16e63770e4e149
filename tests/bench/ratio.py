"""The price of Roomcast: bare ffmpeg against the same job through the server, in interleaved pairs."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.runner import run_ffprobe
from roomcast_workers.media_info import probe
from roomcast_workers.sandbox.sandbox import ResourceLimits

from tests.bench.rows import Row
from tests.support.clips import make_heavy_clip
from tests.support.harness import Api, RunningServer
from tests.support.watchers import Watcher

_SIZE = 1280, 720
_FPS = 30
_MINUTE = 60
_USUAL = "fast", 24
_PR_SET_CHILD_SUBREAPER = 36


async def measure(folder: Path, *, lengths: Sequence[int], pairs: int) -> list[Row]:
    """Wall times of both, from the first byte sent to the end, and CPU seconds of all processes for each minute of
    film, for clips of these `lengths` in seconds. The order changes from pair to pair, so that neither has the warm
    cache."""
    return [row for seconds in lengths for row in await _measure(folder / f"{seconds}", seconds, pairs)]


async def _measure(folder: Path, seconds: int, pairs: int) -> list[Row]:
    folder.mkdir()
    clip = make_heavy_clip(folder / "clip.mp4", seconds=seconds, size="{}x{}".format(*_SIZE), fps=_FPS)
    binaries = find_binaries()
    limits = ResourceLimits(address_space=None, cpu_seconds=None, file_size=None)
    info = probe.parse_ffprobe(await run_ffprobe(binaries, InputFile(clip, "mov"), limits=limits))
    preset, crf = _USUAL
    recipe = EncodeSettings(CODECS["h264"], preset, ConstantQuality(crf), *_SIZE)
    arguments = commands.compress(InputFile(clip, "mov"), folder / "bare.mp4", info, recipe)
    bare: list[tuple[float, float]] = []
    through: list[tuple[float, float]] = []
    orphans = _OrphanReaper()
    with RunningServer(folder / "data", ROOMCAST_WORKERS="1", ROOMCAST_PRESET=preset) as server:
        async with Api(server) as api, Watcher(server.url) as watcher:
            for number in range(pairs):
                for ours in (False, True) if number % 2 else (True, False):
                    if ours:
                        through.append(await _through(server, orphans, api, watcher, clip))
                    else:
                        bare.append(await asyncio.to_thread(_bare, binaries, arguments))
    ours_wall, ours_cpu = (list(values) for values in zip(*through, strict=True))
    bare_wall, bare_cpu = (list(values) for values in zip(*bare, strict=True))
    minutes = seconds / _MINUTE
    return [
        Row(
            f"job_{seconds}s_wall_vs_bare_ffmpeg",
            f"a job of {seconds} s of 720p, and ffmpeg",
            *("s", "≤ 1.05", ours_wall, bare_wall),
        ),
        Row(
            f"job_{seconds}s_cpu_vs_bare_ffmpeg",
            f"CPU for a minute of 720p, in clips of {seconds} s",
            "s",
            "≤ 1.03" if seconds >= _MINUTE else "≤ 1.15",
            [cpu / minutes for cpu in ours_cpu],
            [cpu / minutes for cpu in bare_cpu],
        ),
    ]


def _bare(binaries: Binaries, arguments: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of ffmpeg alone."""
    before, began = _used_by_children(), time.perf_counter()
    subprocess.run([binaries.ffmpeg, *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, _used_by_children() - before


async def _through(
    server: RunningServer, orphans: _OrphanReaper, api: Api, watcher: Watcher, clip: Path
) -> tuple[float, float]:
    """Wall seconds from the first byte sent to the moment in which the room hears that the film is there, and CPU
    seconds of the server and of all that it ran."""
    content = clip.read_bytes()
    upload_id, url = await api.reserved(clip.name, len(content))
    await watcher.join(upload_id)
    before, began = _used(server, orphans), time.perf_counter()
    reply = await api.put(url, content)
    assert reply.status == 202, reply.body
    last = await watcher.end(upload_id, deadline=600)
    assert last["status"] == "completed", last
    assert "copied" not in last["element"], "the clip is too light: it was not compressed"
    return time.perf_counter() - began, _used(server, orphans) - before


class _OrphanReaper:
    """Adopts the orphans of everything below this process, and counts their CPU seconds.

    bubblewrap does not wait for the program that it runs, whose times are then in no other process's.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        if sys.platform.startswith("linux"):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def seconds(self, server: RunningServer) -> float:
        """Reap the orphans that have ended since the last call, and return what all of them have used."""
        for child in psutil.Process().children():
            if child.pid != server.process.pid and child.status() == psutil.STATUS_ZOMBIE:
                _, _, usage = os.wait4(child.pid, 0)
                self._seconds += usage.ru_utime + usage.ru_stime
        return self._seconds


def _used(server: RunningServer, orphans: _OrphanReaper) -> float:
    times = psutil.Process(server.process.pid).cpu_times()
    of_tree = times.user + times.system + times.children_user + times.children_system
    return float(of_tree) + orphans.seconds(server)


def _used_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
