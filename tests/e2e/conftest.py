"""Servers to try things on. A module's `server` is shared by its tests; `serve` starts one for a single test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from roomcast_workers.ffmpeg.binaries import find_binaries

from tests.support import described, fake_ffmpeg
from tests.support.harness import RunningServer


class FakeFfmpeg:
    """`tests/support/fake_ffmpeg.py` under a path of its own, so that each server's copies behave for themselves."""

    def __init__(self, folder: Path, *, records: bool = True) -> None:
        folder.mkdir(exist_ok=True)
        self.path = fake_ffmpeg.install(folder, records=records)
        self._probe = fake_ffmpeg.install(folder, name="ffprobe", real=find_binaries().ffprobe, records=records)
        self.env = {"FFMPEG_PATH": str(self.path), "FFPROBE_PATH": str(self._probe)}

    def behave(self, how: str) -> None:
        fake_ffmpeg.behave(self.path, how)

    def behave_when_probing(self, how: str) -> None:
        fake_ffmpeg.behave(self._probe, how)

    def heal(self) -> None:
        self.behave("")
        self.behave_when_probing("")


class HeldServer:
    """A server that `holding_server.py` can hold at a call of its media store, and hurry."""

    def __init__(self, folder: Path, **env: str) -> None:
        self._file = folder / "hold"
        self.server = RunningServer(
            folder / "data", command=("-m", "tests.support.holding_server"), HOLD=str(self._file), **env
        )

    def hold(self, call: str) -> None:
        self._file.write_text(call)

    def let_go(self) -> None:
        self._file.unlink(missing_ok=True)


@pytest.fixture(scope="session", autouse=True)
def documents() -> None:
    """Make the documents that answers are checked against before the first server runs. For these seconds, the event
    loop of a test stands still: no client, receiver or server in it would answer."""
    described.http()
    described.sockets()


@pytest.fixture(scope="session")
def clip_size() -> str:
    return "160x120"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """The environment of the module's `server`; a module that wants another one defines its own."""
    return {}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeFfmpeg:
    return FakeFfmpeg(tmp_path_factory.mktemp("fake"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("server") / "data", **settings) as running:
        yield running
