"""The steps of a file that is stored as it is: nothing in it is read but to see that it is what arrived."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from roomcast.errors import StorageError
from roomcast.runtime.files import run_in_thread_shielded
from roomcast.uploads.filenames import stored_filename
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Tick
from roomcast.uploads.sniff import OCTETS

from roomcast_workers.job import Job, ResultFile, Results

_READ_BYTES = 4 << 20


async def process_file(job: Job) -> Results:
    """Check the file against what was noted of it when it arrived. Enters the stages from compressing to thumbnails."""
    await job.reporter.enter(Stage.COMPRESSING, "Checking the file")
    target = job.scratch / stored_filename(job.upload.filename)
    await run_in_thread_shielded(lambda: _link(job.path, target))
    await _verify(job, target)
    await job.reporter.enter(Stage.THUMBNAILS, "Preparing the download")
    return Results([ResultFile(target, "file", OCTETS)])


def _link(source: Path, target: Path) -> None:
    """Give the file a second name, or where that cannot be, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


async def _verify(job: Job, path: Path) -> None:
    """Raise `StorageError` unless the file has the size and the digests that its bytes had when they came."""
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in job.source.digests}
    size = 0

    def read() -> int:
        data = file.read(_READ_BYTES)
        for digest in digests.values():
            digest.update(data)
        return len(data)

    with path.open("rb") as file:
        # Each piece is waited for: a cancelled caller closes the file, and a thread must not be reading it then.
        while count := await run_in_thread_shielded(read):
            size += count
            job.reporter.progress(Tick(min(1.0, size / max(1, job.source.size))))
    if size != job.source.size or {name: made.hexdigest() for name, made in digests.items()} != job.source.digests:
        raise StorageError("The stored file is not what arrived.")
