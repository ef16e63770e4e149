"""The files dialect, `/api/files/…`: files that are uploading, completed or failed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field

from roomcast.errors import Problem
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import Bytes, ErrorCode, Message, Percent, Shape, Timestamp, UploadId, timestamp
from roomcast.uploads.model import Upload

EVENT = "progress"

FileStatus = Literal["uploading", "completed", "failed"]
_STATUSES: dict[Status, FileStatus] = {Status.COMPLETED: "completed", Status.ERROR: "failed"}


class FileProgress(Shape):
    """The progress of a file."""

    upload_id: UploadId
    filename: Annotated[str, Field(examples=["holiday.mov"])]
    total_bytes: Bytes | None
    """Null until the size is known."""
    uploaded_bytes: Bytes
    """`progress_percentage` of `total_bytes`, so that it is the whole only when there is a result."""
    status: FileStatus
    progress_percentage: Percent
    """Overall percentage: 100 only when there is a result."""
    started_at: Timestamp
    completed_at: NotRequired[Timestamp]
    error: NotRequired[Annotated[str, Field(examples=["The file is broken."])]]


class FailedFile(Shape):
    """A file of a form that was refused."""

    filename: Annotated[str, Field(examples=["notes.txt"])]
    error: Annotated[str, Field(examples=["This is not a video or an image that can be processed."])]
    code: ErrorCode


class FilesResult(Shape):
    """The outcome of a form: each file has an id or is among the `failed`."""

    message: Annotated[str, Field(examples=["Files uploaded"])]
    uploaded: Annotated[int, Field(ge=0, examples=[1])]
    upload_ids: list[UploadId]
    failed: list[FailedFile]
    task_id: NotRequired[UploadId]
    """The first id, for clients that poll `/api/progress`."""


class FileProblem(Shape):
    """Why a request about a file failed."""

    error: Annotated[str, Field(examples=["There is no such upload."])]


def file_progress(upload: Upload, now: Message) -> FileProgress:
    """Return the progress of a file from its current message. `upload` may be an older record, of which only what never
    changes is used."""
    status, total = Status(now["status"]), now["bytesExpected"]
    shape: FileProgress = {
        "upload_id": now["uploadId"],
        "filename": now["filename"],
        "total_bytes": total,
        "uploaded_bytes": _percent_of(now["bytesReceived"] if total is None else total, now["progress"]),
        "status": _STATUSES.get(status, "uploading"),
        "progress_percentage": now["progress"],
        "started_at": timestamp(upload.created_at),
    }
    if status in _STATUSES:
        shape["completed_at"] = now["updatedAt"]
    if status is Status.ERROR:
        shape["error"] = now["error"]["message"]
    return shape


def files_result(entries: Sequence[Mapping[str, Any]]) -> FilesResult:
    """Return the outcome of a form from the entries that `POST /api/uploads` answers with."""
    result = _partition(entries)
    return (
        result
        if result["uploaded"] == len(entries)
        else {**result, "message": f"{result['uploaded']} of {len(entries)} files uploaded"}
    )


def render_upload_error(problem: Problem) -> FilesResult:
    """Return the body when a form was refused. The error's details have the outcome of each file that was read."""
    entries = problem.get("details", {}).get("uploads", ())
    return {**_partition(entries), "message": problem["message"]}


def render_file_error(problem: Problem) -> FileProblem:
    """Return the body of every other error response."""
    return {"error": problem["message"]}


def _partition(entries: Sequence[Mapping[str, Any]]) -> FilesResult:
    """Return the ids of the received files, and the other files with their errors."""
    ids = [entry["uploadId"] for entry in entries if "error" not in entry]
    failed: list[FailedFile] = [
        {"filename": entry["filename"], "error": entry["error"]["message"], "code": entry["error"]["code"]}
        for entry in entries
        if "error" in entry
    ]
    result: FilesResult = {"message": "Files uploaded", "uploaded": len(ids), "upload_ids": ids, "failed": failed}
    return {**result, "task_id": ids[0]} if ids else result


def _percent_of(size: int, percent: float) -> int:
    """Return `percent`, which has one decimal, of a number of bytes."""
    return size * round(percent * 10) // 1000
