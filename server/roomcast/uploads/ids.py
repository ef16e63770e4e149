"""Define what the id of an upload looks like: made by the server, or chosen by its client. Pure."""

from __future__ import annotations

import re

SERVER_MADE = r"upload_[0-9a-f]{32}"
CLIENT_CHOSEN = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
"""A version-4 UUID, as `crypto.randomUUID()` writes it."""

_UPLOAD_ID = re.compile(f"{SERVER_MADE}|{CLIENT_CHOSEN}", re.ASCII)


def is_upload_id(value: str) -> bool:
    """Tell whether `value` has the form of an upload's id."""
    return _UPLOAD_ID.fullmatch(value) is not None
