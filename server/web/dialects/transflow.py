"""The multi-file dialect, `/api/transflow/stream`: all files of a submission in one object, and the steps of their work
as messages. Pure.

A file's `key` is its upload's id. Its `progress` is the place on the whole bar, by the table in
`server.upload.lifecycle`. Step messages come from numbered events alone, so whoever reads an upload's log from its
beginning gets all of them, always the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from server.upload.events import Message, Upload, timestamp
from server.upload.lifecycle import TABLE, TERMINAL, Stage

_WORDS = dict.fromkeys(Stage, "processing") | {
    Stage.RECEIVING: "uploading",
    Stage.QUEUED: "queued",
    Stage.DONE: "completed",
    Stage.FAILED: "error",
    Stage.CANCELLED: "error",
}

Step = dict[str, Any]


def overview(asked: str, uploads: Sequence[Upload], latest: Mapping[str, Message], *, branch: str) -> dict[str, Any]:
    """`{uploadId, templateId, branch, status, totalFiles, completedFiles, files, user, createdAt, updatedAt}`.

    `asked` is the id that the client asked for; `uploads` are the records at any time, for what does not change, and
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
    common = {"channel": channel(asked), "uploadId": asked, "branch": branch, "timestamp": event["updatedAt"]}

    def step(kind: str, **more: Any) -> Step:
        return {"type": kind, **common, "key": event["uploadId"], "message": event["message"], **more}

    told = []
    if before is None or before in TERMINAL:
        told.append(step("start", templateId=template))
    elif stage is not before and (stage in TABLE[before].leads_to):
        told.append(step("step:done", step=before.value))
    if stage is not before and stage not in TERMINAL:
        told.append(step("step:start", step=stage.value))
    if stage is Stage.DONE:
        told += [
            step("output", key=output["key"], name=_name(output), bucket=output["bucket"])
            for output in event["element"]["outputs"]
        ]
        told.append(step("done"))
    elif stage in TERMINAL:
        error = event["error"] or {}
        details = {"step": error.get("step"), "file": event["filename"]}
        told.append(step("error", code=error.get("code"), details=details))
    return told


def channel(asked: str) -> str:
    """The channel that an upload's step messages are said to be of."""
    return f"upload:{asked}"


def _file(upload: Upload, now: Message) -> dict[str, Any]:
    stage = Stage(now["stage"])
    file = {
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


def _together(words: Sequence[str]) -> str:
    """One word for all files: `uploading` while one arrives; then `queued` until work begins, and `processing` until
    all have ended; `error` when one of them ended so."""
    if "uploading" in words:
        return "uploading"
    if "processing" in words or ("queued" in words and set(words) != {"queued"}):
        return "processing"
    return next(word for word in ("queued", "error", "completed") if word in words)


def _name(output: Mapping[str, Any]) -> str:
    return PurePosixPath(output["key"]).name
