"""The SSE dialect, `/api/files/…`: files that are on their way, have come through, or have failed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field

from roomcast.errors import Code, Problem
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import Bytes, Message, Percent, Shape, Timestamp, UploadId
from roomcast.uploads.model import Upload, timestamp

EVENT = "progress"

FileWord = Literal["uploading", "completed", "failed"]
_WORDS: dict[Status, FileWord] = {Status.COMPLETED: "completed", Status.ERROR: "failed"}


class FileProgress(Shape):
    """How far a file is."""

    upload_id: UploadId
    filename: Annotated[str, Field(examples=["holiday.mov"])]
    total_bytes: Bytes | None
    """Null as long as nobody knows."""
    uploaded_bytes: Bytes
    """As large a part of them as `progress_percentage` says: all of them when there is a result, and never before."""
    status: FileWord
    progress_percentage: Percent
    """Of the whole work, so that it is 100 when there is a result."""
    started_at: Timestamp
    completed_at: NotRequired[Timestamp]
    error: NotRequired[Annotated[str, Field(examples=["The file is broken."])]]


class FileRefused(Shape):
    """A file of a form that was not taken in."""

    filename: Annotated[str, Field(examples=["notes.txt"])]
    error: Annotated[str, Field(examples=["This is not a video or an image that can be processed."])]
    code: Code


class FilesTaken(Shape):
    """What became of a form's files: each has an id, or is among the `failed`."""

    message: Annotated[str, Field(examples=["Files uploaded"])]
    uploaded: Annotated[int, Field(ge=0, examples=[1])]
    upload_ids: list[UploadId]
    failed: list[FileRefused]
    task_id: NotRequired[UploadId]
    """The first of the ids, for clients that poll `/api/progress`."""


class FileProblem(Shape):
    """Why nothing can be told of a file."""

    error: Annotated[str, Field(examples=["There is no such upload."])]


def progress(upload: Upload, now: Message) -> FileProgress:
    """`now` is the message of the moment, and `upload` the record at any time: what does not change is taken from
    there."""
    status, total = Status(now["status"]), now["bytesExpected"]
    shape: FileProgress = {
        "upload_id": now["uploadId"],
        "filename": now["filename"],
        "total_bytes": total,
        "uploaded_bytes": _done_of(now["bytesReceived"] if total is None else total, now["progress"]),
        "status": _WORDS.get(status, "uploading"),
        "progress_percentage": now["progress"],
        "started_at": timestamp(upload.created_at),
    }
    if status in _WORDS:
        shape["completed_at"] = now["updatedAt"]
    if status is Status.ERROR:
        shape["error"] = now["error"]["message"]
    return shape


def taken(entries: Sequence[Mapping[str, Any]]) -> FilesTaken:
    """What became of a form's files; `entries` are those that `POST /api/uploads` answers."""
    result = _sorted(entries)
    all_taken = result["uploaded"] == len(entries)
    return result if all_taken else {**result, "message": f"{result['uploaded']} of {len(entries)} files uploaded"}


def upload_error(problem: Problem) -> FilesTaken:
    """The answer when the form was refused: what became of each file that was read is among the error's details."""
    entries = problem.get("details", {}).get("uploads", ())
    return {**_sorted(entries), "message": problem["message"]}


def progress_error(problem: Problem) -> FileProblem:
    """The body of every other error of the dialect."""
    return {"error": problem["message"]}


def _sorted(entries: Sequence[Mapping[str, Any]]) -> FilesTaken:
    """The ids of the files that were taken in, and the names of the others."""
    ids = [entry["uploadId"] for entry in entries if "error" not in entry]
    failed: list[FileRefused] = [
        {"filename": entry["filename"], "error": entry["error"]["message"], "code": entry["error"]["code"]}
        for entry in entries
        if "error" in entry
    ]
    result: FilesTaken = {"message": "Files uploaded", "uploaded": len(ids), "upload_ids": ids, "failed": failed}
    return {**result, "task_id": ids[0]} if ids else result


def _done_of(size: int, percent: float) -> int:
    """`percent`, which has one decimal, of so many bytes."""
    return size * round(percent * 10) // 1000
