"""The step of a file that is stored unchanged: verify that it is the one that was received, and read nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from roomcast.errors import StorageError
from roomcast.runtime.files import run_in_thread_shielded
from roomcast.uploads.filenames import stored_filename
from roomcast.uploads.model import Tick
from roomcast.uploads.sniff import OCTETS

from roomcast_workers.job import Job, ResultFile

_READ_BYTES = 4 << 20


async def verify_file(job: Job) -> None:
    """Verify the file against the size and digests recorded on receipt; it becomes the only result."""
    target = job.scratch / stored_filename(job.upload.filename)
    await run_in_thread_shielded(lambda: _link_or_copy(job.path, target))
    await _verify(job, target)
    job.state.results.files.append(ResultFile(target, "file", OCTETS))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


async def _verify(job: Job, path: Path) -> None:
    """Raise `StorageError` unless the file has the recorded size and digests."""
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in job.source.digests}
    size = 0

    def read() -> int:
        data = file.read(_READ_BYTES)
        for digest in digests.values():
            digest.update(data)
        return len(data)

    with path.open("rb") as file:
        # Shielded, because a cancellation closes the file, and no thread may still be reading it then.
        while count := await run_in_thread_shielded(read):
            size += count
            job.reporter.progress(Tick(min(1.0, size / max(1, job.source.size))))
    if size != job.source.size or {name: hash_.hexdigest() for name, hash_ in digests.items()} != job.source.digests:
        raise StorageError("The stored file differs from the one that was received.")
