"""Positional writes to files, writes that a full disk accepts only in part, and private files and directories."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest
from roomcast.runtime.files import create_durably, make_private_directory, write_at


def test_chunks_are_written_one_after_the_other_at_the_position(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_WRONLY)
    assert write_at(descriptor, [b"abc", b"", bytearray(b"de")], 3) == 8
    os.close(descriptor)
    assert path.read_bytes() == b"012abcde89"


def test_partial_write_is_continued_until_the_disk_refuses(tmp_path: Path) -> None:
    path, before = tmp_path / "file", resource.getrlimit(resource.RLIMIT_FSIZE)
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            write_at(descriptor, [b"a" * 600, b"b" * 600], 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        os.close(descriptor)
    assert path.read_bytes() == b"a" * 600 + b"b" * 400


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_new_directory_is_private(tmp_path: Path) -> None:
    make_private_directory(tmp_path / "a" / "data")
    assert mode(tmp_path / "a" / "data") == 0o700


@pytest.mark.parametrize(
    ("before", "after"),
    [(0o755, 0o700), (0o770, 0o700), (0o701, 0o700), (0o700, 0o700), (0o500, 0o500), (0o1777, 0o1777)],
)
def test_existing_directory_is_closed_to_others_unless_it_is_everybodys(
    tmp_path: Path, before: int, after: int
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "film.mp4").touch(mode=0o644)
    folder.chmod(before)
    make_private_directory(folder)
    assert mode(folder) == after
    folder.chmod(0o700)
    assert mode(folder / "film.mp4") & 0o600 == 0o600, "what lies in it is not touched"


def test_file_is_created_once_private_and_complete(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    create_durably(path, b"first")
    create_durably(path, b"second")
    assert (path.read_bytes(), mode(path)) == (b"first", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_file_is_on_the_disk_before_it_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "secret", []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(path.exists())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    create_durably(path, b"content")
    assert synced == [False, True], "the file before it has its name, the directory after that"
