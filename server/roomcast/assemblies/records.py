"""Small records beside the ledger: tasks that were dismissed, imports, and cursors of the progress queue. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from roomcast.assemblies.model import Submission
from roomcast.assemblies.store import Record
from roomcast.runtime.clocks import unix_time
from roomcast.uploads.codec import ExtensibleRecord
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload


@dataclass(frozen=True, kw_only=True)
class DismissedTask(Record):
    """A finished or running upload that the task-polling dialect hides. No other API is affected.

    The record covers one life of the upload: started over, it is a new task. When due, the record may be deleted.
    """

    upload_id: str

    @classmethod
    def new(cls, upload: Upload, *, until: float) -> DismissedTask:
        """Return the record that hides the upload's current life at least until `until`."""
        return cls(id=cls.key_for(upload), group="", created_at=unix_time(), due_at=until, upload_id=upload.id)

    @staticmethod
    def key_for(upload: Upload) -> str:
        """Return the id of the record that hides the upload's current life."""
        return f"{upload.id}.{upload.state.life}"


@dataclass(frozen=True, kw_only=True)
class Import(Record):
    """A file that is to be fetched from `url` into the upload that has the record's id.

    `size` is what the client declared. `etag` is the entity tag of what was fetched. Its group is empty.
    """

    url: str
    size: int | None = None
    etag: str | None = None

    @classmethod
    def new(cls, upload: Upload, url: str) -> Import:
        """Return the record of an import that is due at once."""
        now = unix_time()
        return cls(id=upload.id, group="", created_at=now, due_at=now, url=url, size=upload.bytes_expected)


@dataclass(frozen=True)
class CursorEntry(ExtensibleRecord):
    """The last event of an upload's log whose steps were published."""

    upload_id: str
    epoch: str
    seq: int


@dataclass(frozen=True, kw_only=True)
class PublishCursor(Record):
    """How far the steps of a submission's uploads were published to the progress queue.

    Its id is the submission's. `completed`: the message that all uploads are done was published too.
    """

    sent: tuple[CursorEntry, ...] = ()
    completed: bool = False

    @classmethod
    def new(cls, submission: Submission) -> PublishCursor:
        """Return the cursor of a submission of which nothing was published yet."""
        return cls(id=submission.id, group="", created_at=submission.created_at, due_at=submission.created_at)

    def entry(self, upload_id: str) -> CursorEntry | None:
        """Return the upload's entry, or None if none of its events was published yet."""
        return next((entry for entry in self.sent if entry.upload_id == upload_id), None)

    def advance(self, event: Message) -> PublishCursor:
        """Return the cursor after the steps of `event` were published."""
        others = tuple(entry for entry in self.sent if entry.upload_id != event["uploadId"])
        return replace(self, sent=(*others, CursorEntry(event["uploadId"], event["epoch"], event["seq"])))
