"""Warnings of libraries are logged as events, once for each line of code, and nothing of their texts is remembered."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator

import pytest
import structlog
from roomcast.runtime.logs.configuration import log_warnings
from structlog.testing import capture_logs


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[structlog.typing.EventDict]]:
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings(), capture_logs() as logged:
        log_warnings()
        yield logged


def test_many_warnings_of_one_line_are_logged_once_and_not_remembered(
    entries: list[structlog.typing.EventDict],
) -> None:
    for number in range(100):
        warnings.warn(f"bad header {number} \x1b[31m\nforged line", UserWarning, stacklevel=1)
    (entry,) = entries
    assert entry["event"] == "python_warning"
    assert entry["category"] == "UserWarning"
    assert entry["reason"].startswith("bad header 0 ")
    assert not any("bad header" in str(key) for key in globals().get("__warningregistry__", {}))


def test_deprecations_are_not_logged(entries: list[structlog.typing.EventDict]) -> None:
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert entries == []


def test_text_of_a_logged_warning_is_bounded(entries: list[structlog.typing.EventDict]) -> None:
    warnings.warn("x" * 100_000, RuntimeWarning, stacklevel=1)
    assert len(entries[0]["reason"]) == 500
