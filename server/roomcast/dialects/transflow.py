"""The multi-file dialect, `/api/transflow/stream`: an overview of a submission's files, and a message for each step.

The `key` of a file identifies it, but does not locate it: the server deletes the source after the work. The `key` and
`bucket` of an output locate the object. `progress` is overall, by the table in `roomcast.uploads.lifecycle`. Steps are
made of numbered events only, so every reader of an upload's log gets the same steps. Pure.
"""

# ruff: noqa: N815  (the dialect's spelling)

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal, NamedTuple, NotRequired, Unpack

from pydantic import Field

from roomcast.dialects.assembly import UserReference
from roomcast.uploads.lifecycle import TABLE, TERMINAL, Stage, is_working
from roomcast.uploads.messages import ErrorCode, Message, Output, Percent, Shape, Timestamp, Url, timestamp
from roomcast.uploads.model import Upload

SubmissionFileStatus = Literal["uploading", "queued", "processing", "completed", "error"]
StepType = Literal["start", "step:start", "step:done", "output", "done", "error"]
StepName = Literal["upload", "queue", "download", "validation", "transcode", "thumbnails", "upload_results", "cleanup"]


class _Step(NamedTuple):
    """The dialect's name of a stage, and the messages when it begins and is completed."""

    name: StepName
    begins: str
    completed: str


_STEPS: dict[Stage, _Step] = {
    Stage.RECEIVING: _Step("upload", "Starting file upload", "File upload completed"),
    Stage.QUEUED: _Step("queue", "Waiting in the processing queue", "Wait in the processing queue completed"),
    Stage.FETCHING: _Step("download", "Starting download of the file", "Download of the file completed"),
    Stage.PROBING: _Step("validation", "Starting file validation", "File validation completed"),
    Stage.COMPRESSING: _Step("transcode", "Starting transcoding", "Transcoding completed"),
    Stage.THUMBNAILS: _Step("thumbnails", "Starting preview generation", "Preview generation completed"),
    Stage.STORING: _Step("upload_results", "Starting upload of the results", "Upload of the results completed"),
    Stage.CLEANING: _Step("cleanup", "Starting cleanup", "Cleanup completed"),
}
_TRANSCODE: dict[str, _Step] = {
    media_type: _Step(
        "transcode", f"Starting {media_type} transcoding", f"{media_type.capitalize()} transcoding completed"
    )
    for media_type in ("video", "audio", "image")
}
"""The step of files whose type is known from their name, which never changes, so that the text does not either."""

_MEDIA_TYPES: dict[str, str] = {
    **dict.fromkeys((".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".3gp", ".ogv"), "video"),
    **dict.fromkeys((".mp3", ".m4a", ".aac", ".wav", ".flac", ".ogg", ".opus"), "audio"),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff", ".heic", ".heif"), "image"),
}

STARTED = "Processing started"
OUTPUT_CREATED = "Output file created"
ALL_COMPLETED = "All processing completed successfully"

_STATUSES: dict[Stage, SubmissionFileStatus] = {
    **dict.fromkeys(Stage, "processing"),
    Stage.RECEIVING: "uploading",
    Stage.QUEUED: "queued",
    Stage.DONE: "completed",
    Stage.FAILED: "error",
    Stage.CANCELLED: "error",
    Stage.DELETED: "error",
}


class OutputFile(Shape):
    """A result of a file."""

    name: Annotated[str, Field(examples=["video.mp4"])]
    key: str
    """The object's key in its bucket, or the file's path below the folder of results."""
    bucket: str | None
    """Null where results are files."""
    url: Url


class SubmissionFile(Shape):
    """One of the files."""

    filename: Annotated[str, Field(examples=["holiday.mov"])]
    key: Annotated[str, Field(examples=["uploads/main/ada/upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5/holiday.mov"])]
    """`uploads/<branch>/<user>/<upload id>/<filename>`."""
    status: SubmissionFileStatus
    progress: Percent
    message: str
    startTime: Timestamp
    endTime: NotRequired[Timestamp]
    outputFiles: NotRequired[list[OutputFile]]


class SubmissionOverview(Shape):
    """The state of a submission's files."""

    uploadId: str
    """The id in the request, of an upload or of an assembly."""
    templateId: Annotated[str, Field(examples=["hero-video"])]
    branch: Annotated[str, Field(examples=["main"])]
    status: SubmissionFileStatus
    """`uploading` while a file arrives, `queued` until work begins, `processing` until all have ended, then
    `completed`, or `error` if a file failed."""
    totalFiles: Annotated[int, Field(ge=1, examples=[2])]
    completedFiles: Annotated[int, Field(ge=0, examples=[1])]
    files: list[SubmissionFile]
    user: UserReference
    createdAt: Timestamp
    updatedAt: Timestamp


class StepDetails(Shape):
    """Where an error occurred."""

    step: StepName | None
    file: str


class StepFields(Shape, total=False):
    """The fields that only some steps have."""

    key: str
    """The file's; for an `output`, the object's. A `done` has none, because it is about all files."""
    templateId: str
    """In a `start`."""
    step: StepName
    """In a `step:start` or a `step:done`."""
    name: str
    """In an `output`."""
    bucket: str | None
    """In an `output`."""
    code: ErrorCode | None
    """In an `error`."""
    details: StepDetails
    """In an `error`."""


class StepMessage(StepFields):
    """A step in the processing of one file, or the end of all processing."""

    channel: Annotated[str, Field(examples=["upload:upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])]
    type: StepType
    uploadId: str
    """The id in the request, of an upload or of an assembly."""
    branch: Annotated[str, Field(examples=["main"])]
    timestamp: Timestamp
    message: str
    """About this step."""


def overview(
    requested_id: str, uploads: Sequence[Upload], latest: Mapping[str, Message], *, branch: str
) -> SubmissionOverview:
    """Return the overview of a submission. `requested_id` is the id in the request. `uploads` may be older records, of
    which only what never changes is used; `latest` has the current message of each, with its URLs."""
    files = [_file(upload, latest[upload.id], branch) for upload in uploads]
    statuses = [file["status"] for file in files]
    return {
        "uploadId": requested_id,
        "templateId": uploads[0].template,
        "branch": branch,
        "status": _overall_status(statuses),
        "totalFiles": len(files),
        "completedFiles": statuses.count("completed"),
        "files": files,
        "user": {"userId": uploads[0].owner},
        "createdAt": timestamp(min(upload.created_at for upload in uploads)),
        "updatedAt": max(latest[upload.id]["updatedAt"] for upload in uploads),
    }


def steps(
    previous: Message | None, event: Message, *, upload: Upload, requested_id: str, branch: str
) -> list[StepMessage]:
    """Return the step messages of an event. `previous` is the event before it in the log (None: it is the first);
    `upload` may be an older record, of which only what never changes is used.

    An upload that begins or is retried makes a `start`, the move to the next stage a `step:done` and a `step:start`,
    each result an `output`, and a failure an `error`. The step of a failed attempt is not done. `completion` makes the
    `done` of the whole submission.
    """
    before = Stage(previous["stage"]) if previous else None
    stage = Stage(event["stage"])

    def step(step_type: StepType, text: str, **more: Unpack[StepFields]) -> StepMessage:
        about: StepFields = {"key": file_key(upload, branch), **more}
        return {**_message(step_type, text, event["updatedAt"], requested_id, branch), **about}

    found = []
    if before is None or (before in TERMINAL and stage not in TERMINAL):
        found.append(step("start", STARTED, templateId=upload.template))
    elif stage is not before and (stage in TABLE[before].leads_to):
        completed = _step(before, upload.filename)
        found.append(step("step:done", completed.completed, step=completed.name))
    if stage is not before and stage not in TERMINAL:
        begun = _step(stage, upload.filename)
        # The message of an upload that returns to the queue says why.
        text = event["message"] if before and is_working(before) and stage is Stage.QUEUED else begun.begins
        found.append(step("step:start", text, step=begun.name))
    if stage is Stage.DONE:
        found += [
            step("output", OUTPUT_CREATED, name=_name(output), bucket=output["bucket"], key=output["key"])
            for output in event["element"]["outputs"]
        ]
    elif stage in TERMINAL:
        error = event["error"]
        failed = _step(Stage(error["step"]), upload.filename).name if error["step"] in _STEPS else None
        details: StepDetails = {"step": failed, "file": upload.filename}
        found.append(step("error", error["message"], code=error["code"], details=details))
    return found


def completion(latest: Collection[Message], *, requested_id: str, branch: str) -> StepMessage | None:
    """Return the `done` message of a submission; None if an upload is not done. `latest` has their last events."""
    if any(event["stage"] != Stage.DONE for event in latest):
        return None
    return _message("done", ALL_COMPLETED, max(event["updatedAt"] for event in latest), requested_id, branch)


def file_key(upload: Upload, branch: str) -> str:
    """Return the key that identifies an upload's file."""
    return f"uploads/{branch}/{upload.owner}/{upload.id}/{upload.filename}"


def channel(requested_id: str) -> str:
    """Return the channel that step messages name."""
    return f"upload:{requested_id}"


def _message(step_type: StepType, text: str, at: str, requested_id: str, branch: str) -> StepMessage:
    return {
        "type": step_type,
        "channel": channel(requested_id),
        "uploadId": requested_id,
        "branch": branch,
        "timestamp": at,
        "message": text,
    }


def _step(stage: Stage, filename: str) -> _Step:
    """Return the step of a stage that is not terminal."""
    media_type = _MEDIA_TYPES.get(PurePosixPath(filename).suffix.lower())
    return (
        _TRANSCODE[media_type]
        if media_type and stage is Stage.COMPRESSING
        else _STEPS.get(stage, _STEPS[Stage.COMPRESSING])
    )


def _file(upload: Upload, now: Message, branch: str) -> SubmissionFile:
    stage = Stage(now["stage"])
    file: SubmissionFile = {
        "filename": now["filename"],
        "key": file_key(upload, branch),
        "status": _STATUSES.get(stage, "processing"),
        "progress": now["progress"],
        "message": now["message"],
        "startTime": timestamp(upload.created_at),
    }
    if stage in TERMINAL:
        file["endTime"] = now["updatedAt"]
    if stage is Stage.DONE:
        file["outputFiles"] = [
            {"name": _name(output), "key": output["key"], "bucket": output["bucket"], "url": output["url"]}
            for output in now["element"]["outputs"]
        ]
    return file


def _overall_status(statuses: Sequence[SubmissionFileStatus]) -> SubmissionFileStatus:
    """Return the status of all files together; see `SubmissionOverview`."""
    if "uploading" in statuses:
        return "uploading"
    if "processing" in statuses or ("queued" in statuses and set(statuses) != {"queued"}):
        return "processing"
    if "queued" in statuses:
        return "queued"
    return "error" if "error" in statuses else "completed"


def _name(output: Output) -> str:
    return PurePosixPath(output["key"]).name
