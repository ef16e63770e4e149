"""Ended uploads that one way of listening is to show no more. Everything else knows them as before. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass

from server.upload.events import Upload
from server.upload.records import Record


@dataclass(frozen=True, kw_only=True)
class Forgotten(Record):
    """One end of one upload: started over, the upload is a new thing. Due when it may itself be dropped."""


def end_of(upload: Upload) -> str:
    """The id under which the end of an upload is forgotten."""
    return f"{upload.id}.{upload.seq}"


def forgotten(upload: Upload, *, until: float) -> Forgotten:
    """The record that says so, for as long as anybody may ask."""
    return Forgotten(id=end_of(upload), group="", created_at=time.time(), due_at=until)
