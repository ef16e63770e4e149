"""`ROOMCAST_CREATE_URL`: an application in another language checks new uploads. It is a `before_create` function."""

from __future__ import annotations

from typing import Any

from roomcast.errors import Rejected
from roomcast.extensions.auth_url import forwarded_credentials
from roomcast.extensions.contract import NewUpload
from roomcast.json_requests import JsonRequests, NoAnswer
from roomcast.uploads.viewer import Viewer

_REFUSALS = frozenset({400, 401, 402, 403, 409, 413, 415, 422, 451})
"""The statuses with which an application refuses an upload. Others say that something is wrong with the URL."""

_FIELDS = {"template": "template", "metadata": "metadata", "maxBytes": "max_bytes", "prefix": "prefix"}


class UrlCheck:
    """Asks a URL about a new upload, with the cookies and the `Authorization` header of the request.

    It answers 204, or 200 with what it changes: `{"template", "metadata", "maxBytes", "prefix"}`, each optional. Or it
    refuses with a status of `_REFUSALS` and `{"error": {"code", "message"}}`.
    """

    def __init__(self, requests: JsonRequests) -> None:
        self._requests = requests

    async def __call__(self, upload: NewUpload, viewer: Viewer) -> None:
        """Change the upload as the URL answers. Raise `Rejected` and `NoAnswer`."""
        body = {
            "uploadId": upload.id,
            "intake": upload.intake,
            "filename": upload.filename,
            "size": upload.size,
            "md5": upload.md5,
            "partial": upload.partial,
            "template": upload.template,
            "metadata": upload.metadata,
            "maxBytes": upload.max_bytes,
            "prefix": upload.prefix,
            "user": viewer.user,
            "admin": viewer.admin,
        }
        headers = forwarded_credentials(upload.request) if upload.request else {}
        status, answer = await self._requests.send("POST", headers, body)
        if status == 204:
            return
        if status in _REFUSALS:
            raise _rejection(answer)
        if status != 200 or not isinstance(answer, dict):
            raise NoAnswer(f"The URL {self._requests.url} answered with the status {status}, or without a JSON object.")
        for name, attribute in _FIELDS.items():
            if name in answer:
                setattr(upload, attribute, answer[name])


def _rejection(answer: Any) -> Rejected:
    error = answer.get("error") if isinstance(answer, dict) else None
    given = error if isinstance(error, dict) else {}
    try:
        return Rejected(given.get("code", "NOT_ALLOWED"), given.get("message", "You may not send this file."))
    except ValueError as reason:
        raise NoAnswer(str(reason)) from reason
