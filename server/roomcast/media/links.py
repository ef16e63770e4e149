"""The message as a client gets it: the ledger's, with URLs, which are signed at the moment of sending."""

from __future__ import annotations

from roomcast.media.contract import MediaStore
from roomcast.uploads.messages import Element, Message, Output
from roomcast.uploads.model import Upload, element_type


def present(message: Message, media: MediaStore) -> Message:
    """`message` with a `url` for its poster, its element and each of the element's outputs."""
    if "poster" not in message and "element" not in message:
        return message
    shown = message.copy()
    if poster := message.get("poster"):
        shown["poster"] = _linked(poster, media)
    if element := message.get("element"):
        outputs = [_linked(output, media) for output in element["outputs"]]
        shown["element"] = {**element, "url": outputs[0]["url"], "outputs": outputs}
    return shown


def _linked(output: Output, media: MediaStore) -> Output:
    return {**output, "url": media.url(output["key"])}


def empty_element(upload: Upload) -> Element:
    """The element of an upload that has no results yet."""
    return {
        "id": upload.id,
        "type": element_type(upload),
        "filename": upload.filename,
        "url": None,
        "outputs": [],
        "original": {"filename": upload.filename, "size": upload.bytes_expected},
        "saved": None,
    }
