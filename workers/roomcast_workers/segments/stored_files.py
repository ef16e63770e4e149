"""The files of a film in segments, as they are stored. Every worker gives them the same names, so that a task that
is repeated replaces its own file, and others in every plan."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from roomcast.runtime.files import open_regular

SOUND = "sound"
"""The name of the rendition that is the complete sound in one file, for the MP4 file. No playlist has it."""


def segment_name(plan_id: str, rendition: str, segment: int) -> str:
    """Return the file name of a segment."""
    return f"hls-{rendition}-{plan_id[:8]}-{segment:05}.m4s"


def init_name(plan_id: str, rendition: str) -> str:
    """Return the file name of a rendition's initialization segment."""
    return f"hls-{rendition}-{plan_id[:8]}-init.mp4"


def sound_name(plan_id: str) -> str:
    """Return the file name of the complete sound."""
    return f"hls-{SOUND}-{plan_id[:8]}.mp4"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a small file that a program has made, in hexadecimal."""
    with open_regular(path) as file:
        return sha256(file.read()).hexdigest()
