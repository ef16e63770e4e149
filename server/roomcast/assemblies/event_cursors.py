"""Records beside the ledger: how far an application's listeners were called with the events of each upload. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from roomcast.assemblies.store import Record
from roomcast.runtime.backoff import Backoff
from roomcast.uploads.codec import ExtensibleRecord
from roomcast.uploads.model import Upload

BACKOFF = Backoff(1.0, cap=600.0, jitter=(1.0, 1.25))
LISTENER_GIVE_UP_SECONDS = 86400.0
"""How long a listener that fails is called again with the same event."""


@dataclass(frozen=True)
class ListenerPosition(ExtensibleRecord):
    """The last event that one listener has handled, and how often it has failed with the next one, since when.

    It is called again at `retry_at`. Times are in seconds since the Unix epoch.
    """

    seq: int = 0
    failures: int = 0
    failing_since: float = 0.0
    retry_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EventCursor(Record):
    """The positions of all listeners in one upload's event log, which `epoch` identifies.

    `positions` are by the listeners' names. One that is not among them begins after `settled_seq`, up to which all
    listeners had handled the events at some time. `last` is the upload as it was then, for the event of its deletion.
    """

    upload_id: str
    epoch: str
    positions: Mapping[str, ListenerPosition] = field(default_factory=dict)
    settled_seq: int = 0
    last: Upload | None = None

    @classmethod
    def new(cls, upload: Upload, *, settled_seq: int = 0) -> EventCursor:
        """Return the cursor of an upload; its listeners begin after `settled_seq`."""
        return cls(
            id=cls.key_for(upload),
            group="",
            created_at=upload.created_at,
            due_at=upload.created_at,
            upload_id=upload.id,
            epoch=upload.epoch,
            settled_seq=settled_seq,
        )

    @staticmethod
    def key_for(upload: Upload) -> str:
        """Return the id of an upload's cursor. A later upload with the same id has another one."""
        return f"{upload.id}.{upload.epoch}"

    def position(self, listener: str) -> ListenerPosition:
        """Return the position of a listener."""
        return self.positions.get(listener) or ListenerPosition(self.settled_seq)

    def handled(self, listener: str, seq: int) -> EventCursor:
        """Return the cursor after a listener has handled the events up to `seq`."""
        return self._with(listener, ListenerPosition(max(seq, self.position(listener).seq)))

    def failed(self, listener: str, now: float, *, jitter: float) -> EventCursor:
        """Return the cursor after a listener has failed; `jitter`, from 0 to 1, spreads the next calls."""
        before = self.position(listener)
        failures = before.failures + 1
        return self._with(
            listener,
            replace(
                before,
                failures=failures,
                failing_since=before.failing_since or now,
                retry_at=now + BACKOFF.delay(failures, sample=jitter),
            ),
        )

    def settled(self, upload: Upload) -> EventCursor:
        """Return the cursor after every listener has handled every event of the upload up to its present `seq`."""
        return replace(self, positions={}, settled_seq=upload.seq, last=upload)

    def _with(self, listener: str, position: ListenerPosition) -> EventCursor:
        return replace(self, positions={**self.positions, listener: position})
