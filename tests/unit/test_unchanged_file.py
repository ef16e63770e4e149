"""A file that is stored unchanged, and detected when it differs from the one that was received."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from roomcast.errors import StorageError
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Source
from roomcast_workers.job import Job

from tests.support.jobs import RecordingReporter, file_job, process

CONTENT = b"one file\n" * 1_000_000


@pytest.fixture
def job_and_reporter(tmp_path: Path) -> tuple[Job, RecordingReporter]:
    path = tmp_path / "notes.txt"
    path.write_bytes(CONTENT)
    return file_job(path, tmp_path)


def of(source: Source, **facts: object) -> Source:
    return replace(source, **facts)  # type: ignore[arg-type]


async def test_file_is_stored_unchanged_and_reports_progress(job_and_reporter: tuple[Job, RecordingReporter]) -> None:
    job, reporter = job_and_reporter
    (made,) = (await process(job, reporter)).files
    assert (made.path.name, made.kind, made.mime) == ("notes.txt", "file", "application/octet-stream")
    assert made.path.read_bytes() == CONTENT
    assert list(reporter.stage_starts) == [Stage.COMPRESSING, Stage.THUMBNAILS]
    fractions = [tick.fraction for tick in reporter.ticks]
    assert len(fractions) > 1
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert job.path.read_bytes() == CONTENT


async def test_file_on_another_disk_is_copied(
    job_and_reporter: tuple[Job, RecordingReporter], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (made,) = (await process(job_and_reporter[0])).files
    assert made.path.read_bytes() == CONTENT
    assert made.path.stat().st_ino != job_and_reporter[0].path.stat().st_ino


@pytest.mark.parametrize(
    "facts",
    [{"size": len(CONTENT) + 1}, {"size": len(CONTENT) - 1}, {"md5": "0" * 32}, {"sha256": "0" * 64}],
    ids=["shorter", "longer", "of another MD5", "of another SHA-256"],
)
async def test_file_that_differs_from_the_received_one_raises_retryable_error(
    job_and_reporter: tuple[Job, RecordingReporter], facts: dict[str, object]
) -> None:
    job, _ = job_and_reporter
    with pytest.raises(StorageError) as refused:
        await process(replace(job, source=of(job.source, **facts)))
    assert refused.value.retryable


@pytest.mark.parametrize("hashes", [{}, {"md5"}, {"sha256"}])
async def test_only_recorded_digests_are_compared(
    job_and_reporter: tuple[Job, RecordingReporter], hashes: set[str]
) -> None:
    job, _ = job_and_reporter
    made = {name: hashlib.new(name, CONTENT).hexdigest() if name in hashes else None for name in ("md5", "sha256")}
    await process(replace(job, source=of(job.source, **made)))
