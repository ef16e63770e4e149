"""Uploads whose stored record is damaged. Each is shown as a failed upload, and delays no other.

Reading never changes a record. Where a damaged one would be worked on, because a worker claims it or its lease or its
reservation has expired, the ledger *sets it aside*: it appends the event that the upload has failed, and stores the
damaged record beside the new one.
"""

from __future__ import annotations

from typing import Any

import orjson
import structlog

from roomcast.errors import Code, NotFound, UnreadableRecord
from roomcast.uploads.lifecycle import Stage, State
from roomcast.uploads.model import Upload, decode, error_body

log = structlog.get_logger(__name__)

_UNKNOWN_EPOCH = "unreadable"
_MAX_LOGGED = 1000
_logged: dict[str, None] = {}


def read_upload(record: bytes, *, upload_id: str, seq: int | None) -> Upload | None:
    """Return the upload of a stored record, or None if the record is damaged. `seq` is that of the last event, if it
    is known."""
    try:
        upload = decode(record)
    except UnreadableRecord:
        return None
    return upload if upload.id == upload_id and seq in (None, upload.seq) else None


def unreadable_upload(record: bytes, *, upload_id: str, owner: str, created_at: float, seq: int) -> Upload:
    """Return a failed upload that stands for a damaged record, with what can still be read from it.

    The other arguments are stored outside the record. The first call for an upload logs the damage.
    """
    if upload_id not in _logged:
        _logged[upload_id] = None
        if len(_logged) > _MAX_LOGGED:
            del _logged[next(iter(_logged))]
        log.error("record_unreadable", upload=upload_id, record=record[:2000].decode("utf-8", "replace"))
    raw = _object(record)
    state = raw["state"] if isinstance(raw.get("state"), dict) else {}
    error = UnreadableRecord("The server cannot read what it has stored about this upload. Send the file again.")
    attempt = state.get("attempt")
    return Upload(
        id=upload_id,
        owner=owner,
        template=_text(raw, "template"),
        filename=_text(raw, "filename"),
        epoch=_text(raw, "epoch") or _UNKNOWN_EPOCH,
        created_at=created_at,
        updated_at=created_at,
        seq=seq,
        # Every attempt has an event of its own, so there were at most `seq` of them.
        state=State(Stage.FAILED, attempt=attempt if isinstance(attempt, int) else seq),
        text=error.message,
        submission=_text(raw, "submission") or None,
        folder=_text(raw, "folder"),
        error=error_body(error, Stage(_text(state, "stage") or Stage.QUEUED)),
    )


def is_unreadable(upload: Upload) -> bool:
    """Return whether the upload stands for a damaged record, which may be set aside by now."""
    return upload.error is not None and upload.error["code"] == Code.UNREADABLE_RECORD


def refuse_unreadable(upload: Upload) -> None:
    """Raise `UnreadableRecord` for an upload that stands for a damaged record, and `NotFound` for a deleted one."""
    if is_unreadable(upload):
        raise UnreadableRecord("What is stored about the upload is damaged.")
    if upload.stage is Stage.DELETED:
        raise NotFound("The upload is deleted.")


def _object(record: bytes) -> dict[str, Any]:
    try:
        raw = orjson.loads(record)
    except orjson.JSONDecodeError:
        return {}
    return raw if isinstance(raw, dict) else {}


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""
