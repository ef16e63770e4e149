"""Check the shape of a server's answers.

A server of another version, or another program at the address, may answer with JSON that the client cannot use. That is
an error of the connection, with a sentence, and not a `KeyError` somewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from roomcast.client.errors import NETWORK, ClientError

if TYPE_CHECKING:  # it imports pydantic
    from roomcast.uploads.messages import Message

_NUMBER = (int, float)
_MESSAGE: Mapping[str, type | tuple[type, ...]] = {
    "uploadId": str,
    "seq": int,
    "epoch": str,
    "status": str,
    "stage": str,
    "progress": _NUMBER,
    "stageProgress": _NUMBER,
    "filename": str,
    "metadata": dict,
    "bytesReceived": int,
    "bytesExpected": (int, type(None)),
    "attempt": int,
    "updatedAt": str,
    "eta": (*_NUMBER, type(None)),
    "speed": (*_NUMBER, type(None)),
    "queuePosition": (int, type(None)),
}
_ERROR: Mapping[str, type | tuple[type, ...]] = {"code": str, "message": str, "retryable": bool}


def parsed(text: str) -> Any:
    """Return what the JSON text stands for. Raise `ClientError` for anything else."""
    try:
        return json.loads(text)
    except ValueError:
        raise _unexpected("data") from None


def field(answer: Any, name: str) -> Any:
    """Return a field of an answer. Raise `ClientError` for an answer that has none."""
    if not isinstance(answer, dict) or name not in answer:
        raise _unexpected(name)
    return answer[name]


def list_field(answer: Any, name: str) -> list[Any]:
    """Return a field of an answer that is a list. Raise `ClientError` for anything else."""
    found = field(answer, name)
    if not isinstance(found, list):
        raise _unexpected(name)
    return found


def upload_message(answer: Any) -> Message:
    """Return an answer that is the state of an upload. Raise `ClientError` for anything else."""
    _check(answer, _MESSAGE)
    try:
        datetime.fromisoformat(answer["updatedAt"])
    except ValueError:
        raise _unexpected("updatedAt") from None
    if answer["status"] == "error":
        _check(field(answer, "error"), _ERROR)
    if "element" in answer:
        list_field(answer["element"], "outputs")
    return cast("Message", answer)


def _check(answer: Any, fields: Mapping[str, type | tuple[type, ...]]) -> None:
    for name, expected in fields.items():
        if not isinstance(field(answer, name), expected):
            raise _unexpected(name)


def _unexpected(name: str) -> ClientError:
    return ClientError(
        NETWORK, f"The server's answer has no valid {name!r}. Is it a Roomcast server of the same version?"
    )
