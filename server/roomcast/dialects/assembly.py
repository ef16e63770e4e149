"""The assembly dialect: the status of an assembly as clients of Transloadit-like services expect it. Pure.

Results are grouped by their kind (`video`, `poster`, `image` …), which is the step that made them. `ssl_url` holds the
key of a result until `with_result_urls` replaces it, because URLs expire and are signed when they are sent.
"""

# ruff: noqa: N815  (the dialect's spelling)

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from roomcast.assemblies.model import Submission, all_completed, all_terminal, first_error, md5_of
from roomcast.errors import Code, Problem
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.messages import (
    AssemblyId,
    Bytes,
    ErrorCode,
    Hex,
    Metadata,
    Shape,
    Timestamp,
    UploadId,
    Url,
    timestamp,
)
from roomcast.uploads.model import Upload

ASSEMBLY_COMPLETED: Literal["ASSEMBLY_COMPLETED"] = "ASSEMBLY_COMPLETED"


class UserReference(Shape):
    """The owner of an assembly or a submission."""

    userId: Annotated[str, Field(examples=["anonymous"])]


class Meta(Shape, total=False):
    """The dimensions and duration of a file, as far as they are known."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    duration: float
    """Seconds."""


class FileNames(Shape):
    """A file's name, and its parts."""

    name: Annotated[str, Field(examples=["holiday.mov"])]
    basename: Annotated[str, Field(examples=["holiday"])]
    ext: Annotated[str, Field(examples=["mov"])]


class WithMeta(Shape, total=False):
    """A file whose dimensions or duration may be known."""

    meta: Meta


class AssemblyUpload(FileNames, WithMeta):
    """A file that was uploaded."""

    id: UploadId
    size: Bytes | None
    mime: str | None
    field: Annotated[str, Field(examples=["file"])]
    """The field of the form."""
    md5hash: Hex | None
    metadata: Metadata


class AssemblyResult(FileNames, WithMeta):
    """A result."""

    id: str
    size: Bytes
    mime: str
    field: Annotated[str, Field(examples=["file"])]
    original_id: UploadId
    ssl_url: Url


class AssemblyOutcome(Shape, total=False):
    """How an assembly ended; empty until it has."""

    ok: Literal["ASSEMBLY_COMPLETED"]
    """Every upload has its results."""
    error: Annotated[str, Field(examples=["The file is broken."])]
    """Why the first failed upload failed, for a person. Present when all uploads have ended."""
    error_code: ErrorCode
    """The stable code of that error."""
    last_job_completed: Timestamp
    """When the last upload ended."""


class AssemblyStatus(AssemblyOutcome):
    """The status of an assembly."""

    assembly_id: AssemblyId
    message: str
    uploads: list[AssemblyUpload]
    results: dict[str, list[AssemblyResult]]
    """By the step that made them."""
    bytes_expected: Bytes
    bytes_received: Bytes
    bytes_usage: Bytes
    """Of the uploaded files and the results."""
    execution_duration: Annotated[float, Field(ge=0)]
    """Seconds."""
    execution_start: Timestamp
    template_id: Annotated[str, Field(examples=["hero-video"])]
    branch: Annotated[str, Field(examples=["main"])]
    user: UserReference
    created_at: Timestamp
    updated_at: Timestamp


class AssemblyProblem(Shape):
    """The body of an error response. The stable code is in the header `X-Error-Code`."""

    error: Annotated[str, Field(examples=["Access denied"])]


class AssemblyRefusal(AssemblyProblem):
    """One of several assemblies whose status cannot be answered."""

    assembly_id: str
    error_code: ErrorCode
    message: str


_TEXTS: dict[str, str] = {Code.UNAUTHENTICATED: "Authentication required", Code.FORBIDDEN: "Access denied"}
"""Messages that clients of the dialect compare with; every other error has its own message."""


ID_MISSING = "Name an assembly: ?assemblyId=…"
"""The message for a request without an id, which clients of the dialect compare with too."""


def assembly_status(submission: Submission, uploads: Sequence[Upload], *, branch: str) -> AssemblyStatus:
    """Return the current status of an assembly."""
    fields = {file.upload_id: file.field for file in submission.files}
    results = _results(uploads, fields)
    received = sum(upload.bytes_received for upload in uploads)
    updated_at = max(upload.updated_at for upload in uploads)
    return {
        "assembly_id": submission.group,
        **_outcome(uploads, updated_at),
        "message": _message(uploads),
        "uploads": [_upload(upload, fields[upload.id]) for upload in uploads],
        "results": results,
        "bytes_expected": sum(upload.bytes_expected or upload.bytes_received for upload in uploads),
        "bytes_received": received,
        "bytes_usage": received + sum(result["size"] for made in results.values() for result in made),
        "execution_duration": round(max(0.0, updated_at - submission.created_at), 3),
        "execution_start": timestamp(submission.created_at),
        "template_id": uploads[0].template,
        "branch": branch,
        "user": {"userId": submission.owner},
        "created_at": timestamp(submission.created_at),
        "updated_at": timestamp(updated_at),
    }


def with_result_urls(status: AssemblyStatus, url: Callable[[str], str]) -> AssemblyStatus:
    """Return the status with a URL for each result."""
    results: dict[str, list[AssemblyResult]] = {
        step: [{**result, "ssl_url": url(result["ssl_url"])} for result in made]
        for step, made in status["results"].items()
    }
    return {**status, "results": results}


def render_assembly_error(problem: Problem) -> AssemblyProblem:
    """Return the body of an error response."""
    return {"error": _TEXTS.get(problem["code"], problem["message"])}


def assembly_refusal(assembly_id: str, problem: Problem) -> AssemblyRefusal:
    """Return the entry, in a list of assemblies, of one whose status cannot be answered."""
    return {
        **render_assembly_error(problem),
        "assembly_id": assembly_id,
        "error_code": problem["code"],
        "message": problem["message"],
    }


def entity_tag(uploads: Sequence[Upload], *, edition: int) -> str:
    """Return the weak entity tag of a status. It depends on the uploads' positions in their logs, so that nothing is
    rendered for it, and on `edition`, which changes when only the links do.
    """
    positions = [f"{upload.id} {upload.epoch}:{upload.seq} {upload.updated_at!r}" for upload in uploads]
    digest = hashlib.sha256("\n".join([str(edition), *positions]).encode()).hexdigest()
    return f'W/"{digest[:32]}"'


def _outcome(uploads: Sequence[Upload], updated_at: float) -> AssemblyOutcome:
    if not all_terminal(uploads):
        return {}
    last: AssemblyOutcome = {"last_job_completed": timestamp(updated_at)}
    if all_completed(uploads):
        return {**last, "ok": ASSEMBLY_COMPLETED}
    error = first_error(uploads)
    return {**last, "error": error["message"], "error_code": error["code"]}


def _message(uploads: Sequence[Upload]) -> str:
    if all_completed(uploads):
        return "The assembly is complete."
    if all_terminal(uploads):
        return str(first_error(uploads)["message"])
    done = sum(upload.stage is Stage.DONE for upload in uploads)
    busy = next(upload for upload in uploads if not upload.state.terminal)
    return f"{done} of {len(uploads)} files done. {busy.filename}: {busy.text}."


def _upload(upload: Upload, field: str) -> AssemblyUpload:
    source = upload.source
    return {
        "id": upload.id,
        **_file_names(upload.filename),
        "size": source.size if source else upload.bytes_expected,
        "mime": source.mime if source else None,
        "field": field,
        "md5hash": md5_of(upload),
        "metadata": upload.metadata,
        **_meta((upload.element or {}).get("original", {})),
    }


def _results(uploads: Sequence[Upload], fields: dict[str, str]) -> dict[str, list[AssemblyResult]]:
    """Return the outputs of all uploads by step."""
    results: dict[str, list[AssemblyResult]] = {}
    for upload in uploads:
        for output in upload.element["outputs"] if upload.element else ():
            results.setdefault(output["kind"], []).append(_result(upload, output, fields[upload.id]))
    return results


def _result(upload: Upload, output: dict[str, Any], field: str) -> AssemblyResult:
    name = PurePosixPath(output["key"]).name
    return {
        "id": f"{upload.id}.{name}",
        **_file_names(name),
        "size": output["size"],
        "mime": output["mime"],
        "field": field,
        "original_id": upload.id,
        "ssl_url": output["key"],
        **_meta(output),
    }


def _file_names(filename: str) -> FileNames:
    path = PurePosixPath(filename)
    return {"name": filename, "basename": path.stem, "ext": path.suffix.removeprefix(".").lower()}


def _meta(known: dict[str, Any]) -> WithMeta:
    """Return `meta` with the known fields; nothing if none is known."""
    meta = {name: known[name] for name in Meta.__annotations__ if known.get(name) is not None}
    return {"meta": cast(Meta, meta)} if meta else {}
