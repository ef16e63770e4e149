"""Renders the ledger's statistics as the JSON of the admin page. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from roomcast.http.admin.schema import (
    Board,
    FailureGroup,
    Overview,
    PauseEntry,
    Statuses,
    UploadRow,
    WorkerLease,
    WorkerProcess,
)
from roomcast.ledger.administration import EVERY_WORKER, AdminPause
from roomcast.ledger.contract import LeasedTask, LeasedUpload, QueueStats
from roomcast.services.deletion import is_retryable
from roomcast.services.presence import WebProcess
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import timestamp
from roomcast.uploads.model import PAUSED_TEXT, Upload

RECENT_SECONDS = 3600.0
"""How far back terminal uploads are counted."""


def overview_snapshot(
    stats: QueueStats,
    workers: Mapping[str, int],
    web_processes: Sequence[WebProcess],
    pauses: Sequence[AdminPause],
    templates: Iterable[str],
    now: float,
) -> Overview:
    """Return the overview. `workers` is the number of workers by process."""
    paused = sum(one.uploads for one in pauses)
    leased = _leased(stats)
    age = None if stats.waiting_since is None else round(max(0.0, now - stats.waiting_since), 1)
    return {
        "now": timestamp(now),
        "templates": sorted(templates),
        "paused": pause_entries(pauses),
        "queue": {
            "depth": sum(stats.waiting.values()),
            "oldestAge": age,
            "delayed": stats.delayed,
            "byTemplate": dict(sorted(stats.waiting.items())),
            "paused": paused,
        },
        "workers": {
            "total": sum(workers.values()),
            "busy": sum(_occupies_worker(one) for one in leased),
            "processes": _processes(leased, workers, pauses),
        },
        "web": [{"process": one.process, "sockets": one.sockets, "streams": one.streams} for one in web_processes],
        "statuses": _statuses(stats, paused),
        "failures": {"lastHour": stats.outcomes[Stage.FAILED], "groups": _groups(stats.failures)},
    }


def pause_entries(pauses: Sequence[AdminPause]) -> list[PauseEntry]:
    """Return pauses as JSON."""
    return [
        {
            "type": one.target,
            "name": one.name,
            "by": one.by,
            "since": timestamp(one.since),
            "uploads": one.uploads,
        }
        for one in pauses
    ]


def board_snapshot(overview: Overview, newest: Sequence[Upload], stats: QueueStats) -> Board:
    """Return the board with the newest uploads, and older ones that a worker processes. Partial uploads of tus are left
    out, because the final upload shows their bytes."""
    uploads = {upload.id: upload for upload in (*newest, *(one.upload for one in _leased(stats)))}
    paused = paused_templates(overview["paused"])
    rows = [upload_row(upload, paused) for upload in uploads.values() if not upload.is_partial]
    return {"overview": overview, "uploads": rows}


def paused_templates(pauses: Sequence[PauseEntry]) -> set[str]:
    """Return the names of the templates that are paused."""
    return {one["name"] for one in pauses if one["type"] == "template"}


def upload_row(upload: Upload, paused: Collection[str]) -> UploadRow:
    """Return an upload's row in the list. `paused` are the names of the paused templates."""
    state = upload.state
    is_paused = state.stage is Stage.QUEUED and upload.template in paused
    return {
        "uploadId": upload.id,
        "owner": upload.owner,
        "template": upload.template,
        "filename": upload.filename,
        "status": state.status,
        "stage": state.stage,
        "progress": round(state.progress, 1),
        "message": PAUSED_TEXT if is_paused else upload.text,
        "attempt": state.attempt,
        "bytesReceived": upload.bytes_received,
        "bytesExpected": upload.bytes_expected,
        "speed": upload.speed,
        "eta": upload.eta,
        "createdAt": timestamp(upload.created_at),
        "updatedAt": timestamp(upload.updated_at),
        "error": upload.error,
        "canRetry": is_retryable(upload),
        "paused": is_paused,
    }


def _processes(
    leased: Sequence[LeasedUpload | LeasedTask], workers: Mapping[str, int], pauses: Sequence[AdminPause]
) -> list[WorkerProcess]:
    names = sorted({*workers, *(one.holder for one in leased)})
    paused = {one.name for one in pauses if one.target == "worker"}
    return [
        {
            "process": name,
            "workers": workers.get(name, 0),
            "busy": sum(_occupies_worker(one) for one in leased if one.holder == name),
            "paused": not paused.isdisjoint({name, EVERY_WORKER}),
            "leases": [_lease(one) for one in leased if one.holder == name],
        }
        for name in names
    ]


def _leased(stats: QueueStats) -> list[LeasedUpload | LeasedTask]:
    return [*stats.leased, *stats.tasks]


def _occupies_worker(leased: LeasedUpload | LeasedTask) -> bool:
    return isinstance(leased, LeasedTask) or not leased.waits_for_tasks


def _lease(leased: LeasedUpload | LeasedTask) -> WorkerLease:
    upload, task = leased.upload, leased if isinstance(leased, LeasedTask) else None
    return {
        "uploadId": upload.id,
        "filename": upload.filename,
        "stage": upload.stage,
        "progress": round(task.fraction * 100 if task else upload.state.progress, 1),
        "attempt": upload.state.attempt,
        "since": timestamp(leased.since),
        "expiresAt": timestamp(leased.expires_at),
        "task": task.number if task else None,
        "waitsForTasks": not _occupies_worker(leased),
    }


def _statuses(stats: QueueStats, paused: int) -> Statuses:
    """Count by status. An active upload that no worker processes is `starting`."""
    leased = Counter(one.upload.state.status for one in stats.leased)
    compressing, uploading = leased[Status.COMPRESSING], leased[Status.UPLOADING]
    return {
        "starting": stats.active - compressing - uploading,
        "waiting": sum(stats.waiting.values()) + stats.delayed + paused,
        "compressing": compressing,
        "uploading": uploading,
        "completed": stats.outcomes[Stage.DONE],
        "error": stats.outcomes[Stage.FAILED] + stats.outcomes[Stage.CANCELLED],
        "failed": stats.outcomes[Stage.FAILED],
        "cancelled": stats.outcomes[Stage.CANCELLED],
    }


def _groups(failures: Sequence[Upload]) -> list[FailureGroup]:
    groups: dict[tuple[str, str, bool], FailureGroup] = {}
    for upload in failures:
        if error := upload.error:
            group = groups.setdefault(
                (error["code"], error["step"], error["retryable"]),
                {"code": error["code"], "step": error["step"], "retryable": error["retryable"], "uploads": []},
            )
            group["uploads"].append(
                {
                    "uploadId": upload.id,
                    "filename": upload.filename,
                    "owner": upload.owner,
                    "message": error["message"],
                    "at": timestamp(upload.updated_at),
                    "canRetry": is_retryable(upload),
                }
            )
    return list(groups.values())
