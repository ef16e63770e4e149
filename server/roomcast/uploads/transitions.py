"""Build the changes that the system itself makes: expired leases and reservations, pauses, cancellations. Pure."""

from __future__ import annotations

from dataclasses import replace

from roomcast.errors import Code
from roomcast.uploads.lifecycle import Cancelled, Deleted, Entered, Failed, HandedBack, Paused, Retrying, Stage
from roomcast.uploads.messages import UploadError
from roomcast.uploads.model import Change, Upload, is_resumable

MAX_WORKER_LOSSES = 8
"""How many workers an upload may lose, without results in between, before it fails: the upload itself may be what
kills them."""

_PAUSED = "Waiting for the rest of the file"


def lease_expired(
    upload: Upload, *, cancel_requested: bool, is_planned: bool = False, advanced: bool = False
) -> Change:
    """Return the change for an upload whose lease has expired: cancelled, paused, failed or queued again.

    `is_planned`: its film is compressed in segments, which the next attempt continues. `advanced`: a segment was made
    since the upload was queued after the last loss of a worker.
    """
    if cancel_requested:
        return cancelled(upload.stage)
    if upload.stage is Stage.RECEIVING and is_resumable(upload):
        return Change(Paused(0.0), _PAUSED)
    if upload.stage is Stage.RECEIVING:
        return _failed(upload, Code.WORKER_LOST, "The server stopped while the file was arriving. Send it again.")
    if not advanced and upload.state.losses + 1 >= MAX_WORKER_LOSSES:
        return _failed(upload, Code.WORKER_LOST, "Every worker that processed this upload was lost.")
    resumes = is_planned or upload.playable is not None
    fact = Retrying(failed=False, resumes=resumes, advanced=advanced)
    return Change(fact, "The worker was lost; waiting for another")


def reservation_expired(upload: Upload) -> Change:
    """Return the change for a reservation that has received no byte, or no further byte, in time: failed."""
    text = "The rest of the file never arrived." if upload.bytes_received else "The file never arrived."
    return _failed(upload, Code.STALLED, text)


def paused(upload: Upload, received: int) -> Change:
    """Return the change for a resumable upload whose request ended after `received` bytes."""
    fraction = min(1.0, received / upload.bytes_expected) if upload.bytes_expected else 0.0
    return Change(Paused(fraction), _PAUSED, bytes_received=received)


def cancelled(step: str) -> Change:
    """Return the change for an upload that its owner cancelled during `step`."""
    error: UploadError = {"code": Code.CANCELLED, "message": "Cancelled.", "step": step, "retryable": True}
    return Change(Cancelled(), "Cancelled", error=error)


def deleted(step: Stage, *, expired: bool = False) -> Change:
    """Return the change for an upload that is deleted in the stage `step`: by its owner, or because it expired."""
    text = "Deleted, because the time for which it is stored is over" if expired else "Deleted"
    error: UploadError = {"code": Code.DELETED, "message": f"{text}.", "step": step, "retryable": False}
    return Change(Deleted(), text, error=error)


def concatenated() -> Change:
    """Return the change for a partial upload whose bytes were concatenated into another upload's source."""
    return replace(cancelled(Stage.RECEIVING), text="It has become part of another file")


def honour_cancel(change: Change, step: str, *, cancel_requested: bool) -> Change:
    """Return `change`, or a cancellation if `change` would make a cancelled upload wait for bytes or a worker."""
    waits = change.fact == Entered(Stage.QUEUED) or isinstance(change.fact, Paused | Retrying | HandedBack)
    return cancelled(step) if cancel_requested and waits else change


def _failed(upload: Upload, code: Code, text: str) -> Change:
    error: UploadError = {"code": code, "message": text, "step": upload.stage, "retryable": True}
    return Change(Failed(), text, error=error)
