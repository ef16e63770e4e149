"""Renders the ledger's statistics as the JSON of the admin page. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from roomcast.http.admin.schema import Board, FailureGroup, Overview, Statuses, UploadRow, WorkerLease, WorkerProcess
from roomcast.ledger.contract import LeasedUpload, QueueStats
from roomcast.services.deletion import is_retryable
from roomcast.services.presence import WebProcess
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.model import Upload, timestamp

RECENT_SECONDS = 3600.0
"""How far back terminal uploads are counted."""


def overview_snapshot(
    stats: QueueStats, workers: Mapping[str, int], web_processes: Sequence[WebProcess], now: float
) -> Overview:
    """Return the overview. `workers` is the number of workers by process."""
    age = None if stats.waiting_since is None else round(max(0.0, now - stats.waiting_since), 1)
    return {
        "now": timestamp(now),
        "queue": {
            "depth": sum(stats.waiting.values()),
            "oldestAge": age,
            "delayed": stats.delayed,
            "byTemplate": dict(sorted(stats.waiting.items())),
        },
        "workers": {
            "total": sum(workers.values()),
            "busy": len(stats.leased),
            "processes": _processes(stats.leased, workers),
        },
        "web": [{"process": one.process, "sockets": one.sockets, "streams": one.streams} for one in web_processes],
        "statuses": _statuses(stats),
        "failures": {"lastHour": stats.outcomes[Stage.FAILED], "groups": _groups(stats.failures)},
    }


def board_snapshot(overview: Overview, newest: Sequence[Upload], leased: Sequence[LeasedUpload]) -> Board:
    """Return the board with the newest uploads, and older ones that a worker processes. Partial uploads of tus are left
    out, because the final upload shows their bytes."""
    uploads = {upload.id: upload for upload in (*newest, *(one.upload for one in leased))}
    rows = [upload_row(upload) for upload in uploads.values() if not upload.is_partial]
    return {"overview": overview, "uploads": rows}


def upload_row(upload: Upload) -> UploadRow:
    """Return an upload's row in the list."""
    state = upload.state
    return {
        "uploadId": upload.id,
        "owner": upload.owner,
        "template": upload.template,
        "filename": upload.filename,
        "status": state.status,
        "stage": state.stage,
        "progress": round(state.progress, 1),
        "message": upload.text,
        "attempt": state.attempt,
        "bytesReceived": upload.bytes_received,
        "bytesExpected": upload.bytes_expected,
        "speed": upload.speed,
        "eta": upload.eta,
        "createdAt": timestamp(upload.created_at),
        "updatedAt": timestamp(upload.updated_at),
        "error": upload.error,
        "canRetry": is_retryable(upload),
    }


def _processes(leased: Sequence[LeasedUpload], workers: Mapping[str, int]) -> list[WorkerProcess]:
    names = sorted({*workers, *(one.holder for one in leased)})
    return [
        {
            "process": name,
            "workers": workers.get(name, 0),
            "leases": [_lease(one) for one in leased if one.holder == name],
        }
        for name in names
    ]


def _lease(leased: LeasedUpload) -> WorkerLease:
    upload = leased.upload
    return {
        "uploadId": upload.id,
        "filename": upload.filename,
        "stage": upload.stage,
        "progress": round(upload.state.progress, 1),
        "attempt": upload.state.attempt,
        "since": timestamp(leased.since),
        "expiresAt": timestamp(leased.expires_at),
    }


def _statuses(stats: QueueStats) -> Statuses:
    """Count by status. An active upload that no worker processes is `starting`."""
    leased = Counter(one.upload.state.status for one in stats.leased)
    compressing, uploading = leased[Status.COMPRESSING], leased[Status.UPLOADING]
    return {
        "starting": stats.active - compressing - uploading,
        "waiting": sum(stats.waiting.values()) + stats.delayed,
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
