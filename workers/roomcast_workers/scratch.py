"""Scratch directories: one per process, several processes on one machine."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = ".lock"


@contextmanager
def scratch_directory(root: Path) -> Iterator[Path]:
    """Make an empty directory below `root`, and delete it on exit. First delete those whose processes have died.

    A process holds a lock on its directory's lock file, so a directory whose lock is free has no owner.
    """
    root.mkdir(parents=True, exist_ok=True)
    own = root / secrets.token_hex(8)
    with _locked(root / _LOCK, wait=True):
        for other in root.iterdir():
            if other.is_dir():
                with suppress(BlockingIOError), _locked(other / _LOCK, wait=False):
                    shutil.rmtree(other, ignore_errors=True)
        own.mkdir()
        descriptor = _lock(own / _LOCK, wait=False)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[None]:
    descriptor = _lock(path, wait=wait)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path, *, wait: bool) -> int:
    """Take the lock and return its descriptor. Raise `BlockingIOError` when it is taken and `wait` is false."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
