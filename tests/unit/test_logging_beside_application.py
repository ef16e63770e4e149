"""Logging of `Roomcast.run`: an application that has configured logging keeps its handlers and levels."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from roomcast.runtime.logs import configuration


@contextmanager
def process_start(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """Yield the root logger without handlers, not even pytest's. Afterwards logging and structlog are as before."""
    root = logging.getLogger()
    levels = [(logger, logger.level) for logger in map(logging.getLogger, (None, "roomcast", "roomcast_workers"))]
    configured, config = structlog.is_configured(), structlog.get_config()
    with monkeypatch.context() as patch:
        patch.setattr(root, "handlers", [])
        patch.setattr(configuration, "log_warnings", lambda: None)
        structlog.reset_defaults()
        try:
            yield root
        finally:
            structlog.reset_defaults()
            if configured:
                structlog.configure(**config)
            for logger, level in levels:
                logger.setLevel(level)


def test_handlers_and_level_of_an_application_stay_and_get_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler(io.StringIO())
    with process_start(monkeypatch) as root:
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        configuration.configure_logging_beside_application("info")
        structlog.get_logger("roomcast.test").info("upload_claimed", filename="clip.mp4")
        assert (root.handlers, root.level) == ([handler], logging.INFO)
    assert "upload_claimed" in handler.stream.getvalue()
    assert "filename=clip.mp4" in handler.stream.getvalue()


def test_structlog_of_an_application_gets_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Any] = []

    def collect(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        events.append(event)
        raise structlog.DropEvent

    with process_start(monkeypatch) as root:
        structlog.configure(processors=[collect])
        configuration.configure_logging_beside_application("info")
        structlog.get_logger("roomcast.test").info("upload_claimed")
        assert root.handlers == []
    assert [event["event"] for event in events] == ["upload_claimed"]


def test_without_logging_of_an_application_events_are_json_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with process_start(monkeypatch) as root:
        configuration.configure_logging_beside_application("info")
        structlog.get_logger("roomcast.test").info("upload_claimed")
        assert len(root.handlers) == 1
    assert '"event": "upload_claimed"' in capsys.readouterr().err
