"""The queries and the cursors of lists of uploads."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from roomcast.errors import Malformed
from roomcast.ledger.contract import UploadFilter
from roomcast.uploads.model import Upload

ListPosition = tuple[float, str]
"""Where an upload is in the lists: the time of its creation, and its id."""


def listing_query(
    wanted: UploadFilter, after: ListPosition | None, *, oldest_first: bool, limit: int
) -> tuple[str, dict[str, Any]]:
    """Return the query, with its values, for the rows after a position that may match. Only indexed columns count."""
    order, comparison = ("ASC", ">") if oldest_first else ("DESC", "<")
    status = wanted.possible_status
    conditions = [
        f"(created_at, id) {comparison} (:created_at, :id)" if after else "",
        "owner = :owner" if wanted.owner is not None else "",
        "status = :status" if status else "",
        "created_at >= :since" if wanted.since is not None else "",
    ]
    where = " AND ".join(filter(None, conditions)) or "TRUE"
    query = (
        f"SELECT id, owner, created_at, record FROM uploads WHERE {where}"  # noqa: S608  (no value is in it)
        f" ORDER BY created_at {order}, id {order} LIMIT :limit"
    )
    created_at, upload_id = after or (0.0, "")
    return query, {
        "created_at": created_at,
        "id": upload_id,
        "owner": wanted.owner,
        "status": status,
        "since": wanted.since,
        "limit": limit,
    }


def as_cursor(upload: Upload) -> str:
    """Return the cursor of a page that follows this upload."""
    return base64.urlsafe_b64encode(orjson.dumps([upload.created_at, upload.id])).decode()


def parse_cursor(cursor: str) -> ListPosition:
    """Return the position that a cursor stands for. Raise `Malformed` for an invalid one."""
    try:
        created_at, upload_id = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
        return float(created_at), str(upload_id)
    except (ValueError, TypeError) as error:
        raise Malformed("The cursor is invalid.") from error
