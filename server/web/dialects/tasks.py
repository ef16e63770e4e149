"""The polling dialect, `/api/progress/…`: a task that is processing, completed, or in error. Pure."""

from __future__ import annotations

from typing import Any

from server.upload.events import Upload
from server.upload.lifecycle import Stage, Status

RETRY_WAITS = -1

_WORDS = {Status.COMPLETED: "completed", Status.ERROR: "error"}


def progress(upload: Upload) -> dict[str, Any]:
    """`{progress, stage, status, task_id, error}`.

    The task is the upload, and has its id. `progress` is the overall one, 0–100, or −1 while the upload waits to be
    tried again; `status` is `processing`, `completed` or `error`; `error` is a sentence about what went wrong, in the
    end or the last time, and else null.
    """
    state, error = upload.state, upload.error
    retry_waits = upload.stage is Stage.QUEUED and error is not None
    return {
        "progress": RETRY_WAITS if retry_waits else round(state.progress, 1),
        "stage": state.stage.value,
        "status": _WORDS.get(state.status, "processing"),
        "task_id": upload.id,
        "error": error["message"] if error else None,
    }
