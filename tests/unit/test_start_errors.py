"""What prevents a start is one sentence that says what to change, and exit code 2."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from pathlib import Path
from typing import NoReturn

import pytest
from roomcast.errors import DiskFull, RoomcastError
from roomcast.runtime.process import bind_port, listen_errors
from roomcast.services import program
from roomcast.settings.settings import Settings
from roomcast.settings.storage import StorageSettings

from tests.support.start_failures import start_failures


def full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            full(),
            "The disk of the data directory {data} is full. Free some space, or choose another with ROOMCAST_DATA.",
        ),
        (DiskFull("The disk is full."), "The disk of the data directory {data} is full. Free some space, or choose"),
        (OSError(errno.ENOSPC, "No space", "/a/b"), "The disk of the data directory {data} is full. Free some space,"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a/b"),
            "/a/b cannot be used: Permission denied. Let this user write to the data directory {data}, or choose",
        ),
        (sqlite3.DatabaseError("file is not a database"), "The database in the data directory {data} cannot be used: "),
        (
            FileExistsError(errno.EEXIST, "File exists", "/a"),
            "The data directory {data} cannot be used: a file has this",
        ),
        (
            NotADirectoryError(errno.ENOTDIR, "Not a directory", "/a/b"),
            "The data directory {data} cannot be used: a file",
        ),
        (RoomcastError("Another process uses the data directory."), "Another process uses the data directory."),
    ],
)
def test_error_at_start_is_one_sentence(
    error: Exception,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("DYNO", "JWT_SECRET", "REDIS_URL", "HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROOMCAST_DATA", str(tmp_path))
    monkeypatch.setattr(program, "configure_logging", lambda *_: None)
    monkeypatch.setattr(program, "new_loop", asyncio.new_event_loop)

    async def fail(_: Settings) -> NoReturn:
        raise error

    assert program.run_program(fail, service="roomcast-web") == 2
    (line,) = start_failures(capsys.readouterr().err)
    assert line.startswith(sentence.format(data=tmp_path))
    assert line.endswith(".")


def test_file_with_the_name_of_a_directory_of_the_data_is_named(tmp_path: Path) -> None:
    settings = Settings(storage=StorageSettings(data=tmp_path))
    sentence = program._sentence(FileExistsError(errno.EEXIST, "File exists", str(tmp_path / "media")), settings)
    reason = "cannot be used: it must be a directory, and is a file. Remove that file."
    assert sentence == f"{tmp_path / 'media'} {reason}"


def test_host_that_no_host_can_have_is_one_sentence() -> None:
    for host in ("films..example", f"{'f' * 64}.example"):
        with pytest.raises(RoomcastError) as raised:
            bind_port(host, 0)
        assert (
            raised.value.message
            == f"The host {host} is not the name of a host. Set HOST to an address of this machine."
        )


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "This user may not open it. Set PORT to a port of 1024 or more."),
        (errno.EADDRNOTAVAIL, "This machine has no such address. Set HOST to one that it has, such as 127.0.0.1."),
        (errno.ENETUNREACH, "Network is unreachable."),
    ],
)
def test_port_that_cannot_be_opened_is_one_sentence(number: int, reason: str) -> None:
    with pytest.raises(RoomcastError) as raised, listen_errors("127.0.0.1", 80):
        raise OSError(number, os.strerror(number))
    assert raised.value.message == f"The port 80 of 127.0.0.1 cannot be opened. {reason}"
