"""Add URLs to messages. They expire, so they are signed when a message is sent and never stored."""

from __future__ import annotations

from roomcast.media.contract import MediaStore
from roomcast.uploads.messages import Element, Message, Output
from roomcast.uploads.model import Upload, element_type


def with_urls(message: Message, media: MediaStore) -> Message:
    """`message` with a `url` for its poster, its element and each of the element's outputs."""
    if "poster" not in message and "element" not in message:
        return message
    complete = message.copy()
    if poster := message.get("poster"):
        complete["poster"] = _linked(poster, media)
    if element := message.get("element"):
        outputs = [_linked(output, media) for output in element["outputs"]]
        complete["element"] = {**element, "url": outputs[0]["url"], "outputs": outputs}
    return complete


def _linked(output: Output, media: MediaStore) -> Output:
    return {**output, "url": media.url(output["key"])}


def empty_element(upload: Upload) -> Element:
    """Return the element of an upload that has no results yet."""
    return {
        "id": upload.id,
        "type": element_type(upload),
        "filename": upload.filename,
        "url": None,
        "outputs": [],
        "original": {"filename": upload.filename, "size": upload.bytes_expected},
        "saved": None,
    }
