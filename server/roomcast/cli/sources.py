"""The files that `roomcast upload` sends: named ones, those of folders, and standard input."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from roomcast.uploads.sniff import SNIFF_BYTES, sniff

STDIN = "-"
"""The argument that names standard input."""


@dataclass(frozen=True)
class UploadSource:
    """A file to send. `label` is how the user knows it, and `results` the folder of its results in that of all."""

    path: Path
    label: str
    results: Path


@contextmanager
def upload_sources(
    arguments: Sequence[Path], *, stdin_name: str, on_skipped: Callable[[str], None]
) -> Iterator[list[UploadSource]]:
    """Yield the files that the arguments name, each once, as long as the context lasts.

    Folders are searched with those in them. Files there that are not media are skipped: `on_skipped` gets a sentence.
    Hidden files and folders are skipped silently. Standard input is stored in a temporary file called `stdin_name`.
    """
    with TemporaryDirectory(prefix="roomcast_") as temporary:
        found: dict[Path, UploadSource] = {}
        for argument in arguments:
            if str(argument) == STDIN:
                source = _from_stdin(Path(temporary) / stdin_name)
                found.setdefault(source.path, source)
            elif argument.is_dir():
                for source in _of_folder(argument, on_skipped):
                    found.setdefault(source.path, source)
            else:
                found.setdefault(argument, UploadSource(argument, str(argument), Path(argument.name)))
        yield list(found.values())


def shared_results(sources: Iterable[UploadSource]) -> Path | None:
    """Return a folder of results that two of the files would have; None if each has its own."""
    folders = [source.results for source in sources]
    return next((folder for folder in folders if folders.count(folder) > 1), None)


def _from_stdin(path: Path) -> UploadSource:
    if not path.exists():
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    return UploadSource(path, STDIN, Path(path.name))


def _of_folder(folder: Path, on_skipped: Callable[[str], None]) -> Iterator[UploadSource]:
    empty = True
    for root, folders, names in os.walk(
        folder, onerror=lambda error: on_skipped(f"{error.filename}: {error.strerror}.")
    ):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(root) / name
            if reason := _why_skipped(path):
                on_skipped(f"{path} {reason}, and is skipped.")
                continue
            empty = False
            yield UploadSource(path, str(path), path.relative_to(folder))
    if empty:
        on_skipped(f"{folder} has no videos, images or sound.")


def _why_skipped(path: Path) -> str | None:
    """Return why a file of a folder is not sent, as the rest of a sentence about it; None if it is."""
    if not path.is_file():
        return "is not a file"
    try:
        with path.open("rb") as file:
            head = file.read(SNIFF_BYTES)
    except OSError:
        return "cannot be read"
    return None if sniff(head) else "is not a video, an image or sound"
