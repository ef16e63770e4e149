"""The assembly dialect: the state of an assembly as clients of Transloadit-like services know it. Pure.

A result is found under its kind (`video`, `poster`, `image` …): that is the step that made it. `ssl_url` holds the
result's key until `linked` puts a URL in its place, for URLs expire and are signed when they are sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from server.upload.assemblies import Submission, ended, first_error, md5_of, succeeded
from server.upload.events import Upload, timestamp
from server.upload.lifecycle import Stage

COMPLETED = "ASSEMBLY_COMPLETED"

Status = dict[str, Any]


def assembly_status(submission: Submission, uploads: Sequence[Upload], *, branch: str) -> Status:
    """The status of an assembly. Sizes in bytes, `execution_duration` in seconds, times in ISO 8601.

    `ok` is there when every upload has its results; `error`, a code, when all have ended and one of them in an error.
    """
    fields = {file.upload_id: file.field for file in submission.files}
    results = _results(uploads, fields)
    received = sum(upload.bytes_received for upload in uploads)
    updated_at = max(upload.updated_at for upload in uploads)
    over = ended(uploads)
    return {
        "assembly_id": submission.assembly_id,
        **_verdict(uploads),
        "message": _message(uploads),
        "uploads": [_upload(upload, fields[upload.id]) for upload in uploads],
        "results": results,
        "bytes_expected": sum(upload.bytes_expected or upload.bytes_received for upload in uploads),
        "bytes_received": received,
        "bytes_usage": received + sum(result["size"] for made in results.values() for result in made),
        "execution_duration": round(max(0.0, updated_at - submission.created_at), 3),
        "execution_start": timestamp(submission.created_at),
        **({"last_job_completed": timestamp(updated_at)} if over else {}),
        "template_id": uploads[0].template,
        "branch": branch,
        "user": submission.owner,
        "created_at": timestamp(submission.created_at),
        "updated_at": timestamp(updated_at),
    }


def linked(status: Status, url: Callable[[str], str]) -> Status:
    """The status with a URL for each result."""
    results = {
        step: [{**result, "ssl_url": url(result["ssl_url"])} for result in made]
        for step, made in status["results"].items()
    }
    return {**status, "results": results}


def entity_tag(uploads: Sequence[Upload], *, edition: int) -> str:
    """The status's weak entity tag, from where its uploads are in their logs; nothing is rendered for it.

    `edition` counts the times at which the links change although nothing else does.
    """
    positions = [f"{upload.id} {upload.epoch}:{upload.seq} {upload.updated_at!r}" for upload in uploads]
    digest = hashlib.sha256("\n".join([str(edition), *positions]).encode()).hexdigest()
    return f'W/"{digest[:32]}"'


def _verdict(uploads: Sequence[Upload]) -> dict[str, Any]:
    if succeeded(uploads):
        return {"ok": COMPLETED}
    return {"error": first_error(uploads)["code"]} if ended(uploads) else {}


def _message(uploads: Sequence[Upload]) -> str:
    if succeeded(uploads):
        return "The assembly is complete."
    if ended(uploads):
        return str(first_error(uploads)["message"])
    done = sum(upload.stage is Stage.DONE for upload in uploads)
    busy = next(upload for upload in uploads if not upload.state.terminal)
    return f"{done} of {len(uploads)} files done. {busy.filename}: {busy.text}."


def _upload(upload: Upload, field: str) -> dict[str, Any]:
    source = upload.source
    original = (upload.element or {}).get("original", {})
    return {
        "id": upload.id,
        **_named(upload.filename),
        "size": source.size if source else upload.bytes_expected,
        "mime": source.mime if source else None,
        "field": field,
        "md5hash": md5_of(upload),
        **_meta(original),
    }


def _results(uploads: Sequence[Upload], fields: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Every output of the uploads that have some, by step."""
    results: dict[str, list[dict[str, Any]]] = {}
    for upload in uploads:
        for output in upload.element["outputs"] if upload.element else ():
            name = PurePosixPath(output["key"]).name
            results.setdefault(output["kind"], []).append(
                {
                    "id": f"{upload.id}.{name}",
                    **_named(name),
                    "size": output["size"],
                    "mime": output["mime"],
                    "field": fields[upload.id],
                    "original_id": upload.id,
                    "ssl_url": output["key"],
                    **_meta(output),
                }
            )
    return results


def _named(filename: str) -> dict[str, str]:
    path = PurePosixPath(filename)
    return {"name": filename, "basename": path.stem, "ext": path.suffix.removeprefix(".").lower()}


def _meta(known: dict[str, Any]) -> dict[str, Any]:
    """`meta`, with what is known of width, height (pixels) and duration (seconds); nothing when nothing is."""
    meta = {name: known[name] for name in ("width", "height", "duration") if known.get(name) is not None}
    return {"meta": meta} if meta else {}
