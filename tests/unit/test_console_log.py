"""What a person at a terminal reads: log lines, the banner, and outages in two lines instead of many."""

from __future__ import annotations

import io
import logging
import re
from typing import Any

import pytest
import structlog
from roomcast.errors import StorageError, Unavailable
from roomcast.hosting.banner import web_facts
from roomcast.runtime.logs.announcements import banner
from roomcast.runtime.logs.console import ConsoleFormatter
from roomcast.runtime.logs.outages import Availability, ReportedOutageFilter, drop_reported_outage
from roomcast.runtime.logs.terminal import Terminal
from roomcast.settings.settings import Settings
from structlog.testing import capture_logs


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


PLAIN = Terminal(io.StringIO())


def line(terminal: Terminal = PLAIN, **event: Any) -> str:
    shown = ConsoleFormatter(terminal)(None, "", {"level": "info", "logger": "roomcast.test", **event})
    assert isinstance(shown, str)
    return shown


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"event": "stopping", "note": "Uploads go back."}, "Stopping. Uploads go back."),
        (
            {"event": "upload_claimed", "filename": "my film.mov", "attempt": 1, "upload": "upload_1"},
            'Upload claimed. filename="my film.mov" attempt=1 upload=upload_1',
        ),
        ({"event": "sandbox_detected", "bwrap": True, "missing": [], "why": ""}, "Sandbox detected. bwrap=true"),
        ({"event": "redis_unavailable", "level": "warning", "reason": "No."}, "warning Redis unavailable. No."),
        ({"event": "A library's own text", "logger": "aiohttp.server"}, "A library's own text logger=aiohttp.server"),
        ({"event": "x", "filename": "a\x1b[2Jb\nc\u202e.mov"}, "X. filename=a\\x1b[2Jb\\nc\\u202e.mov"),
        ({"event": "evil\x1b]0;title\x07", "advice": "a\rb"}, "evil\\x1b]0;title\\x07 a\\rb"),
    ],
)
def test_log_line_has_the_time_the_event_in_words_its_sentences_and_its_details(
    event: dict[str, Any], shown: str
) -> None:
    time, _, rest = line(**event).partition(" ")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", time)
    assert rest == shown


def test_log_line_of_an_exception_has_its_traceback_below_without_local_variables() -> None:
    secret = "hidden" + "-value"
    try:
        raise ValueError("it broke\x1b[31m")
    except ValueError as error:
        text = line(event="request_failed", level="error", exc_info=error)
    assert secret
    head, *rest = text.split("\n")
    assert head.endswith("error Request failed.")
    assert rest[0] == "  Traceback (most recent call last):"
    assert rest[-1] == "  ValueError: it broke\\x1b[31m"
    assert "hidden-value" not in text


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_coloured(**environment: str) -> bool:
        return "\x1b[" in line(Terminal(FakeTerminal(), environment), event="stopping")

    assert is_coloured(TERM="xterm")
    assert not is_coloured(TERM="xterm", NO_COLOR="1")
    assert not is_coloured(TERM="dumb")
    assert "\x1b[" not in line(event="stopping")


@pytest.mark.parametrize("columns", [30, 40, 60, 100])
def test_lines_are_wrapped_at_the_width_of_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal(FakeTerminal(), {"NO_COLOR": "1"})
    shown = line(terminal, event="redis_unavailable", level="warning", reason="There was no answer for a while. " * 3)
    first, *rest = shown.split("\n")
    assert all(len(one) <= columns for one in (first, *rest))
    assert all(one.startswith(" " * 9) and one[9] != " " for one in rest)


@pytest.mark.parametrize(
    ("environment", "authenticates", "rows"),
    [
        (
            {},
            False,
            {
                "Demo": "http://127.0.0.1:4711/progress-demo",
                "Admin": "http://127.0.0.1:4711/admin (from this machine only)",
                "API docs": "http://127.0.0.1:4711/docs",
                "Access": "Open mode: everybody on this machine may upload and watch, without a token. "
                "Set JWT_SECRET to ask for tokens.",
                "Stop": "Press Ctrl-C.",
            },
        ),
        ({"ROOMCAST_PREFIX": "/up"}, False, {"Demo": "http://127.0.0.1:4711/up/progress-demo"}),
        ({"ROOMCAST_PUBLIC_URL": "https://films.example.com"}, False, {"Public": "https://films.example.com"}),
        ({"HOST": "0.0.0.0"}, False, {"Access": "Open mode: EVERYBODY who can reach this machine"}),
        ({"JWT_SECRET": "s" * 32}, False, {"Access": "Uploads need a token.", "Admin": "http://127.0.0.1:4711/admin"}),
        ({"ROOMCAST_AUTH_URL": "http://127.0.0.1/who"}, False, {"Access": "ROOMCAST_AUTH_URL decides"}),
        ({}, True, {"Access": "The application decides"}),
        (
            {"REDIS_URL": "redis://ada:hush@redis.example:6380/3", "S3_BUCKET": "films"},
            False,
            {"Data": "Redis at redis.example:6380, database 3 and the S3 bucket films"},
        ),
        (
            {"REDIS_URL": "redis+sentinel://:hush@a:1,b:2/main/0?sentinel_password=hush", "ROOMCAST_DATA": "/d"},
            False,
            {"Data": "Redis at a:1, b:2 (Sentinel), service main and /d"},
        ),
    ],
)
def test_banner_says_where_who_and_how_to_stop_without_passwords(
    environment: dict[str, str], authenticates: bool, rows: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DYNO", "JWT_SECRET", "REDIS_URL", "HOST", "S3_BUCKET", "ROOMCAST_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    facts = dict(web_facts(Settings(), "http://127.0.0.1:4711", application_authenticates=authenticates))
    for label, text in rows.items():
        assert facts[label].startswith(text)
    assert "hush" not in str(facts)
    shown = banner("Roomcast is ready: http://x", tuple(facts.items()), PLAIN).split("\n")
    assert shown[1] == "Roomcast is ready: http://x"
    assert f"  Stop      {facts['Stop']}" in shown


def test_outage_is_logged_when_it_begins_and_when_it_ends() -> None:
    server = Availability("redis", "127.0.0.1:1, database 0")
    with capture_logs() as logs:
        server.succeeded()
        for _ in range(50):
            server.failed("Connection refused.")
        server.succeeded()
        server.succeeded()
    lost, back = logs
    assert (lost["event"], lost["address"], lost["reason"]) == (
        "redis_unavailable",
        "127.0.0.1:1, database 0",
        "Connection refused.",
    )
    assert (back["event"], back["failures"]) == ("redis_available", 50)


def test_outage_with_a_quiet_time_is_not_over_with_the_first_success() -> None:
    server = Availability("redis_writes", "here", quiet_seconds=3600)
    with capture_logs() as logs:
        for _ in range(3):
            server.failed("Redis has no memory left for writes (maxmemory).")
            server.succeeded()
    assert [one["event"] for one in logs] == ["redis_writes_unavailable"]


def caused_by(cause: Exception) -> Exception:
    error = StorageError("The dispatch could not be reached.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "dropped"),
    [
        (Unavailable("Away."), True),
        (caused_by(Unavailable("Away.")), True),
        (ExceptionGroup("", [Unavailable("Away."), caused_by(Unavailable("Away."))]), True),
        (ExceptionGroup("", [Unavailable("Away."), ValueError()]), False),
        (StorageError("The disk is broken."), False),
        (caused_by(OSError()), False),
        (None, False),
    ],
)
def test_exception_of_an_outage_that_was_logged_is_not_logged_again(error: Exception | None, dropped: bool) -> None:
    found = []
    try:
        drop_reported_outage(None, "", {"event": "loop_failed", "exc_info": error})
    except structlog.DropEvent:
        found.append("event")
    info = (type(error), error, None) if error else None
    record = logging.LogRecord("library", logging.ERROR, "", 0, "failed", None, info)
    if not ReportedOutageFilter().filter(record):
        found.append("record")
    assert found == (["event", "record"] if dropped else [])
