"""The version of an encoder: segments of one film must come from the same one."""

from __future__ import annotations

import hashlib

from roomcast_workers.ffmpeg.binaries import Binaries
from roomcast_workers.ffmpeg.runner import read_version

_FORMAT = 2
"""Rises when this version of Roomcast makes other segments of the same plan than the one before."""


async def read_encoder_version(binaries: Binaries) -> str:
    """Return the version of this process's encoder: the same for the same ffmpeg and the same format of segments."""
    described = f"{await read_version(binaries)}\n{_FORMAT}"
    return hashlib.sha256(described.encode()).hexdigest()[:16]
