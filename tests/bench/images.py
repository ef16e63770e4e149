"""A photograph of 24 megapixels to the whole set, against libvips (pyvips) with the same outputs, a process for each.

pyvips is fetched with pip into an environment in the given directory; where that fails, Roomcast's numbers stand alone.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from roomcast_workers.image.pipeline import ImageSettings, make_images
from roomcast_workers.sandbox.sandbox import ResourceLimits

from tests.bench.rows import Row, interleaved, row

SIZE = (6000, 4000)
PEER = Path(__file__).parent / "peer" / "vips_set.py"


@dataclass(frozen=True)
class Cost:
    """What one picture took, in seconds, and how many bytes came of it."""

    wall: float
    cpu: float
    made: int


def measure(folder: Path, *, pairs: int) -> list[Row]:
    """Pictures per second, CPU seconds for each, and what they weigh."""
    source = _photograph(folder / "photograph.jpg")
    python = _with_pyvips(folder / "pyvips")
    ours: list[Cost]
    theirs: list[Cost]
    if python is None:
        print("Skipped: the comparison with pyvips, which could not be installed.")
        ours, theirs = [_roomcast(source, folder / "ours") for _ in range(pairs)], []
    else:
        ours, theirs = interleaved(
            pairs, lambda: _roomcast(source, folder / "ours"), lambda: _vips(python, source, folder / "theirs")
        )
    return [
        row("images_per_second", "24 MP to nine files", "/s", "", lambda cost: 1 / cost.wall, ours, theirs),
        row("image_cpu_seconds", "  CPU for each", "s", "", lambda cost: cost.cpu, ours, theirs),
        row("image_bytes", "  the nine together", "MB", "", lambda cost: cost.made / 1e6, ours, theirs),
    ]


def _photograph(path: Path) -> Path:
    """Large soft shapes under some noise, which is what photographs are to an encoder."""
    grain = Image.effect_noise((1500, 1000), 40).resize(SIZE, Image.Resampling.BICUBIC)
    down, round_about = Image.linear_gradient("L").resize(SIZE), Image.radial_gradient("L").resize(SIZE)
    across = down.transpose(Image.Transpose.ROTATE_90).resize(SIZE)
    shapes = Image.merge("RGB", (round_about, down, across))
    Image.blend(shapes, grain.convert("RGB"), 0.25).save(path, quality=92)
    return path


def _with_pyvips(place: Path) -> str | None:
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pyvips[binary]"]
    return python if subprocess.run(command, check=False).returncode == 0 else None


def _roomcast(source: Path, out: Path) -> Cost:
    out.mkdir(exist_ok=True)
    limits = ResourceLimits(address_space=None, cpu_seconds=None, file_size=None, nice=0)

    def compress() -> None:
        made = make_images(
            source, out, "JPEG", ImageSettings(), limits=limits, timeout_seconds=600, on_fraction=lambda _: None
        )
        asyncio.run(made)

    return _cost(compress, out)


def _vips(python: str, source: Path, out: Path) -> Cost:
    out.mkdir(exist_ok=True)
    sides = map(str, ImageSettings().sides)
    return _cost(lambda: subprocess.run([python, str(PEER), str(source), str(out), *sides], check=True), out)


def _cost(work: Callable[[], object], out: Path) -> Cost:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, sum(path.stat().st_size for path in out.iterdir()))
