"""Server-sent events as the HTML standard defines them. Pure.

A client's position in a stream is `epoch:seq`, the `id` of the last event that it received. A tick has no `id`, so it
leaves the position unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from roomcast.errors import Malformed
from roomcast.ledger.contract import Replay
from roomcast.uploads.lifecycle import TERMINAL_STATUSES
from roomcast.uploads.messages import Message

KEEP_ALIVE = b": keep-alive\n\n"
RETRY = b"retry: 1000\n\n"
"""Makes a client wait a second before it reconnects."""

POSITION_PATTERN = r"(?:([A-Za-z0-9]{1,100}):)?([0-9]{1,15})"
"""The form of an event's `id`."""


@dataclass(frozen=True)
class Position:
    """A client has received the events up to `since` of the log `epoch` (None: of whichever log there is)."""

    since: int
    epoch: str | None = None


def parse_position(last_event_id: str | None) -> Position | None:
    """Return the position in a `Last-Event-ID` header, `epoch:seq` or a plain `seq`; None if there is none. Raise
    `Malformed`."""
    if not last_event_id:
        return None
    found = re.fullmatch(POSITION_PATTERN, last_event_id, re.ASCII)
    if found is None:
        raise Malformed("Last-Event-ID must be the id of an event: epoch:seq, or the seq alone.")
    return Position(int(found[2]), found[1])


def event_id(message: Message) -> str:
    """Return the position of a client that has received this event."""
    return f"{message['epoch']}:{message['seq']}"


def sse_event(name: str, body: Any, identity: str | None = None) -> bytes:
    """Return an event with a JSON body and, unless `identity` is None, an `id`."""
    line = f"id: {identity}\n" if identity else ""
    return f"{line}event: {name}\ndata: ".encode() + orjson.dumps(body) + b"\n\n"


def initial_events(replay: Replay, state: Message, position: Position | None) -> list[tuple[Message, bool]]:
    """Return what a stream sends first: messages, each with whether it is an event.

    A client gets the events after its position and then the latest state. Without a position, or if the log does not
    reach back to it, it gets the state alone. Empty if the client has the terminal event, so that nothing follows.
    """
    if position is None or not replay.gapless:
        return [(state, True)]
    missed = [(message, True) for message in replay.events]
    return missed if state["status"] in TERMINAL_STATUSES else [*missed, (state, False)]
