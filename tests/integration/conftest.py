"""Servers in the test's own process, fresh ones for each test."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_aiohttp import AiohttpClient
from roomcast.dispatch import taskiq_streams
from roomcast.extensions.registry import Extensions
from roomcast.ledger.redis import pubsub
from roomcast.runtime import redis_connection, redis_lua
from roomcast_workers import factory as build
from roomcast_workers import worker
from roomcast_workers.ffmpeg.binaries import Binaries
from roomcast_workers.sandbox import sandbox
from roomcast_workers.segments import encoder_version

from tests.e2e.conftest import FakeFfmpeg, documents  # noqa: F401 - pytest finds the fixture here
from tests.support.app import AppServer, app_server, captured_log, nothing_left
from tests.support.harness import eventually

if TYPE_CHECKING:
    from tests.support.s3_server import Proxy, S3Server

ServeApp = Callable[..., Awaitable[AppServer]]


@pytest.fixture(scope="session")
def clip_size() -> str:
    return "160x120"


@pytest.fixture(scope="session", autouse=True)
def tried_once() -> Iterator[None]:
    """Which walls a program runs behind, and which version an ffmpeg has, is found out once for all servers of this
    process."""
    detect = functools.cache(sandbox.detect)
    versions: dict[Binaries, str] = {}

    async def read_encoder_version(binaries: Binaries) -> str:
        if binaries not in versions:
            versions[binaries] = await encoder_version.read_encoder_version(binaries)
        return versions[binaries]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "detect", lambda trials: detect(tuple(trials)))
        patch.setattr(worker, "read_encoder_version", read_encoder_version)
        yield


@pytest.fixture
def patient_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have calls to Redis wait for a minute. After three seconds, as usual, a test whose process or whose Redis stands
    still for longer on a busy machine would fail: the timeout comes before an answer that has arrived meanwhile."""
    for module in (redis_lua, pubsub, taskiq_streams):
        monkeypatch.setattr(module, "CALL_SECONDS", 60.0)
    for module in (redis_connection, pubsub, taskiq_streams):
        monkeypatch.setattr(module, "SOCKET_SECONDS", 60.0)


@pytest.fixture
def settings() -> dict[str, str]:
    """The environment of a test's `server`; a module that wants another one defines its own."""
    return {}


@pytest.fixture
def log() -> Iterator[list[dict[str, Any]]]:
    with captured_log() as entries:
        yield entries


@pytest.fixture
def servers() -> list[AppServer]:
    """Those that `serve` started."""
    return []


@pytest.fixture
async def serve(
    tmp_path: Path, aiohttp_client: AiohttpClient, log: list[dict[str, Any]], servers: list[AppServer]
) -> AsyncIterator[ServeApp]:
    async with nothing_left(), AsyncExitStack() as running:

        async def start(data: Path | None = None, extensions: Extensions | None = None, **env: str) -> AppServer:
            folder = data or tmp_path / f"data{len(servers)}"
            opened = app_server(aiohttp_client, folder, log, extensions, **env)
            servers.append(await running.enter_async_context(opened))
            return servers[-1]

        yield start


@pytest.fixture
def extensions() -> Extensions:
    """What an application adds to a test's `server`; a module that tests one defines its own."""
    return Extensions()


@pytest.fixture
async def server(serve: ServeApp, extensions: Extensions, settings: dict[str, str]) -> AppServer:
    return await serve(extensions=extensions, **settings)


@pytest.fixture(scope="session")
def shared_fake(tmp_path_factory: pytest.TempPathFactory) -> FakeFfmpeg:
    return FakeFfmpeg(tmp_path_factory.mktemp("fake"))


@pytest.fixture
def fake(shared_fake: FakeFfmpeg) -> Iterator[FakeFfmpeg]:
    """An ffmpeg that misbehaves on command, honest when a test begins."""
    yield shared_fake
    shared_fake.heal()


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    from tests.support.s3_server import moto_server  # noqa: PLC0415  (moto takes a second)

    with moto_server() as running:
        yield running


@pytest.fixture
async def proxy(s3_server: S3Server) -> AsyncIterator[Proxy]:
    """A proxy before the S3 server, which fails on command."""
    from tests.support.s3_server import proxy_before  # noqa: PLC0415  (as above)

    async with proxy_before(s3_server.url) as running:
        yield running
        await eventually(running.idle, what="the end of requests whose clients have gone")
    s3_server.empty()
