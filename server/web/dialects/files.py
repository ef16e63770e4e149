"""The SSE dialect, `/api/files/…`: files that are on their way, have come through, or have failed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.upload.events import Message, Upload, timestamp
from server.upload.lifecycle import Status

EVENT = "progress"

_WORDS = {Status.COMPLETED: "completed", Status.ERROR: "failed"}


def progress(upload: Upload, now: Message) -> dict[str, Any]:
    """`{upload_id, filename, total_bytes, uploaded_bytes, status, progress_percentage, started_at, completed_at?,
    error?}`.

    `now` is the message of the moment, and `upload` the record at any time: what does not change is taken from there.
    `status` is `uploading`, `completed` or `failed`; the percentage is that of the whole work, so that it is 100 when
    there is a result; `total_bytes` is null as long as nobody knows.
    """
    status = Status(now["status"])
    shape = {
        "upload_id": now["uploadId"],
        "filename": now["filename"],
        "total_bytes": now["bytesExpected"],
        "uploaded_bytes": now["bytesReceived"],
        "status": _WORDS.get(status, "uploading"),
        "progress_percentage": now["progress"],
        "started_at": timestamp(upload.created_at),
    }
    if status in _WORDS:
        shape["completed_at"] = now["updatedAt"]
    if status is Status.ERROR:
        shape["error"] = now["error"]["message"]
    return shape


def taken(answer: Mapping[str, Any]) -> dict[str, Any]:
    """`{message, uploaded, upload_ids}` of the files that were taken in; `answer` is that of `POST /api/uploads`."""
    sent = answer["uploads"]
    ids = [entry["uploadId"] for entry in sent if "error" not in entry]
    return {"message": f"{len(ids)} of {len(sent)} files taken", "uploaded": len(ids), "upload_ids": ids}
