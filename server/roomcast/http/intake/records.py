"""Create the records of new uploads, and the responses about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any

from aiohttp import web

from roomcast.http.responses import json_response
from roomcast.http.schema import UploadEntry, UploadResponse
from roomcast.media.links import empty_element
from roomcast.runtime.clocks import unix_time
from roomcast.uploads.filenames import clean_filename
from roomcast.uploads.model import Upload, message, new_upload_id
from roomcast.uploads.templates import Template
from roomcast.uploads.viewer import Viewer


def new_upload(
    viewer: Viewer,
    template: Template,
    filename: str | None,
    *,
    size: int | None = None,
    md5: str | None = None,
    chosen_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Upload:
    """Return the record of a file that is not here yet. `size` and `md5` are what the client declares, and `metadata`
    is checked already."""
    now = unix_time()
    return Upload(
        id=chosen_id or new_upload_id(),
        owner=viewer.user,
        template=template.name,
        filename=clean_filename(filename),
        epoch=token_hex(4),
        created_at=now,
        updated_at=now,
        bytes_expected=size,
        priority=template.priority,
        declared_md5=md5.lower() if md5 else None,
        metadata=dict(metadata or {}),
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
