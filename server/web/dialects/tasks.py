"""The polling dialect, `/api/progress/…`: a task that is processing, completed, or in error. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from server.upload.errors import Problem
from server.upload.events import Upload
from server.upload.lifecycle import Stage, Status
from server.upload.shapes import Shape, UploadId

RETRY_WAITS = -1

TaskWord = Literal["processing", "completed", "error"]
_WORDS: dict[Status, TaskWord] = {Status.COMPLETED: "completed", Status.ERROR: "error"}


class TaskProgress(Shape):
    """How far a task is. It is an upload, and has its id."""

    progress: Annotated[float, Field(ge=-1, le=100, examples=[62.5])]
    """The overall one, or −1 while the task waits to be tried again."""
    stage: Stage
    status: TaskWord
    task_id: UploadId
    error: str | None
    """What went wrong, in the end or the last time."""


class TaskProblem(Shape):
    """Why nothing can be told of a task."""

    detail: Annotated[str, Field(examples=["Task upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5 not found"])]


class TaskForgotten(Shape):
    """A finished task is told of no more."""

    message: Annotated[str, Field(examples=["Forgotten"])]
    task_id: UploadId


def progress(upload: Upload) -> TaskProgress:
    """The task of an upload."""
    state, error = upload.state, upload.error
    retry_waits = upload.stage is Stage.QUEUED and error is not None
    return {
        "progress": RETRY_WAITS if retry_waits else round(state.progress, 1),
        "stage": state.stage,
        "status": _WORDS.get(state.status, "processing"),
        "task_id": upload.id,
        "error": error["message"] if error else None,
    }


def forgotten(upload: Upload) -> TaskForgotten:
    """The answer to a client that asked to forget a task."""
    return {"message": "Forgotten", "task_id": upload.id}


def render_error(problem: Problem) -> TaskProblem:
    """The body of every error of the dialect."""
    return {"detail": problem["message"]}
