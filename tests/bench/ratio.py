"""The price of Roomcast: bare ffmpeg against the same job through the server, in interleaved pairs."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.clips import make_heavy_clip
from tests.harness import Api, RunningServer
from tests.watchers import Watcher
from workers import probe
from workers.ffmpeg import Binaries, find_binaries, run_ffprobe
from workers.sandbox import Limits
from workers.video import VideoSettings, compress_args


async def measure(folder: Path, *, seconds: int, pairs: int) -> dict[str, Any]:
    """Wall times of both, and the median of the pairs' ratios: what else the machine does meets both of a pair. The
    order changes from pair to pair, so that neither has the warm cache."""
    clip = make_heavy_clip(folder / "clip.mp4", seconds=seconds)
    binaries = find_binaries()
    limits = Limits(address_space=None, cpu_seconds=None, file_size=None)
    info = probe.parse(await run_ffprobe(binaries, clip, "mov", limits=limits))
    arguments = compress_args(clip, folder / "bare.mp4", info, VideoSettings(), "mov")
    bare: list[float] = []
    through: list[float] = []
    with RunningServer(folder / "data", ROOMCAST_WORKERS="1") as server:
        async with Api(server) as api, Watcher(server.url) as watcher:
            for number in range(pairs):
                for ours in (False, True) if number % 2 else (True, False):
                    if ours:
                        through.append(await _through(api, watcher, clip))
                    else:
                        bare.append(await asyncio.to_thread(_bare, binaries, arguments))
    return {
        "clip_seconds": seconds,
        "clip_bytes": clip.stat().st_size,
        "bare_seconds": bare,
        "roomcast_seconds": through,
        "bare_median": statistics.median(bare),
        "roomcast_median": statistics.median(through),
        "ratio": statistics.median(ours / theirs for ours, theirs in zip(through, bare, strict=True)),
    }


def _bare(binaries: Binaries, arguments: list[str]) -> float:
    began = time.perf_counter()
    command = [binaries.ffmpeg, "-nostdin", "-y", "-loglevel", "error", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began


async def _through(api: Api, watcher: Watcher, clip: Path) -> float:
    """From the first byte sent to the moment in which the room hears that the film is there."""
    content = clip.read_bytes()
    upload_id, url = await api.reserved(clip.name, len(content))
    await watcher.join(upload_id)
    began = time.perf_counter()
    reply = await api.put(url, content)
    assert reply.status == 202, reply.body
    last = await watcher.end(upload_id, deadline=600)
    assert last["status"] == "completed", last
    return time.perf_counter() - began
