"""Uploads that one way of listening is to show no more. Everything else knows them as before. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass

from roomcast.assemblies.store import Record
from roomcast.uploads.model import Upload


@dataclass(frozen=True, kw_only=True)
class DismissedTask(Record):
    """One life of one upload: started over, it is a new task. Due when it may itself be dropped."""

    upload_id: str


def dismissed_id(upload: Upload) -> str:
    """The id under which an upload's present life is dismissed."""
    return f"{upload.id}.{upload.state.life}"


def dismissed(upload: Upload, *, until: float) -> DismissedTask:
    """The record that says so, which is looked at again at `until`."""
    return DismissedTask(id=dismissed_id(upload), group="", created_at=time.time(), due_at=until, upload_id=upload.id)
