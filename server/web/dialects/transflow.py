"""The multi-file dialect, `/api/transflow/stream`: all files of a submission in one object, and the steps of their work
as messages. Pure.

A file's `key` is its upload's id. Its `progress` is the place on the whole bar, by the table in
`server.upload.lifecycle`. Step messages come from numbered events alone, so whoever reads an upload's log from its
beginning gets all of them, always the same.
"""

# ruff: noqa: N815  (the dialect's spelling)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal, NotRequired, Unpack

from pydantic import Field

from server.upload.errors import Code
from server.upload.events import Upload, timestamp
from server.upload.lifecycle import TABLE, TERMINAL, Stage
from server.upload.shapes import Message, Output, Percent, Shape, Timestamp, UploadId, Url

FileWord = Literal["uploading", "queued", "processing", "completed", "error"]
StepType = Literal["start", "step:start", "step:done", "output", "done", "error"]

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
    bucket: str | None
    url: Url


class SubmissionFile(Shape):
    """One of the files."""

    filename: Annotated[str, Field(examples=["holiday.mov"])]
    key: UploadId
    """Its upload's id."""
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
    user: Annotated[str, Field(examples=["anonymous"])]
    createdAt: Timestamp
    updatedAt: Timestamp


class StepDetails(Shape):
    """Where something went wrong."""

    step: Stage | None
    file: str


class Particulars(Shape, total=False):
    """What only some steps say."""

    templateId: str
    """Of a `start`."""
    step: Stage
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
    """A step of the work on one file."""

    channel: Annotated[str, Field(examples=["upload:upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])]
    type: StepType
    uploadId: str
    """The id that was asked for, of an upload or of an assembly."""
    branch: Annotated[str, Field(examples=["main"])]
    timestamp: Timestamp
    key: str
    """The upload's id; of an `output`, its key in the media store."""
    message: str


def overview(
    asked: str, uploads: Sequence[Upload], latest: Mapping[str, Message], *, branch: str
) -> SubmissionOverview:
    """`asked` is the id that the client asked for; `uploads` are the records at any time, for what does not change, and
    `latest` has each one's message of the moment, with its URLs.
    """
    files = [_file(upload, latest[upload.id]) for upload in uploads]
    words = [file["status"] for file in files]
    return {
        "uploadId": asked,
        "templateId": uploads[0].template,
        "branch": branch,
        "status": _together(words),
        "totalFiles": len(files),
        "completedFiles": words.count("completed"),
        "files": files,
        "user": uploads[0].owner,
        "createdAt": timestamp(min(upload.created_at for upload in uploads)),
        "updatedAt": max(latest[upload.id]["updatedAt"] for upload in uploads),
    }


def steps(previous: Message | None, event: Message, *, asked: str, template: str, branch: str) -> list[Step]:
    """What an event says in step messages, `previous` being the one before it in the same log (None: it is the first).

    `start` when an upload begins or starts over; `step:done` and `step:start` when it goes from one stage to the next;
    an `output` for each result and `done`, or `error`, when it ends. An attempt that failed leaves its step undone.
    """
    before = Stage(previous["stage"]) if previous else None
    stage = Stage(event["stage"])

    def step(kind: StepType, **more: Unpack[Particulars]) -> Step:
        return {
            "type": kind,
            "channel": channel(asked),
            "uploadId": asked,
            "branch": branch,
            "timestamp": event["updatedAt"],
            "key": event["uploadId"],
            "message": event["message"],
            **more,
        }

    told = []
    if before is None or before in TERMINAL:
        told.append(step("start", templateId=template))
    elif stage is not before and (stage in TABLE[before].leads_to):
        told.append(step("step:done", step=before))
    if stage is not before and stage not in TERMINAL:
        told.append(step("step:start", step=stage))
    if stage is Stage.DONE:
        told += [
            {**step("output", name=_name(output), bucket=output["bucket"]), "key": output["key"]}
            for output in event["element"]["outputs"]
        ]
        told.append(step("done"))
    elif stage in TERMINAL:
        error = event["error"]
        told.append(step("error", code=error["code"], details={"step": error["step"], "file": event["filename"]}))
    return told


def channel(asked: str) -> str:
    """The channel that an upload's step messages are said to be of."""
    return f"upload:{asked}"


def _file(upload: Upload, now: Message) -> SubmissionFile:
    stage = Stage(now["stage"])
    file: SubmissionFile = {
        "filename": now["filename"],
        "key": upload.id,
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
