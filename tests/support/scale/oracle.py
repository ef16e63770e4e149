"""What every way of listening has to say of what the ledger knows. Written from the contract's tables, with nothing of
the server's but the record itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from roomcast.uploads.model import Upload

Body = dict[str, Any]


class Row(NamedTuple):
    status: str
    least: int
    file: str
    several: str
    task: str


WAY = ("receiving", "queued", "fetching", "probing", "compressing", "thumbnails", "storing", "cleaning", "done")
ENDS = ("done", "failed", "cancelled")
TABLE = {
    "receiving": Row("starting", 0, "uploading", "uploading", "processing"),
    "queued": Row("starting", 10, "uploading", "queued", "processing"),
    "fetching": Row("starting", 20, "uploading", "processing", "processing"),
    "probing": Row("starting", 30, "uploading", "processing", "processing"),
    "compressing": Row("compressing", 40, "uploading", "processing", "processing"),
    "thumbnails": Row("compressing", 80, "uploading", "processing", "processing"),
    "storing": Row("uploading", 90, "uploading", "processing", "processing"),
    "cleaning": Row("uploading", 95, "uploading", "processing", "processing"),
    "done": Row("completed", 100, "completed", "completed", "completed"),
    "failed": Row("error", 0, "failed", "error", "error"),
    "cancelled": Row("error", 0, "failed", "error", "error"),
}


STEPS = {
    "receiving": ("upload", "Starting file upload", "File upload completed"),
    "queued": ("queue", "Waiting in the processing queue", "Wait in the processing queue completed"),
    "fetching": ("download", "Starting download of the file", "Download of the file completed"),
    "probing": ("validation", "Starting file validation", "File validation completed"),
    "compressing": ("transcode", "Starting video transcoding", "Video transcoding completed"),
    "thumbnails": ("thumbnails", "Starting preview generation", "Preview generation completed"),
    "storing": ("upload_results", "Starting upload of the results", "Upload of the results completed"),
    "cleaning": ("cleanup", "Starting cleanup", "Cleanup completed"),
}
"""Of films: what the multi-file dialect calls a stage, and says when it begins and when it is completed."""

LINKS = {"url", "downloadUrl"}
"""Keys of an output that are signed anew for each answer."""


def row(upload: Upload) -> Row:
    """The upload's row. Its bar is never behind it; it may be ahead, when the work was handed back."""
    found = TABLE[upload.stage]
    assert found.least <= upload.state.progress <= 100
    assert (upload.state.progress == 100) == (found.status == "completed")
    return found


def native(upload: Upload) -> Body:
    """The room's message, and that of `GET /api/uploads/{id}`, as `unsigned` leaves it."""
    body: Body = {
        "uploadId": upload.id,
        "seq": upload.seq,
        "epoch": upload.epoch,
        "status": row(upload).status,
        "stage": upload.stage,
        "progress": round(upload.state.progress, 1),
        "stageProgress": round(upload.state.stage_progress, 1),
        "message": upload.text,
        "filename": upload.filename,
        "metadata": {"path": upload.folder} if upload.folder else {},
        "bytesReceived": upload.bytes_received,
        "bytesExpected": upload.bytes_expected,
        "attempt": upload.state.attempt,
        "updatedAt": iso(upload.updated_at),
        "eta": None,
        "speed": None,
        "fps": None,
        "outputs": upload.element["outputs"] if upload.stage == "done" and upload.element else [],
    }
    if upload.state.retried:
        body["retried"] = True
    if upload.forecast:
        body["forecast"] = {"bytes": upload.forecast.bytes, "seconds": upload.forecast.seconds}
    return body | ({"error": upload.error} if body["status"] == "error" else {})


def unsigned(message: Body) -> Body:
    """A message without what depends on the moment at which it is asked for: links, and the place in the queue."""
    shown = {key: value for key, value in message.items() if key not in ("element", "queuePosition")}
    outputs = message.get("element", {}).get("outputs", [])
    return {
        **shown,
        "outputs": [{key: value for key, value in output.items() if key not in LINKS} for output in outputs],
    }


def file(upload: Upload) -> Body:
    """The SSE dialect: of a file, as many bytes are done as of the whole work."""
    size = upload.bytes_received if upload.bytes_expected is None else upload.bytes_expected
    body = {
        "upload_id": upload.id,
        "filename": upload.filename,
        "total_bytes": upload.bytes_expected,
        "uploaded_bytes": size * round(upload.state.progress * 10) // 1000,
        "status": row(upload).file,
        "progress_percentage": round(upload.state.progress, 1),
        "started_at": iso(upload.created_at),
    }
    if upload.stage in ENDS:
        body["completed_at"] = iso(upload.updated_at)
    return body | ({"error": _error(upload)["message"]} if body["status"] == "failed" else {})


ATTEMPTS = 3
"""After how many failed ones an upload is given up, unless the server is told another number."""


def task(upload: Upload) -> Body:
    """The polling dialect."""
    retry_waits, failures = upload.stage == "queued" and upload.error, upload.state.failures
    error = upload.error["message"] if upload.error else None
    if upload.error and upload.stage == "failed" and failures and upload.error["retryable"]:
        error = f"Maximum retries exceeded: {error}"
    return {
        "progress": -1 if retry_waits else math.floor(upload.state.progress),
        "stage": f"Retrying... ({failures}/{ATTEMPTS})" if retry_waits else upload.text,
        "status": row(upload).task,
        "task_id": upload.id,
        "error": error,
    }


def several(asked: str, uploads: Sequence[Upload]) -> Body:
    """The multi-file dialect, without links."""
    words = [row(upload).several for upload in uploads]
    return {
        "uploadId": asked,
        "templateId": uploads[0].template,
        "branch": "main",
        "status": _one_word(words),
        "totalFiles": len(uploads),
        "completedFiles": words.count("completed"),
        "files": [_one_of_several(upload) for upload in uploads],
        "user": {"userId": "anonymous"},
        "createdAt": iso(min(upload.created_at for upload in uploads)),
        "updatedAt": iso(max(upload.updated_at for upload in uploads)),
    }


def _one_word(words: Sequence[str]) -> str:
    for word in ("uploading", "processing"):
        if word in words:
            return word
    if "queued" in words:
        return "queued" if set(words) == {"queued"} else "processing"
    return "error" if "error" in words else "completed"


def file_key(upload: Upload) -> str:
    return f"uploads/main/anonymous/{upload.id}/{upload.filename}"


def _one_of_several(upload: Upload) -> Body:
    body = {
        "filename": upload.filename,
        "key": file_key(upload),
        "status": row(upload).several,
        "progress": round(upload.state.progress, 1),
        "message": upload.text,
        "startTime": iso(upload.created_at),
    }
    if upload.stage in ENDS:
        body["endTime"] = iso(upload.updated_at)
    if upload.stage == "done":
        body["outputFiles"] = [
            {"name": PurePosixPath(output["key"]).name, "key": output["key"], "bucket": output["bucket"]}
            for output in _outputs(upload)
        ]
    return body


def unlinked(overview: Body) -> Body:
    """What the multi-file dialect said, without links."""
    files = [
        {**body, "outputFiles": [{key: value for key, value in made.items() if key not in LINKS} for made in outputs]}
        if (outputs := body.get("outputFiles"))
        else body
        for body in overview["files"]
    ]
    return {**overview, "files": files}


def steps(asked: str, log: Sequence[Upload]) -> list[Body]:
    """The multi-file dialect's step messages about one upload, for its whole log."""
    pairs = itertools.pairwise([None, *log])
    return [step for before, upload in pairs if upload for step in _steps(asked, before, upload)]


def _steps(asked: str, before: Upload | None, upload: Upload) -> list[Body]:
    always = {
        "channel": f"upload:{asked}",
        "uploadId": asked,
        "branch": "main",
        "timestamp": iso(upload.updated_at),
        "key": file_key(upload),
    }
    body: list[Body] = []
    if before is None or before.stage in ENDS:
        body.append({"type": "start", "templateId": upload.template, "message": "Processing started"})
    elif (before.stage, upload.stage) in itertools.pairwise(WAY):
        name, _, completed = STEPS[before.stage]
        body.append({"type": "step:done", "step": name, "message": completed})
    if upload.stage not in ENDS and (before is None or before.stage != upload.stage):
        name, begins, _ = STEPS[upload.stage]
        goes_back = before is not None and before.stage in WAY[2:] and upload.stage == "queued"
        body.append({"type": "step:start", "step": name, "message": upload.text if goes_back else begins})
    if upload.stage == "done":
        for output in _outputs(upload):
            name = PurePosixPath(output["key"]).name
            where = {"key": output["key"], "name": name, "bucket": output["bucket"]}
            body.append({"type": "output", "message": "Output file created", **where})
    elif upload.stage in ENDS:
        error = _error(upload)
        details = {"step": STEPS[error["step"]][0], "file": upload.filename}
        body.append({"type": "error", "message": error["message"], "code": error["code"], "details": details})
    return [always | step for step in body]


def ends(logs: Sequence[Sequence[Upload]]) -> list[Body]:
    """The multi-file dialect's step messages about all files of a submission, but for whom they were asked by."""
    latest = [log[-1] for log in logs]
    if any(upload.stage != "done" for upload in latest):
        return []
    at = max(upload.updated_at for upload in latest)
    return [
        {
            "type": "done",
            "branch": "main",
            "timestamp": iso(at),
            "message": "All processing completed successfully",
        }
    ]


def assembly_id(md5s: Sequence[str]) -> str:
    """The id under the template `auto`, in open mode."""
    return sha256(f"{''.join(sorted(md5s))}autoanonymous".encode()).hexdigest()


def assembly(uploads: Sequence[Upload]) -> Body:
    """The assembly dialect, as `timeless` leaves it."""
    received = sum(upload.bytes_received for upload in uploads)
    results: dict[str, list[Body]] = {}
    for upload in uploads:
        for output in _outputs(upload):
            results.setdefault(output["kind"], []).append(_result(upload, output))
    body: Body = {
        "assembly_id": assembly_id([upload.declared_md5 or "" for upload in uploads]),
        "uploads": [_sent(upload) for upload in uploads],
        "results": results,
        "bytes_expected": sum(upload.bytes_expected or 0 for upload in uploads),
        "bytes_received": received,
        "bytes_usage": received + sum(made["size"] for made in itertools.chain(*results.values())),
        "template_id": "auto",
        "branch": "main",
        "user": {"userId": "anonymous"},
        "updated_at": iso(max(upload.updated_at for upload in uploads)),
    }
    failed = next((upload for upload in uploads if row(upload).status == "error"), None)
    if any(upload.stage not in ENDS for upload in uploads):
        return body
    verdict = {"ok": "ASSEMBLY_COMPLETED"}
    if failed:
        verdict = {"error": _error(failed)["message"], "error_code": _error(failed)["code"]}
    return {**body, **verdict, "last_job_completed": body["updated_at"]}


def timeless(status: Body) -> Body:
    """What the assembly dialect said, without links, its sentence, and when it began and for how long it has gone."""
    left_out = ("message", "created_at", "execution_start", "execution_duration")
    results = {
        kind: [{key: value for key, value in result.items() if key != "ssl_url"} for result in made]
        for kind, made in status["results"].items()
    }
    return {**{key: value for key, value in status.items() if key not in left_out}, "results": results}


def _sent(upload: Upload) -> Body:
    return {
        "id": upload.id,
        **_named(upload.filename),
        "size": upload.source.size if upload.source else upload.bytes_expected,
        "mime": upload.source.mime if upload.source else None,
        "field": "file",
        "md5hash": upload.declared_md5,
        "metadata": upload.metadata,
    }


def _result(upload: Upload, output: Body) -> Body:
    name = PurePosixPath(output["key"]).name
    return {
        "id": f"{upload.id}.{name}",
        **_named(name),
        "size": output["size"],
        "mime": output["mime"],
        "field": "file",
        "original_id": upload.id,
        "meta": {name: output[name] for name in ("width", "height", "duration")},
    }


def _named(filename: str) -> Body:
    basename, _, ext = filename.rpartition(".")
    return {"name": filename, "basename": basename, "ext": ext}


def _outputs(upload: Upload) -> list[Body]:
    return list(upload.element["outputs"]) if upload.element else []


def _error(upload: Upload) -> Body:
    assert upload.error is not None
    return dict(upload.error)


def iso(seconds: float) -> str:
    """As JavaScript's `toISOString` writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
