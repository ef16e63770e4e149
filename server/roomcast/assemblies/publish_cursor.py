"""How far the steps of a submission's uploads were sent to the progress queue. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from roomcast.assemblies.model import Submission
from roomcast.assemblies.store import Record
from roomcast.uploads.messages import Message


@dataclass(frozen=True)
class Sent:
    """The last event of an upload's log whose steps were sent."""

    upload_id: str
    epoch: str
    seq: int


@dataclass(frozen=True, kw_only=True)
class Sending(Record):
    """A submission's progress on its way to the queue. Its id is the submission's. `completed`: that all its uploads
    are done was sent too."""

    sent: tuple[Sent, ...] = ()
    completed: bool = False

    def of(self, upload_id: str) -> Sent | None:
        """How far this upload is."""
        return next((sent for sent in self.sent if sent.upload_id == upload_id), None)


def sending_of(submission: Submission) -> Sending:
    """Nothing was sent yet."""
    return Sending(id=submission.id, group="", created_at=submission.created_at, due_at=submission.created_at)


def further(sending: Sending, event: Message) -> Sending:
    """The steps of `event` were sent too."""
    others = tuple(sent for sent in sending.sent if sent.upload_id != event["uploadId"])
    return replace(sending, sent=(*others, Sent(event["uploadId"], event["epoch"], event["seq"])))
