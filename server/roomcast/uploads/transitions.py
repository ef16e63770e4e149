"""What becomes of an upload that nobody works on any more. Pure."""

from __future__ import annotations

from dataclasses import replace

from roomcast.errors import Code
from roomcast.ledger.contract import DELIVERIES
from roomcast.uploads.lifecycle import Cancelled, Entered, Failed, HandedBack, Paused, Retrying, Stage
from roomcast.uploads.messages import UploadError
from roomcast.uploads.model import Change, Upload, waits_for_more

_PAUSED = "Waiting for the rest of the file"


def lapsed(upload: Upload, *, cancel_requested: bool) -> Change:
    """The event for an upload whose lease lapsed."""
    if cancel_requested:
        return cancelled(upload.stage)
    if upload.stage is Stage.RECEIVING and waits_for_more(upload):
        return Change(Paused(0.0), _PAUSED)
    if upload.stage is Stage.RECEIVING:
        return _failed(upload, Code.WORKER_LOST, "The server stopped while the file was arriving. Send it again.")
    if upload.state.attempt >= DELIVERIES:
        return _failed(upload, Code.WORKER_LOST, "The workers that had this upload were lost again and again.")
    return Change(Retrying(failed=False), "The worker was lost; waiting for another")


def unused(upload: Upload) -> Change:
    """The event for a reservation for which no byte, or no more of them, came."""
    text = "The rest of the file never arrived." if upload.bytes_received else "The file never arrived."
    return _failed(upload, Code.STALLED, text)


def paused(upload: Upload, received: int) -> Change:
    """The event for a resumable upload of which `received` bytes are here, and to which nobody sends any more now."""
    fraction = min(1.0, received / upload.bytes_expected) if upload.bytes_expected else 0.0
    return Change(Paused(fraction), _PAUSED, bytes_received=received)


def cancelled(step: Stage) -> Change:
    """The event for an upload that its owner gave up while it was in `step`."""
    error: UploadError = {"code": Code.CANCELLED, "message": "Cancelled.", "step": step, "retryable": True}
    return Change(Cancelled(), "Cancelled", error=error)


def joined() -> Change:
    """The event for an upload whose bytes have become part of another's."""
    return replace(cancelled(Stage.RECEIVING), text="It has become part of another file")


def heeding(change: Change, step: Stage, *, cancel_requested: bool) -> Change:
    """`change`, unless it would send an upload back to waiting that its owner has given up meanwhile."""
    waits = change.fact == Entered(Stage.QUEUED) or isinstance(change.fact, Paused | Retrying | HandedBack)
    return cancelled(step) if cancel_requested and waits else change


def _failed(upload: Upload, code: Code, text: str) -> Change:
    error: UploadError = {"code": code, "message": text, "step": upload.stage, "retryable": True}
    return Change(Failed(), text, error=error)
