"""Create the records of new uploads, and the responses about them."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from secrets import token_hex
from typing import Any

from aiohttp import web
from typing_extensions import TypedDict, Unpack

from roomcast.credentials import current_caller
from roomcast.errors import RoomcastError
from roomcast.extensions.calls import FunctionCalls
from roomcast.extensions.contract import BeforeCreate, Intake, NewUpload
from roomcast.http.responses import json_response
from roomcast.http.schema import UploadEntry, UploadResponse
from roomcast.media.links import empty_element
from roomcast.media.result_keys import check_prefix
from roomcast.runtime.clocks import unix_time
from roomcast.tracing import traceparent
from roomcast.uploads.filenames import clean_filename
from roomcast.uploads.metadata import check_metadata
from roomcast.uploads.model import TusState, Upload, message, new_upload_id
from roomcast.uploads.templates import Template, Templates
from roomcast.uploads.viewer import Viewer


class Declared(TypedDict, total=False):
    """What a client may declare about a file. The metadata is checked already."""

    size: int | None
    md5: str | None
    chosen_id: str | None
    metadata: Mapping[str, Any]
    resumable: TusState | None
    imported: bool


def new_upload(viewer: Viewer, template: Template, filename: str | None, **declared: Unpack[Declared]) -> Upload:
    """Return the record of a file that is not here yet."""
    now = unix_time()
    md5 = declared.get("md5")
    return Upload(
        id=declared.get("chosen_id") or new_upload_id(),
        owner=viewer.user,
        template=template.name,
        filename=clean_filename(filename),
        epoch=token_hex(4),
        created_at=now,
        updated_at=now,
        bytes_expected=declared.get("size"),
        priority=template.priority,
        declared_md5=md5.lower() if md5 else None,
        metadata=dict(declared.get("metadata") or {}),
        resumable=declared.get("resumable"),
        imported=declared.get("imported", False),
        traceparent=traceparent(),
    )


class NewUploads:
    """Makes the records of new uploads, of which the application's checks decide."""

    def __init__(self, templates: Templates, checks: Sequence[BeforeCreate], calls: FunctionCalls) -> None:
        self._templates = templates
        self._checks = checks
        self._calls = calls
        self.checked = bool(checks)
        """Whether there are checks, which must know all about an upload before its first byte is stored."""

    async def make(
        self, viewer: Viewer, template: Template, filename: str | None, intake: Intake, **declared: Unpack[Declared]
    ) -> Upload:
        """Return the record of a file that is not here yet, as the checks have left it.

        Raise `Rejected` for one that a check refuses, and `HookFailed` when a check fails or makes something impossible
        of it.
        """
        upload = new_upload(viewer, template, filename, **declared)
        for check in self._checks:
            asked = NewUpload(
                id=upload.id,
                intake=intake,
                filename=upload.filename,
                size=upload.bytes_expected,
                md5=upload.declared_md5,
                partial=upload.is_partial,
                request=current_caller.get(),
                template=upload.template,
                metadata=deepcopy(upload.metadata),
                max_bytes=upload.max_bytes,
                prefix=upload.prefix,
            )
            if await self._calls.call(check, asked, viewer) is not None:  # such as False, meant as a refusal
                raise self._calls.fail(
                    check, "The function must return None. To refuse the upload, it raises Rejected."
                )
            try:
                upload = _changed(upload, asked, self._templates)
            except (RoomcastError, ValueError) as error:
                raise self._calls.fail(check, str(error)) from error
        return upload

    async def make_all(self, uploads: Iterable[Awaitable[Upload]]) -> list[Upload]:
        """Return the records of the files of one request; raise `HookFailed` unless they have one template."""
        made = [await upload for upload in uploads]
        for upload in made:
            self.check_same_template(made[0], upload)
        return made

    def check_same_template(self, first: Upload, other: Upload) -> None:
        """Raise `HookFailed` unless a check has left two files of one request with one template, as an assembly has."""
        if other.template != first.template:
            raise self._calls.fail(self._checks[-1], "The files of one request were given different templates.")


def _changed(upload: Upload, asked: NewUpload, templates: Templates) -> Upload:
    """Return the record with what a check has changed. Raise `RoomcastError` or `ValueError` for what is not valid."""
    limit = asked.max_bytes
    if limit is not None and (type(limit) is not int or not 0 < limit < 1 << 63):
        raise ValueError("The limit max_bytes must be a positive int of at most 63 bits, or None.")
    template = templates.get(asked.template if isinstance(asked.template, str) else repr(asked.template))
    return replace(
        upload,
        template=template.name,
        priority=template.priority,
        metadata=check_metadata(asked.metadata),
        max_bytes=limit,
        prefix=check_prefix(asked.prefix),
    )


def upload_entry(upload: Upload) -> UploadEntry:
    """Return the entry of a file in the response to a form or a reservation."""
    return {"uploadId": upload.id, "filename": upload.filename}


def upload_response(text: str, uploads: Sequence[Upload], assembly_id: str | None) -> UploadResponse:
    """Return the response about files of one request."""
    first = uploads[0]
    return {
        "message": text,
        "element": empty_element(first),
        "uploadId": first.id,
        "task_id": first.id,
        "assemblyId": assembly_id,
        "state": message(first),
        "uploads": [upload_entry(upload) for upload in uploads],
    }


def accepted(uploads: Sequence[Upload], assembly_id: str | None) -> web.Response:
    """Return the 202 response for files that are stored and queued."""
    return json_response(upload_response("Accepted", uploads, assembly_id), status=202)
