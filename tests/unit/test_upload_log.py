"""The stages and attempts of an upload's log, made of its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roomcast.errors import TimedOut
from roomcast.http.admin.upload_log import upload_log
from roomcast.ledger.administration import LoggedEvent, UploadHistory
from roomcast.uploads.lifecycle import Cancelled, Entered, Failed, HandedBack, Retrying, Stage, reopen
from roomcast.uploads.messages import Message
from roomcast.uploads.model import (
    Actor,
    ApplicationEvent,
    Change,
    Upload,
    apply_event,
    count_application_event,
    error_body,
    message,
    reset_for_retry,
    with_application_event,
)
from roomcast.uploads.transitions import cancelled

OWNER, FIRST, SECOND = Actor("user", "ada"), Actor("worker", "host.1"), Actor("worker", "host.2")
ERROR = error_body(TimedOut("It took too long."), Stage.PROBING)


class Story:
    """An upload to which things happen, each at a time in seconds."""

    def __init__(self) -> None:
        self.upload = Upload("upload_" + "a" * 32, "ada", "auto", "film.mp4", "e1", 0.0, 0.0)
        self.events = [LoggedEvent(message(self.upload), OWNER)]

    def change(self, at: float, change: Change, actor: Actor | None) -> None:
        self.upload = apply_event(self.upload, change, at)
        self.events.append(LoggedEvent(message(self.upload), actor))

    def enter(self, at: float, stage: Stage, actor: Actor | None) -> None:
        self.change(at, Change(Entered(stage), stage), actor)

    def log(self, now: float, events: Sequence[LoggedEvent] | None = None) -> Any:
        def with_url(body: Message) -> Message:
            return {**body, "message": f"{body['message']}!"}

        return upload_log(UploadHistory(self.upload, events or self.events, []), with_url, [], now)


def rows(entries: Sequence[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(entry[name] for name in names) for entry in entries]


def test_attempts_and_stages_of_a_retried_returned_and_failed_upload() -> None:
    story = Story()
    story.enter(2, Stage.QUEUED, None)
    story.enter(5, Stage.FETCHING, FIRST)
    story.enter(6, Stage.PROBING, FIRST)
    story.change(9, Change(Retrying(), "Trying again."), FIRST)
    story.enter(10, Stage.FETCHING, FIRST)
    story.change(12, Change(HandedBack(), "Returned"), FIRST)
    story.enter(13, Stage.FETCHING, SECOND)
    story.change(20, Change(Failed(), "It took too long.", error=ERROR), SECOND)
    log = story.log(now=99)
    attempts = rows(log["attempts"], "attempt", "outcome", "process", "seconds", "message")
    assert attempts == [
        (1, "retried", "host.1", 9, "Trying again."),
        (2, "failed", "host.2", 11, "It took too long."),
    ]
    assert [one["error"] for one in log["attempts"]] == [None, ERROR]
    assert rows(log["stages"], "stage", "attempt", "seq", "seconds") == [
        ("receiving", 1, 1, 2),
        ("queued", 1, 2, 3),
        ("fetching", 1, 3, 1),
        ("probing", 1, 4, 3),
        ("queued", 2, 5, 1),
        ("fetching", 2, 6, 2),
        ("queued", 2, 7, 1),
        ("fetching", 2, 8, 7),
    ]
    assert all(one["ended"] for one in log["stages"])
    assert log["events"][0]["message"]["message"].endswith("!"), "with URLs"
    assert [one["actor"] and one["actor"]["name"] for one in log["events"]][:3] == ["ada", None, "host.1"]


def test_a_running_upload_counts_until_now_and_application_events_are_no_stages() -> None:
    story = Story()
    story.enter(2, Stage.QUEUED, None)
    story.upload = count_application_event(story.upload)
    event = with_application_event(message(story.upload), ApplicationEvent("seen-by-scanner", 1, 4.0))
    story.events.append(LoggedEvent(event, Actor("application", "host.1")))
    log = story.log(now=7)
    assert rows(log["stages"], "stage", "seconds", "ended") == [("receiving", 2, True), ("queued", 5, False)]
    assert rows(log["attempts"], "outcome", "seconds") == [("running", 7)]
    assert log["events"][-1]["at"] == "1970-01-01T00:00:04.000Z"
    assert story.log(7, story.events[1:])["firstSeq"] == 2, "the first was trimmed"


def test_a_reopened_upload_begins_another_attempt() -> None:
    story = Story()
    story.change(3, cancelled(Stage.RECEIVING), OWNER)
    assert isinstance(cancelled(Stage.RECEIVING).fact, Cancelled)
    story.upload = reset_for_retry(story.upload, reopen(story.upload.state, source_stored=False), 8.0)
    story.events.append(LoggedEvent(message(story.upload), OWNER))
    log = story.log(now=10)
    assert rows(log["attempts"], "outcome", "seconds") == [("cancelled", 3), ("running", 2)]
    assert rows(log["stages"], "stage", "attempt", "seconds") == [("receiving", 1, 3), ("receiving", 2, 2)]
