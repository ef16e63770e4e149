"""The log of one upload: who caused its events, how long its stages and attempts were, and what was logged about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from roomcast.http.admin.schema import AttemptEntry, EventEntry, LineEntry, StageEntry, UploadLogJson
from roomcast.http.admin.view import upload_row
from roomcast.ledger.administration import LoggedEvent, UploadHistory
from roomcast.uploads.lifecycle import TERMINAL, Stage
from roomcast.uploads.messages import Message, timestamp

_OUTCOMES = {Stage.DONE: "completed", Stage.FAILED: "failed", Stage.CANCELLED: "cancelled"}


def upload_log(
    history: UploadHistory, with_urls: Callable[[Message], Message], paused: Sequence[str], now: float
) -> UploadLogJson:
    """Return the log as JSON. `with_urls` adds the URLs to a message, and `paused` are the paused templates."""
    upload = history.upload
    return {
        "upload": upload_row(upload, paused),
        "firstSeq": history.events[0].message["seq"] if history.events else upload.seq + 1,
        "events": [_event(one, with_urls) for one in history.events],
        "stages": _stages(history.events, now),
        "attempts": _attempts(history.events, now),
        "lines": [
            LineEntry(
                at=timestamp(line.at),
                level=line.level,
                event=line.event,
                process=line.process,
                details=dict(line.details),
            )
            for line in history.lines
        ],
    }


def _event(logged: LoggedEvent, with_urls: Callable[[Message], Message]) -> EventEntry:
    body = logged.message
    return {
        "seq": body["seq"],
        "at": body["event"]["at"] if "event" in body else body["updatedAt"],
        "actor": {"type": logged.actor.type, "name": logged.actor.name} if logged.actor else None,
        "message": with_urls(body),
    }


def _stages(events: Sequence[LoggedEvent], now: float) -> list[StageEntry]:
    """Return the stages in order. A stage begins with the first event in it, and again with each attempt."""
    stages: list[StageEntry] = []
    began, before = 0.0, None
    for body in (one.message for one in events):
        position = body["stage"], body["attempt"]
        if position == before:
            continue
        at = _seconds(body)
        if stages and not stages[-1]["ended"]:
            stages[-1] |= {"seconds": round(max(0.0, at - began), 3), "ended": True}
        before, began = position, at
        if body["stage"] not in TERMINAL:
            stages.append(
                {
                    "stage": body["stage"],
                    "attempt": body["attempt"],
                    "seq": body["seq"],
                    "startedAt": body["updatedAt"],
                    "seconds": round(max(0.0, now - at), 3),
                    "ended": False,
                }
            )
    return stages


def _attempts(events: Sequence[LoggedEvent], now: float) -> list[AttemptEntry]:
    attempts: list[AttemptEntry] = []
    began = 0.0
    for logged in events:
        body = logged.message
        at = _seconds(body)
        if not attempts or attempts[-1]["attempt"] != body["attempt"]:
            if attempts and attempts[-1]["outcome"] == "running":
                attempts[-1] |= {"outcome": "retried", "seconds": round(max(0.0, at - began), 3)}
                attempts[-1]["message"] = body["message"]
            began = at
            attempts.append(
                {
                    "attempt": body["attempt"],
                    "process": None,
                    "startedAt": body["updatedAt"],
                    "seconds": round(max(0.0, now - at), 3),
                    "outcome": "running",
                    "message": body["message"],
                    "error": None,
                }
            )
        last = attempts[-1]
        if logged.actor and logged.actor.type == "worker":
            last["process"] = logged.actor.name
        if last["outcome"] == "running":
            last["message"] = body["message"]
        if body["stage"] in _OUTCOMES and last["outcome"] == "running":
            last |= {"outcome": _OUTCOMES[Stage(body["stage"])], "seconds": round(max(0.0, at - began), 3)}  # type: ignore[typeddict-item]
            last["error"] = body.get("error")
    return attempts


def _seconds(body: Message) -> float:
    return datetime.fromisoformat(body["updatedAt"]).timestamp()
