"""URLs in messages: the ledger's messages have keys of results, and clients get URLs that are signed when sent."""

from __future__ import annotations

from roomcast.media.contract import MediaStore
from roomcast.media.result_keys import is_saved
from roomcast.uploads.messages import Element, Message, Output, timestamp
from roomcast.uploads.model import Upload, element_type


def with_urls(message: Message, media: MediaStore) -> Message:
    """Return `message` with a `url` for its poster, its playlist, its element and each output, which has a
    `downloadUrl`, too; and with the time at which those of the element expire, if they do."""
    if "poster" not in message and "playable" not in message and "element" not in message:
        return message
    copy = message.copy()
    if poster := message.get("poster"):
        copy["poster"] = _with_url(poster, media)
    if playable := message.get("playable"):
        copy["playable"] = {**playable, "url": media.server_url(playable["key"], longer=playable.get("duration", 0.0))}
    if element := message.get("element"):
        outputs = [_with_urls(output, media) for output in element["outputs"]]
        expires_at = media.urls_expire_at()
        signed: Element = {**element, "url": outputs[0]["url"], "outputs": outputs}
        copy["element"] = {**signed, "urlsExpireAt": timestamp(expires_at)} if expires_at is not None else signed
    return copy


def _with_urls(output: Output, media: MediaStore) -> Output:
    named, key = _with_url(output, media), output["key"]
    return {**named, "downloadUrl": media.download_url(key)} if is_saved(key) else named


def _with_url(output: Output, media: MediaStore) -> Output:
    return {**output, "url": media.url(output["key"], longer=output.get("duration") or 0.0)}


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
