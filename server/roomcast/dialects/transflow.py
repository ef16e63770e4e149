"""The multi-file dialect, `/api/transflow/stream`: all files of a submission in one object, and the steps of their work
as messages. Pure.

A file's `key` names it among all files; it is no address, for a source is the server's own and goes when the work is
over. An output's `key` and `bucket` are where the object is. A file's `progress` is overall, by the table in
`roomcast.uploads.lifecycle`. Step messages come from numbered events alone, so whoever reads an upload's log from its
beginning gets all of them, always the same.
"""

# ruff: noqa: N815  (the dialect's spelling)

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal, NamedTuple, NotRequired, Unpack

from pydantic import Field

from roomcast.dialects.assembly import UserReference
from roomcast.errors import Code
from roomcast.uploads.lifecycle import TABLE, TERMINAL, WORKING, Stage
from roomcast.uploads.messages import Message, Output, Percent, Shape, Timestamp, Url
from roomcast.uploads.model import Upload, timestamp

FileWord = Literal["uploading", "queued", "processing", "completed", "error"]
StepType = Literal["start", "step:start", "step:done", "output", "done", "error"]
StepName = Literal["upload", "queue", "download", "validation", "transcode", "thumbnails", "upload_results", "cleanup"]


class _Step(NamedTuple):
    """What the dialect calls a stage, and says when it begins and when it is completed."""

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
    kind: _Step("transcode", f"Starting {kind} transcoding", f"{kind.capitalize()} transcoding completed")
    for kind in ("video", "audio", "image")
}
"""Of files whose name tells what they are; a name never changes, so the text is the same whenever it is read."""

_KINDS: dict[str, str] = {
    **dict.fromkeys((".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".3gp", ".ogv"), "video"),
    **dict.fromkeys((".mp3", ".m4a", ".aac", ".wav", ".flac", ".ogg", ".opus"), "audio"),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff", ".heic", ".heif"), "image"),
}

STARTED = "Processing started"
OUTPUT_CREATED = "Output file created"
COMPLETED = "All processing completed successfully"

_WORDS: dict[Stage, FileWord] = {
    **dict.fromkeys(Stage, "processing"),
    Stage.RECEIVING: "uploading",
    Stage.QUEUED: "queued",
    Stage.DONE: "completed",
    Stage.FAILED: "error",
    Stage.CANCELLED: "error",
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
    """Names it: `uploads/<branch>/<user>/<upload id>/<filename>`."""
    status: FileWord
    progress: Percent
    message: str
    startTime: Timestamp
    endTime: NotRequired[Timestamp]
    outputFiles: NotRequired[list[OutputFile]]


class SubmissionOverview(Shape):
    """How all files of a submission stand."""

    uploadId: str
    """The id that was asked for, of an upload or of an assembly."""
    templateId: Annotated[str, Field(examples=["hero-video"])]
    branch: Annotated[str, Field(examples=["main"])]
    status: FileWord
    """`uploading` while one arrives; `queued` until work begins, and `processing` until all have ended; `error` when
    one of them ended so."""
    totalFiles: Annotated[int, Field(ge=1, examples=[2])]
    completedFiles: Annotated[int, Field(ge=0, examples=[1])]
    files: list[SubmissionFile]
    user: UserReference
    createdAt: Timestamp
    updatedAt: Timestamp


class StepDetails(Shape):
    """Where something went wrong."""

    step: StepName | None
    file: str


class Particulars(Shape, total=False):
    """What only some steps say."""

    key: str
    """The file's; of an `output`, the object's. Not of a `done`, which is about all files."""
    templateId: str
    """Of a `start`."""
    step: StepName
    """Of a `step:start` or a `step:done`."""
    name: str
    """Of an `output`."""
    bucket: str | None
    """Of an `output`."""
    code: Code | None
    """Of an `error`."""
    details: StepDetails
    """Of an `error`."""


class Step(Particulars):
    """A step of the work on one file, or the end of all work."""

    channel: Annotated[str, Field(examples=["upload:upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])]
    type: StepType
    uploadId: str
    """The id that was asked for, of an upload or of an assembly."""
    branch: Annotated[str, Field(examples=["main"])]
    timestamp: Timestamp
    message: str
    """About this very step."""


def overview(
    asked: str, uploads: Sequence[Upload], latest: Mapping[str, Message], *, branch: str
) -> SubmissionOverview:
    """`asked` is the id that the client asked for; `uploads` are the records at any time, for what does not change, and
    `latest` has each one's message of the moment, with its URLs.
    """
    files = [_file(upload, latest[upload.id], branch) for upload in uploads]
    words = [file["status"] for file in files]
    return {
        "uploadId": asked,
        "templateId": uploads[0].template,
        "branch": branch,
        "status": _together(words),
        "totalFiles": len(files),
        "completedFiles": words.count("completed"),
        "files": files,
        "user": {"userId": uploads[0].owner},
        "createdAt": timestamp(min(upload.created_at for upload in uploads)),
        "updatedAt": max(latest[upload.id]["updatedAt"] for upload in uploads),
    }


def steps(previous: Message | None, event: Message, *, upload: Upload, asked: str, branch: str) -> list[Step]:
    """Return the step messages of an event, `previous` being the one before it in the same log (None: it is the first).
    `upload` is the record at any time, for what does not change.

    `start` when an upload begins or starts over; `step:done` and `step:start` when it goes from one stage to the next;
    an `output` for each result; an `error` when it ends in one. An attempt that failed leaves its step undone. That
    all is done, only `completion` can tell.
    """
    before = Stage(previous["stage"]) if previous else None
    stage = Stage(event["stage"])

    def step(kind: StepType, text: str, **more: Unpack[Particulars]) -> Step:
        about: Particulars = {"key": file_key(upload, branch), **more}
        return {**_message(kind, text, event["updatedAt"], asked, branch), **about}

    found = []
    if before is None or before in TERMINAL:
        found.append(step("start", STARTED, templateId=upload.template))
    elif stage is not before and (stage in TABLE[before].leads_to):
        completed = _step(before, upload.filename)
        found.append(step("step:done", completed.completed, step=completed.name))
    if stage is not before and stage not in TERMINAL:
        begun = _step(stage, upload.filename)
        # An upload that goes back to the queue says why.
        text = event["message"] if before in WORKING and stage is Stage.QUEUED else begun.begins
        found.append(step("step:start", text, step=begun.name))
    if stage is Stage.DONE:
        found += [
            step("output", OUTPUT_CREATED, name=_name(output), bucket=output["bucket"], key=output["key"])
            for output in event["element"]["outputs"]
        ]
    elif stage in TERMINAL:
        error = event["error"]
        failed = _step(error["step"], upload.filename).name if error["step"] in _STEPS else None
        details: StepDetails = {"step": failed, "file": upload.filename}
        found.append(step("error", error["message"], code=error["code"], details=details))
    return found


def completion(latest: Collection[Message], *, asked: str, branch: str) -> Step | None:
    """Return the one `done` message of a submission once all its uploads are done; None before. `latest` has the last
    event of each."""
    if any(event["stage"] != Stage.DONE for event in latest):
        return None
    return _message("done", COMPLETED, max(event["updatedAt"] for event in latest), asked, branch)


def file_key(upload: Upload, branch: str) -> str:
    """Return the name of an upload's file among all files."""
    return f"uploads/{branch}/{upload.owner}/{upload.id}/{upload.filename}"


def channel(asked: str) -> str:
    """The channel that an upload's step messages are said to be of."""
    return f"upload:{asked}"


def _message(kind: StepType, text: str, at: str, asked: str, branch: str) -> Step:
    return {
        "type": kind,
        "channel": channel(asked),
        "uploadId": asked,
        "branch": branch,
        "timestamp": at,
        "message": text,
    }


def _step(stage: Stage, filename: str) -> _Step:
    """Return the dialect's step of a stage; the table has every stage but the terminal ones."""
    kind = _KINDS.get(PurePosixPath(filename).suffix.lower())
    return _TRANSCODE[kind] if kind and stage is Stage.COMPRESSING else _STEPS[stage]


def _file(upload: Upload, now: Message, branch: str) -> SubmissionFile:
    stage = Stage(now["stage"])
    file: SubmissionFile = {
        "filename": now["filename"],
        "key": file_key(upload, branch),
        "status": _WORDS[stage],
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


def _together(words: Sequence[FileWord]) -> FileWord:
    """One word for all files: `uploading` while one arrives; then `queued` until work begins, and `processing` until
    all have ended; `error` when one of them ended so."""
    if "uploading" in words:
        return "uploading"
    if "processing" in words or ("queued" in words and set(words) != {"queued"}):
        return "processing"
    if "queued" in words:
        return "queued"
    return "error" if "error" in words else "completed"


def _name(output: Output) -> str:
    return PurePosixPath(output["key"]).name
