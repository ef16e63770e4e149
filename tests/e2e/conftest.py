"""Servers to try things on. A module's `server` is shared by its tests; `serve` starts one for a single test."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests import fake_ffmpeg
from tests.conftest import Shelf
from tests.e2e.tokens import token
from tests.harness import Api, RunningServer
from tests.tus import MIB, Tus
from tests.watchers import Watcher
from workers.ffmpeg.binaries import find_binaries


class FakeFfmpeg:
    """`tests/fake_ffmpeg.py` under a path of its own, so that each server's copies behave for themselves."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.path = fake_ffmpeg.install(folder)
        self._probe = fake_ffmpeg.install(folder, name="ffprobe", real=find_binaries().ffprobe)
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
        script = str(Path(__file__).with_name("holding_server.py"))
        self.server = RunningServer(folder / "data", command=(script,), HOLD=str(self._file), **env)

    def hold(self, call: str) -> None:
        self._file.write_text(call)

    def let_go(self) -> None:
        self._file.unlink(missing_ok=True)


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


@pytest.fixture
async def watcher(server: RunningServer) -> AsyncIterator[Watcher]:
    async with Watcher(server.url) as client:
        yield client


@pytest.fixture
def tus(api: Api) -> Tus:
    return Tus(api)


@pytest.fixture
def picture(shelf: Shelf) -> bytes:
    return shelf.image().read_bytes()


@pytest.fixture
def large(picture: bytes, request: pytest.FixtureRequest) -> bytes:
    """A picture with so much behind it that it goes through many buffers; another one for each test, for a file that
    was sent before is known already."""
    return picture + random.Random(request.node.name).randbytes(5 * MIB)


@pytest.fixture
async def alice(server: RunningServer) -> AsyncIterator[Api]:
    async with Api(server, token("alice")) as client:
        yield client


@pytest.fixture
async def bob(server: RunningServer) -> AsyncIterator[Api]:
    async with Api(server, token("bob")) as client:
        yield client
