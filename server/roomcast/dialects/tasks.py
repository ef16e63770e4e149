"""The polling dialect, `/api/progress/…`: a task that is processing, completed, or in error. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from roomcast.errors import Problem
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import Shape, UploadId
from roomcast.uploads.model import Upload

RETRY_WAITS = -1
RETRIES_EXCEEDED = "Maximum retries exceeded"

TaskWord = Literal["processing", "completed", "error"]
_WORDS: dict[Status, TaskWord] = {Status.COMPLETED: "completed", Status.ERROR: "error"}


class TaskProgress(Shape):
    """How far a task is. It is an upload, and has its id."""

    progress: Annotated[int, Field(ge=-1, le=100, examples=[62])]
    """Of all the work, or −1 while the task waits to be tried again."""
    stage: Annotated[str, Field(examples=["Compressing the video"])]
    """A sentence for the person who waits."""
    status: TaskWord
    task_id: UploadId
    error: Annotated[str | None, Field(examples=["Maximum retries exceeded: The encoder failed."])]
    """What went wrong, in the end or the last time."""


class TaskProblem(Shape):
    """Why nothing can be told of a task."""

    detail: Annotated[str, Field(examples=["Task upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5 not found"])]


class TaskCleaned(Shape):
    """The task is told of no more, if it ever was."""

    status: Literal["cleaned"]


def progress(upload: Upload, *, attempts: int) -> TaskProgress:
    """The task of an upload that is given up after so many failed `attempts`."""
    state, error = upload.state, upload.error
    retry_waits = state.stage is Stage.QUEUED and error is not None
    return {
        "progress": RETRY_WAITS if retry_waits else int(state.progress),
        "stage": f"Retrying... ({state.failures}/{attempts})" if retry_waits else upload.text,
        "status": _WORDS.get(state.status, "processing"),
        "task_id": upload.id,
        "error": _error(upload),
    }


def _error(upload: Upload) -> str | None:
    if upload.error is None:
        return None
    text = upload.error["message"]
    # What could be tried again was given up only because it had been tried often enough.
    exceeded = upload.stage is Stage.FAILED and upload.state.failures > 0 and upload.error["retryable"]
    return f"{RETRIES_EXCEEDED}: {text}" if exceeded else text


def missing(task_id: str) -> str:
    """The sentence about a task that is not there."""
    return f"Task {task_id} not found"


def cleaned() -> TaskCleaned:
    """The answer to a client that asked to clean up a task."""
    return {"status": "cleaned"}


def render_error(problem: Problem) -> TaskProblem:
    """The body of every error of the dialect."""
    return {"detail": problem["message"]}
