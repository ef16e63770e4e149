"""Server-sent events on the wire, after the HTML standard. Pure.

A stream's position is `epoch:seq`, the `id` of the event that brought its client there. What has no `id` (a tick)
leaves the position where it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from roomcast.errors import Malformed
from roomcast.ledger.contract import Replay
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import Message

KEEP_ALIVE = b": keep-alive\n\n"
RETRY = b"retry: 1000\n\n"
"""A second's pause before a client connects again."""

POSITION = r"(?:([A-Za-z0-9]{1,100}):)?([0-9]{1,15})"
"""What an event's `id` looks like."""


@dataclass(frozen=True)
class Position:
    """Where a client stands: behind event `since` of the log `epoch` (None: whichever the log's is)."""

    since: int
    epoch: str | None = None


def position(last_event_id: str | None) -> Position | None:
    """The position in a `Last-Event-ID` header, `epoch:seq` or a plain `seq`; None where there is none. Raises
    `Malformed`."""
    if not last_event_id:
        return None
    found = re.fullmatch(POSITION, last_event_id, re.ASCII)
    if found is None:
        raise Malformed("Last-Event-ID must be the id of an event: epoch:seq, or the seq alone.")
    return Position(int(found[2]), found[1])


def event(name: str, body: Any, *, at: Message | None = None) -> bytes:
    """One event with a JSON body; with `at`, it takes its client to that message's position."""
    return identified_event(name, body, mark(at) if at else None)


def identified_event(name: str, body: Any, identity: str | None) -> bytes:
    """One event with a JSON body and, if it takes its client anywhere, the position that it leads to."""
    line = f"id: {identity}\n" if identity else ""
    return f"{line}event: {name}\ndata: ".encode() + orjson.dumps(body) + b"\n\n"


def mark(event: Message) -> str:
    """The position behind an event."""
    return f"{event['epoch']}:{event['seq']}"


def opening(replay: Replay, state: Message, stands: Position | None) -> list[tuple[Message, bool]]:
    """What a stream begins with, and whether each takes its client to its position.

    A client whose position the log can go on from gets the events since, and the latest reading after them; any other
    gets the state. Empty when it has the end already: there is nothing to wait for.
    """
    if stands is None or not replay.gapless:
        return [(state, True)]
    missed = [(message, True) for message in replay.events]
    return missed if is_end(state) else [*missed, (state, False)]


def is_end(message: Message) -> bool:
    """Whether nothing follows, unless the upload is started over."""
    return message["status"] in (Status.COMPLETED, Status.ERROR)
