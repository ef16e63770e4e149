"""How ffmpeg and ffprobe are made to read an untrusted file: as the format its first bytes showed, and nothing else."""

from __future__ import annotations

from pathlib import Path


def file_url(path: Path) -> str:
    """The path as ffmpeg must be given it: never taken for an option, another protocol or a relative name."""
    return f"file:{path.absolute()}"


def input_options(demuxer: str) -> dict[str, str | int]:
    """Options for the input of a file that `demuxer` reads, by their names without the dash."""
    return {"f": demuxer, "protocol_whitelist": "file"}


def input_args(path: Path, demuxer: str) -> list[str]:
    """The same as arguments, with the input itself."""
    options = [word for name, value in input_options(demuxer).items() for word in (f"-{name}", str(value))]
    return [*options, "-i", file_url(path)]
