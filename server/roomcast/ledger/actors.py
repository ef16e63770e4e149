"""Who has caused an event, as text of the form `user alice` or `worker host.12`. Pure."""

from __future__ import annotations

from typing import Any, cast

from roomcast.ledger.lease_tokens import parse_token
from roomcast.runtime.process import process_name
from roomcast.uploads.lifecycle import Stage, is_working
from roomcast.uploads.model import Actor, Upload


def encode_actor(actor: Actor) -> str:
    """Return the text to store."""
    return f"{actor.type} {actor.name}"


def decode_actor(text: str | None) -> Actor | None:
    """Parse stored text; return None if there is none."""
    type_, _, name = (text or "").partition(" ")
    return Actor(cast(Any, type_), name) if name else None


def this_server() -> Actor:
    """Return this process, which acts on its own."""
    return Actor("server", process_name())


def holder_of(token: str, upload: Upload) -> Actor:
    """Return the process that has the lease with this token on the upload."""
    holder, _ = parse_token(token)
    return Actor("worker" if is_working(upload.stage) else "server", holder)


def responsible(after: Upload, actor: Actor | None, writer: Actor, canceller: str | None) -> Actor:
    """Return who has caused the event that leads to `after`: who requested a cancellation, `actor`, or the `writer`."""
    requested = decode_actor(canceller) if after.stage is Stage.CANCELLED else None
    return requested or actor or writer
