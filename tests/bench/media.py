"""Bytes and quality of real films, compressed as uploads are by default, and by HandBrake's "Fast 1080p30".

HandBrakeCLI is Debian's; without it Roomcast's numbers stand alone. VMAF and SSIM are those of libvmaf, which the
packaged ffmpeg has. The bytes compared are the video's alone: HandBrake's sound has more of them.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from roomcast_workers.ffmpeg.binaries import find_binaries
from roomcast_workers.ffmpeg.codecs import ConstantQuality
from roomcast_workers.ffmpeg.runner import read_capabilities
from roomcast_workers.job import Job
from roomcast_workers.media_info.probe import require_video
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.sources.reader import read_source
from roomcast_workers.video import encoder, rate_control
from roomcast_workers.video.encoder import EncodedFile
from roomcast_workers.video.progress_meter import ProgressMeter

from tests.bench.rows import Row
from tests.support import corpus
from tests.support.jobs import job_on

HANDBRAKE = "HandBrakeCLI"
_HANDBRAKE_PRESET = "Fast 1080p30"
_STEP = 3
"""The CRF this much below the default gives the second point of our curve: HandBrake's bytes lie between the two."""
_TARGET = 93.0
_STEP_SECONDS = 3600.0
_TV_COLOURS = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
"""libvmaf is given the samples as they are: where tags differ, ffmpeg would convert the colours of one of the two."""


@dataclass(frozen=True)
class Encoding:
    """A compressed film: bytes of the file and of the video in it, CPU seconds, and the quality beside the source."""

    file_bytes: int
    video_bytes: int
    cpu: float
    vmaf: float
    ssim: float


@dataclass(frozen=True)
class Comparison:
    """One film: by default, at a lower CRF, towards a target quality (the error in VMAF points, None where the target
    is out of reach), and by HandBrake."""

    name: str
    ours: Encoding
    finer: Encoding
    target_error: float | None
    handbrake: Encoding | None


async def measure(folder: Path, *, films: int) -> list[Row]:
    """Bytes, quality and CPU of the `films` smallest films of the corpus."""
    if "libvmaf" not in (await read_capabilities(find_binaries())).filters:
        print("Skipped: media, because the ffmpeg in use has no libvmaf.")
        return []
    corpus.main()
    films_by_size = sorted(corpus.films(), key=lambda film: film.stat().st_size)
    found = [film for film in films_by_size if not is_result(film)]
    if shutil.which(HANDBRAKE) is None:
        print(f"Skipped: the comparison with HandBrake, because {HANDBRAKE} is not installed.")
    return [row for film in found[:films] for row in _rows(await _compare(film, folder / film.stem))]


def is_result(film: Path) -> bool:
    """Return whether a film of the corpus is what a compression has made of another."""
    return film.stem.endswith("_distorted")


def _rows(one: Comparison) -> list[Row]:
    theirs = [] if one.handbrake is None else [one.handbrake]

    def row(key: str, what: str, unit: str, figure: Callable[[Encoding], float], *, compared: bool = True) -> Row:
        return Row(f"media_{one.name}_{key}", what, unit, "", [figure(one.ours)], list(map(figure, theirs)), compared)

    rows = [
        row("bytes", f"{one.name}: bytes", "", lambda made: made.file_bytes),
        row("vmaf", "  VMAF", "", lambda made: made.vmaf, compared=False),
        row("ssim", "  SSIM", "", lambda made: made.ssim, compared=False),
        row("cpu", "  CPU", "s", lambda made: made.cpu),
    ]
    if one.handbrake is not None:
        at_equal = vmaf_at([one.ours, one.finer], one.handbrake.video_bytes)
        what = "  VMAF at HandBrake's bytes of video"
        key = f"media_{one.name}_vmaf_at_equal_bytes"
        rows.append(Row(key, what, "", "≥ the peer's", [at_equal], [one.handbrake.vmaf], compared=False))
    if one.target_error is not None:
        key, what = f"media_{one.name}_target_quality_error", f"  target_quality {_TARGET:.0f}: error"
        rows.append(Row(key, what, "VMAF", "within 1.5", [one.target_error]))
    return rows


def vmaf_at(points: Sequence[Encoding], video_bytes: int) -> float:
    """Return the VMAF of a curve through two points at a number of bytes: linear in their logarithm."""
    low, high = sorted(points, key=lambda made: made.video_bytes)
    slope = (high.vmaf - low.vmaf) / math.log(high.video_bytes / low.video_bytes)
    return low.vmaf + slope * math.log(video_bytes / low.video_bytes)


def bytes_at(points: Sequence[Encoding], vmaf: float) -> float:
    """Return how many bytes of video a curve through two points has at a VMAF: their logarithm is linear in it."""
    low, high = sorted(points, key=lambda made: made.video_bytes)
    if high.vmaf <= low.vmaf:
        return low.video_bytes
    growth = math.log(high.video_bytes / low.video_bytes) / (high.vmaf - low.vmaf)
    return low.video_bytes * math.exp(growth * (vmaf - low.vmaf))


async def _compare(film: Path, folder: Path) -> Comparison:
    job, source = await _read(film, folder / "job")
    settings = await encoder.settings_for(job, source)
    scorer = Scorer(film, source, folder)

    async def ours(crf: int) -> Encoding:
        at_crf = replace(settings, rate=ConstantQuality(crf))
        before = _cpu()
        made = await encoder.encode_video(job, source, at_crf, _meter(source))
        return scorer.score(made.path, _cpu() - before)

    by_default = await ours(job.template.video_crf)
    finer = await ours(job.template.video_crf - _STEP)
    aimed = await rate_control.encode_to_quality(job, source, settings, _TARGET, _meter(source))
    error = scorer.score(aimed.path, 0.0).vmaf - _TARGET if _is_reached(aimed) else None
    handbrake = _by_handbrake(film, folder / "handbrake.mp4", scorer) if shutil.which(HANDBRAKE) else None
    return Comparison(film.stem, by_default, finer, error, handbrake)


async def _read(film: Path, folder: Path) -> tuple[Job, VerifiedMedia]:
    job, _ = job_on(film, folder, codec="h264")
    patient = replace(job.deps, preset="fast", stall_seconds=_STEP_SECONDS, step_seconds=_STEP_SECONDS)
    return await read_source(replace(job, deps=patient))


def _meter(source: VerifiedMedia) -> ProgressMeter:
    return ProgressMeter(source.seconds, lambda _: None)


def _is_reached(made: EncodedFile) -> bool:
    return bool(made.extra["quality"]["reached"])


def _by_handbrake(film: Path, target: Path, scorer: Scorer) -> Encoding:
    before = _cpu()
    command = [HANDBRAKE, "--input", str(film), "--output", str(target), "--preset", _HANDBRAKE_PRESET]
    uncropped = ["--crop", "0:0:0:0"]  # it would cut dark edges off, and its frames would not lie on those of the film
    subprocess.run([*command, *uncropped], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return scorer.score(target, _cpu() - before)


class Scorer:
    """Compares results with the film that they were made of."""

    def __init__(self, film: Path, source: VerifiedMedia, folder: Path) -> None:
        video = require_video(source.info)
        self._film, self._size, self._log = film, (video.width, video.height), folder / "vmaf.json"
        self._binaries = find_binaries()
        self._frames = len(self._packets(film))

    def score(self, made: Path, cpu: float) -> Encoding:
        """Measure a result by every frame of it.

        Of every second frame, the B-frames of one result and other frames of the next would count, which looked like
        5 % of the bytes. HandBrake shows some films' first frame twice: where there is one frame more, the better of
        both alignments counts.
        """
        packets = self._packets(made)
        skipped = range(2) if len(packets) == self._frames + 1 else range(1)
        vmaf, ssim = max(self._quality(made, skip) for skip in skipped)
        return Encoding(made.stat().st_size, sum(packets), cpu, vmaf, ssim)

    def _packets(self, film: Path) -> list[int]:
        """Return the sizes of the video's packets."""
        command = [self._binaries.ffprobe, "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=size"]
        listed = subprocess.run([*command, "-of", "csv=p=0", str(film)], check=True, capture_output=True, text=True)
        return [int(line.strip(",")) for line in listed.stdout.split()]

    def _quality(self, made: Path, skip: int) -> tuple[float, float]:
        width, height = self._size
        alike = f"scale={width}:{height}:flags=bicubic,{_TV_COLOURS},format=yuv420p,settb=1/1000,setpts=N"
        compare = f"libvmaf=log_path={self._log}:log_fmt=json:n_threads=2:feature=name=float_ssim"
        graph = f"[0:v]select=gte(n\\,{skip}),{alike}[made];[1:v]{alike}[film];[made][film]{compare}"
        command = [self._binaries.ffmpeg, "-v", "quiet", "-nostdin", "-i", str(made), "-i", str(self._film)]
        subprocess.run([*command, "-filter_complex", graph, "-f", "null", "-"], check=True)
        pooled = json.loads(self._log.read_text())["pooled_metrics"]
        return pooled["vmaf"]["mean"], pooled["float_ssim"]["mean"]


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
