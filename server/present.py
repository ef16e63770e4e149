"""The message as a client gets it: the ledger's, with URLs, which are signed at the moment of sending."""

from __future__ import annotations

from typing import Any

from server.upload.events import Message, Upload
from server.upload.media import MediaStore


def present(message: Message, media: MediaStore) -> Message:
    """`message` with a `url` for its element and each of its outputs."""
    element = message.get("element")
    if not element:
        return message
    outputs = [{**output, "url": media.url(output["key"])} for output in element["outputs"]]
    return {**message, "element": {**element, "url": outputs[0]["url"], "outputs": outputs}}


def fresh_element(upload: Upload) -> dict[str, Any]:
    """The element of an upload that has no results yet."""
    return {
        "id": upload.id,
        "type": upload.template,
        "filename": upload.filename,
        "url": None,
        "outputs": [],
        "original": {"filename": upload.filename, "size": upload.bytes_expected},
        "saved": None,
    }
