"""The fallback of `roomcast.js`: sockets, event streams, polling."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Route, WebSocketRoute

from tests.browser.conftest import Ffmpeg
from tests.conftest import Shelf
from tests.support.browser.own_page import OwnPage
from tests.support.harness import Api, RunningServer

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("node", "own_profile")]

_THREE = """
async () => {
  const { connect } = await import("/static/roomcast.js");
  globalThis.all = [connect(), connect(), connect()];
}
"""


class Blocker:
    """Blocks what is in `blocked` (`sockets`, `streams`). `streams` counts the requested streams."""

    def __init__(self) -> None:
        self.blocked: set[str] = {"sockets"}
        self.streams = 0

    async def install(self, context: BrowserContext) -> None:
        await context.route(re.compile(r"/socket\.io/"), self._on_call)
        await context.route_web_socket(re.compile(r"/socket\.io/"), self._on_socket)
        await context.route(re.compile(r"/api/uploads/[^/]+/events$"), self._on_stream)

    async def _on_call(self, route: Route) -> None:
        await (route.abort() if "sockets" in self.blocked else route.continue_())

    async def _on_socket(self, socket: WebSocketRoute) -> None:
        if "sockets" in self.blocked:
            await socket.close()
        else:
            socket.connect_to_server()

    async def _on_stream(self, route: Route) -> None:
        self.streams += 1
        await (route.abort() if "streams" in self.blocked else route.continue_())


@pytest_asyncio.fixture(loop_scope="session")
async def blocker(context: BrowserContext) -> Blocker:
    blocker = Blocker()
    await blocker.install(context)
    return blocker


async def test_streams_replace_the_socket_until_it_is_back(
    server: RunningServer, context: BrowserContext, blocker: Blocker, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    ffmpeg.behave("slow:600")
    own = await OwnPage.open(context, server.url)
    await own.upload(shelf.clip())
    await own.until("roomcast.state === 'streaming' && uploads[0].state?.stage === 'compressing'")
    blocker.blocked.clear()
    await own.until("roomcast.state === 'online'")
    await own.evaluate("uploads[0].cancel()")
    ffmpeg.heal()
    await own.evaluate("uploads[0].retry()")
    await own.completes()
    received = await own.evaluate("received")
    assert {message["by"] for message in received} >= {"streaming", "online"}
    for earlier, later in pairwise(received):
        if later["by"] != "polling":  # a poll answers with the last event only
            assert later["seq"] - earlier["seq"] in (0, 1), "no event was lost or repeated"
        assert later["progress"] >= earlier["progress"] or later["attempt"] > earlier["attempt"]


async def test_polling_replaces_blocked_streams(
    server: RunningServer, context: BrowserContext, blocker: Blocker, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    blocker.blocked.add("streams")
    ffmpeg.behave("slow:600")
    own = await OwnPage.open(context, server.url)
    await own.upload(shelf.clip())
    await own.until("roomcast.state === 'polling' && uploads[0].state?.stage === 'compressing'")
    assert blocker.streams == 1, "after a failure there is no second try for a while"
    blocker.blocked.clear()
    await own.until("roomcast.state === 'online'")
    await own.evaluate("uploads[0].cancel()")


async def test_two_of_many_uploads_have_a_stream_and_all_complete(
    server: RunningServer, context: BrowserContext, blocker: Blocker, shelf: Shelf, api: Api
) -> None:
    own = await OwnPage.open(context, server.url)
    files = [shelf.image(f"{number}.png", size=(40 * number, 30)) for number in range(1, 6)]
    broken = files[0].with_name("broken.png")
    broken.write_bytes(files[0].read_bytes()[:100])
    ids = await own.upload(*files, broken)
    await own.until("roomcast.aggregate.active === 0")
    assert blocker.streams >= 2
    messages = [(await api.get(upload_id)).body for upload_id in ids]
    aggregate = await own.evaluate("roomcast.aggregate")
    assert aggregate["total"] == len(ids)
    assert aggregate["completed"] == sum(message["status"] == "completed" for message in messages) == len(files)
    assert aggregate["failed"] == 1
    assert aggregate["bytesReceived"] == sum(message["bytesReceived"] for message in messages)
    assert aggregate["status"] == "error"
    assert aggregate["progress"] < 100
    await own.evaluate("void uploads.at(-1).leave()")
    assert await own.evaluate("[roomcast.aggregate.progress, roomcast.aggregate.status]") == [100, "completed"]


async def test_every_connection_of_a_page_detects_a_lost_network(
    server: RunningServer, context: BrowserContext
) -> None:
    own = await OwnPage.open(context, server.url, script=_THREE)
    await own.until("all.every(({ state }) => state === 'online')")
    await own.evaluate("void addEventListener('offline', () => (globalThis.noticed = all.map(({ state }) => state)))")
    await context.set_offline(True)
    await own.until("globalThis.noticed")
    assert await own.evaluate("noticed") == ["reconnecting"] * 3
    await context.set_offline(False)
    await own.until("all.every(({ state }) => state === 'online')")
