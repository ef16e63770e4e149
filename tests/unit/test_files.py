"""Positional writes to files, and writes that a full disk accepts only in part."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest
from roomcast.runtime.files import write_at


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
