"""`roomcast.js` by rooms, streams and polling, as the network allows."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Route, WebSocketRoute

from tests.browser.conftest import Ffmpeg
from tests.browser.own_page import OwnPage
from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("node", "own_profile")]

_THREE = """
async () => {
  const { connect } = await import("/static/roomcast.js");
  globalThis.all = [connect(), connect(), connect()];
}
"""


class Barrier:
    """`barred` does not get through: `sockets`, `streams`. `streams` is how many were asked for."""

    def __init__(self) -> None:
        self.barred: set[str] = {"sockets"}
        self.streams = 0

    async def put_up(self, context: BrowserContext) -> None:
        await context.route(re.compile(r"/socket\.io/"), self._on_call)
        await context.route_web_socket(re.compile(r"/socket\.io/"), self._on_socket)
        await context.route(re.compile(r"/api/uploads/[^/]+/events$"), self._on_stream)

    async def _on_call(self, route: Route) -> None:
        await (route.abort() if "sockets" in self.barred else route.continue_())

    async def _on_socket(self, socket: WebSocketRoute) -> None:
        if "sockets" in self.barred:
            await socket.close()
        else:
            socket.connect_to_server()

    async def _on_stream(self, route: Route) -> None:
        self.streams += 1
        await (route.abort() if "streams" in self.barred else route.continue_())


@pytest_asyncio.fixture(loop_scope="session")
async def barrier(context: BrowserContext) -> Barrier:
    barrier = Barrier()
    await barrier.put_up(context)
    return barrier


async def test_without_a_socket_there_are_streams_and_then_the_socket_takes_over(
    server: RunningServer, context: BrowserContext, barrier: Barrier, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    ffmpeg.behave("slow:60")
    own = await OwnPage.open(context, server.url)
    await own.upload(shelf.clip())
    await own.until("roomcast.state === 'streaming' && uploads[0].state?.stage === 'compressing'")
    barrier.barred.clear()
    await own.until("roomcast.state === 'online'")
    ffmpeg.heal()
    await own.say("uploads[0].cancel().then(() => uploads[0].retry())")
    await own.completes()
    heard = await own.say("heard")
    assert {message["by"] for message in heard} >= {"streaming", "online"}
    for earlier, later in pairwise(heard):
        assert later["seq"] - earlier["seq"] in (0, 1), "no event was lost, and none came again"
        assert later["progress"] >= earlier["progress"] or later["attempt"] > earlier["attempt"]


async def test_without_streams_there_is_polling(
    server: RunningServer, context: BrowserContext, barrier: Barrier, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    barrier.barred.add("streams")
    ffmpeg.behave("slow:60")
    own = await OwnPage.open(context, server.url)
    await own.upload(shelf.clip())
    await own.until("roomcast.state === 'polling' && uploads[0].state?.stage === 'compressing'")
    assert barrier.streams == 1, "one that failed is enough for a while"
    barrier.barred.clear()
    await own.until("roomcast.state === 'online'")
    ffmpeg.heal()
    await own.say("uploads[0].cancel()")


async def test_of_many_uploads_two_have_a_stream_and_all_come_to_the_truth(
    server: RunningServer, context: BrowserContext, barrier: Barrier, shelf: Shelf, api: Api
) -> None:
    own = await OwnPage.open(context, server.url)
    files = [shelf.image(f"{number}.png", size=(40 * number, 30)) for number in range(1, 6)]
    broken = files[0].with_name("broken.png")
    broken.write_bytes(files[0].read_bytes()[:100])
    ids = await own.upload(*files, broken)
    await own.until("roomcast.aggregate.active === 0")
    assert barrier.streams >= 2
    told = [(await api.get(upload_id)).body for upload_id in ids]
    aggregate = await own.say("roomcast.aggregate")
    assert aggregate["total"] == len(ids)
    assert aggregate["completed"] == sum(message["status"] == "completed" for message in told) == len(files)
    assert aggregate["failed"] == 1
    assert aggregate["bytesReceived"] == sum(message["bytesReceived"] for message in told)
    assert aggregate["status"] == "error"
    assert aggregate["progress"] < 100
    await own.say("void uploads.at(-1).leave()")
    assert await own.say("[roomcast.aggregate.progress, roomcast.aggregate.status]") == [100, "completed"]


async def test_every_connection_of_a_page_notices_that_the_network_is_gone(
    server: RunningServer, context: BrowserContext
) -> None:
    own = await OwnPage.open(context, server.url, script=_THREE)
    await own.until("all.every(({ state }) => state === 'online')")
    await own.say("void addEventListener('offline', () => (globalThis.noticed = all.map(({ state }) => state)))")
    await context.set_offline(True)
    await own.until("globalThis.noticed")
    assert await own.say("noticed") == ["reconnecting"] * 3
    await context.set_offline(False)
    await own.until("all.every(({ state }) => state === 'online')")
