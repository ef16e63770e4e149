"""The SSE dialect, `/api/files/…`: files that are on their way, have come through, or have failed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired

from pydantic import Field

from server.upload.events import Upload, timestamp
from server.upload.lifecycle import Status
from server.upload.shapes import Bytes, Message, Percent, Shape, Timestamp, UploadId
from server.web.shapes import SentFile

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
    status: FileWord
    progress_percentage: Percent
    """Of the whole work, so that it is 100 when there is a result."""
    started_at: Timestamp
    completed_at: NotRequired[Timestamp]
    error: NotRequired[Annotated[str, Field(examples=["The file is broken."])]]


class FilesTaken(Shape):
    """What was taken in of a form's files."""

    message: Annotated[str, Field(examples=["2 of 2 files taken"])]
    uploaded: Annotated[int, Field(ge=0, examples=[1])]
    upload_ids: list[UploadId]


def progress(upload: Upload, now: Message) -> FileProgress:
    """`now` is the message of the moment, and `upload` the record at any time: what does not change is taken from
    there."""
    status = Status(now["status"])
    shape: FileProgress = {
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


def taken(entries: Sequence[SentFile]) -> FilesTaken:
    """What was taken in of a form's files; `entries` are those that `POST /api/uploads` answers."""
    ids = [entry["uploadId"] for entry in entries if "error" not in entry]
    return {"message": f"{len(ids)} of {len(entries)} files taken", "uploaded": len(ids), "upload_ids": ids}
