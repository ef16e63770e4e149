"""What admins are shown: the ledger's statistics in the shapes of `admin_shapes`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from roomcast.http.admin.schema import Board, FailureGroup, Hold, Overview, Statuses, UploadRow, WorkerProcess
from roomcast.ledger.contract import LeasedUpload, QueueStats
from roomcast.services.presence import WebProcess
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.model import Upload, timestamp

FAILURES_WITHIN = 3600.0
"""How far back what has ended is counted."""


def overview(stats: QueueStats, workers: Mapping[str, int], webs: Sequence[WebProcess], now: float) -> Overview:
    """`workers`: how many there are, by process."""
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
        "web": [{"process": one.process, "sockets": one.sockets, "streams": one.streams} for one in webs],
        "statuses": _statuses(stats),
        "failures": {"lastHour": stats.outcomes[Stage.FAILED], "groups": _groups(stats.failures)},
    }


def board(overview: Overview, newest: Sequence[Upload], held: Sequence[LeasedUpload]) -> Board:
    """Parts of files are left out: they are no uploads of their own."""
    uploads = {upload.id: upload for upload in (*newest, *(one.upload for one in held))}
    return {"overview": overview, "uploads": [row(upload) for upload in uploads.values() if not upload.is_partial]}


def row(upload: Upload) -> UploadRow:
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
    }


def _processes(held: Sequence[LeasedUpload], workers: Mapping[str, int]) -> list[WorkerProcess]:
    names = sorted({*workers, *(one.holder for one in held)})
    return [
        {
            "process": name,
            "workers": workers.get(name, 0),
            "holds": [_hold(one) for one in held if one.holder == name],
        }
        for name in names
    ]


def _hold(held: LeasedUpload) -> Hold:
    upload = held.upload
    return {
        "uploadId": upload.id,
        "filename": upload.filename,
        "stage": upload.stage,
        "progress": round(upload.state.progress, 1),
        "attempt": upload.state.attempt,
        "since": timestamp(held.since),
        "expiresAt": timestamp(held.expires_at),
    }


def _statuses(stats: QueueStats) -> Statuses:
    """What no worker has and has not ended is `starting`."""
    held = Counter(one.upload.state.status for one in stats.leased)
    compressing, uploading = held[Status.COMPRESSING], held[Status.UPLOADING]
    return {
        "starting": stats.active - compressing - uploading,
        "compressing": compressing,
        "uploading": uploading,
        "completed": stats.outcomes[Stage.DONE],
        "error": stats.outcomes[Stage.FAILED] + stats.outcomes[Stage.CANCELLED],
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
                }
            )
    return list(groups.values())
