"""The polling dialect, `/api/progress/…`: a task that is processing, completed or failed. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from roomcast.errors import Problem
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import Shape, UploadId
from roomcast.uploads.model import Upload

WAITING_FOR_RETRY = -1
"""The progress of a task that waits for its next attempt."""

RETRIES_EXCEEDED = "Maximum retries exceeded"

TaskStatus = Literal["processing", "completed", "error"]
_STATUSES: dict[Status, TaskStatus] = {Status.COMPLETED: "completed", Status.ERROR: "error"}


class TaskProgress(Shape):
    """The progress of a task, which is an upload and has its id."""

    progress: Annotated[int, Field(ge=-1, le=100, examples=[62])]
    """Overall percentage, or −1 while the task waits for its next attempt."""
    stage: Annotated[str, Field(examples=["Compressing the video"])]
    """What the task does, for a person."""
    status: TaskStatus
    task_id: UploadId
    error: Annotated[str | None, Field(examples=["Maximum retries exceeded: The encoder failed."])]
    """Why the task, or its last attempt, failed."""


class TaskProblem(Shape):
    """Why a request about a task failed."""

    detail: Annotated[str, Field(examples=["Task upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5 not found"])]


class TaskCleaned(Shape):
    """The task is no longer shown, or does not exist."""

    status: Literal["cleaned"]


def task_progress(upload: Upload, *, attempts: int) -> TaskProgress:
    """Return the task of an upload, which is given up after `attempts` failures."""
    state, error = upload.state, upload.error
    waiting_for_retry = state.stage is Stage.QUEUED and error is not None
    return {
        "progress": WAITING_FOR_RETRY if waiting_for_retry else int(state.progress),
        "stage": f"Retrying... ({state.failures}/{attempts})" if waiting_for_retry else upload.text,
        "status": _STATUSES.get(state.status, "processing"),
        "task_id": upload.id,
        "error": _error(upload),
    }


def _error(upload: Upload) -> str | None:
    if upload.error is None:
        return None
    text = upload.error["message"]
    # A retryable error ends an upload only when no attempt is left.
    exceeded = upload.stage is Stage.FAILED and upload.state.failures > 0 and upload.error["retryable"]
    return f"{RETRIES_EXCEEDED}: {text}" if exceeded else text


def not_found_message(task_id: str) -> str:
    """Return the error message for a task that does not exist."""
    return f"Task {task_id} not found"


def task_cleaned() -> TaskCleaned:
    """Return the response to a request to clean up a task."""
    return {"status": "cleaned"}


def render_task_error(problem: Problem) -> TaskProblem:
    """Return the body of an error response."""
    return {"detail": problem["message"]}
