"""A job for the tests of its steps: a real store and real tools, and a reporter that only takes note."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.url_signer import UrlSigner
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Source, Tick, Upload, new_upload_id
from roomcast.uploads.sniff import SNIFF_BYTES, sniff
from roomcast.uploads.templates import Template
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.job import Job, WorkerDeps
from roomcast_workers.reporter import Reporter


class Notes:
    """What a job has said: `noted` in events, `ticks` between them, and with which of
    these each stage `begins`."""

    def __init__(self) -> None:
        self.noted: list[dict[str, Any]] = []
        self.ticks: list[Tick] = []
        self.begins: dict[Stage, int] = {}

    async def enter(self, stage: Stage, _text: str) -> None:
        self.begins[stage] = len(self.ticks)

    async def update(self, **news: Any) -> None:
        self.noted.append(news)

    def progress(self, tick: Tick) -> None:
        self.ticks.append(tick)


def job_on(film: Path, folder: Path, *, binaries: Binaries | None = None, **template: Any) -> tuple[Job, Notes]:
    """A job whose source is `film`, as which its first bytes show it; its scratch and its store are below `folder`."""
    sniffed = sniff(film.read_bytes()[:SNIFF_BYTES])
    assert sniffed is not None
    source = Source(film.name, film.stat().st_size, sniffed.kind, sniffed.format, sniffed.mime, "", "")
    return _job(film, source, folder, Template(name="t", **template), binaries)


def file_job(path: Path, folder: Path) -> tuple[Job, Notes]:
    """A job whose source is a file that is stored as it is."""
    content = path.read_bytes()
    md5, sha256 = hashlib.md5(content, usedforsecurity=False), hashlib.sha256(content)
    source = Source(path.name, len(content), "file", "", "text/plain", md5.hexdigest(), sha256.hexdigest())
    return _job(path, source, folder, Template(name="t", kind="file", max_bytes=1 << 30), None)


def _job(film: Path, source: Source, folder: Path, template: Template, binaries: Binaries | None) -> tuple[Job, Notes]:
    scratch = folder / "scratch %d"  # no path may be taken for a pattern
    scratch.mkdir(parents=True)
    media = DirectoryMediaStore(folder / "data", UrlSigner(b"0123456789abcdef", seconds=60))
    upload = Upload(new_upload_id(), "me", "auto", film.name, "epoch", 0.0, 0.0)
    deps = WorkerDeps(media, binaries or find_binaries(), stall_seconds=60, step_seconds=110)
    notes = Notes()
    job = Job(upload, source, film, template, deps, cast(Reporter, notes), scratch)
    return job, notes
