"""Files in pieces from `roomcast.js`: broken off, paused, given again, cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from tests.browser.demo import narrow
from tests.browser.own_page import OwnPage
from tests.browser.wire import Wire
from tests.conftest import Shelf
from tests.support.clips import pad
from tests.support.harness import Api, RunningServer, eventually

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("node")]

Open = Callable[[], Awaitable[OwnPage]]


@pytest.fixture
def large(shelf: Shelf) -> Path:
    """A picture that is sent in pieces, and takes some seconds through `narrow`."""
    return pad(shelf.image(), 1_600_000)


@pytest.fixture
def open_own(server: RunningServer, context: BrowserContext) -> Open:
    async def open_own() -> OwnPage:
        return await OwnPage.open(context, server.url)

    return open_own


async def test_a_connection_that_breaks_midway(
    server: RunningServer, context: BrowserContext, large: Path, api: Api
) -> None:
    async with Wire(server) as wire:
        own = await OwnPage.open(context, wire.url)
        async with narrow(own.page, 400_000):
            await own.upload(large)
            await own.midway()
            wire.cut()
            await eventually(lambda: len(own.pieces) == 2)
        await own.completes()
    first, second = own.pieces
    assert first == 0
    assert second > 0.2 * large.stat().st_size, "what had arrived was not sent again"


async def test_the_same_file_after_a_reload_goes_on(open_own: Open, large: Path) -> None:
    own = await open_own()
    async with narrow(own.page, 400_000):
        (upload_id,) = await own.upload(large)
        await own.midway()
        await own.load()
    own.pieces.clear()
    assert await own.upload(large) == [upload_id]
    await own.completes()
    (offset,) = own.pieces
    assert 0 < offset < large.stat().st_size


async def test_an_upload_that_is_watched_after_a_reload_asks_for_its_file(open_own: Open, large: Path) -> None:
    own = await open_own()
    async with narrow(own.page, 400_000):
        (upload_id,) = await own.upload(large)
        await own.midway()
        other = await open_own()
        await other.say(f"void (globalThis.watched = roomcast.watch('{upload_id}'))")
        await other.until("watched.state?.stage === 'receiving'")
        assert not await other.say("watched.needsFile"), "this tab's sibling is sending it"
        await own.load()
        await other.until("watched.needsFile")
    await other.upload(large)
    assert await other.say("uploads[0] === watched")
    assert not await other.say("watched.needsFile")
    await other.completes()
    assert other.pieces[0] > 0


async def test_pause_and_resume(open_own: Open, large: Path, api: Api) -> None:
    own = await open_own()
    async with narrow(own.page, 400_000):
        (upload_id,) = await own.upload(large)
        await own.midway()
        assert await own.say("uploads[0].pausable")
        await own.say("uploads[0].pause()")
        waiting = await api.until(upload_id, lambda message: message["message"] == "Waiting for the rest of the file")
        assert await own.say("uploads[0].sending") == "paused"
        assert await own.say("roomcast.aggregate.active") == 1
    assert (await api.get(upload_id)).body["seq"] == waiting["seq"]
    await own.say("uploads[0].resume()")
    await own.completes()
    assert own.pieces == [0, waiting["bytesReceived"]]


@pytest.mark.parametrize("paused", [True, False])
async def test_a_cancel_midway(server: RunningServer, open_own: Open, large: Path, api: Api, paused: bool) -> None:
    own = await open_own()
    async with narrow(own.page, 400_000):
        (upload_id,) = await own.upload(large)
        await own.midway()
        if paused:
            await own.say("uploads[0].pause()")
        await own.say("uploads[0].cancel()")
        assert (await api.get(upload_id)).body["stage"] == "cancelled"
    assert server.files_of(upload_id) == []
    assert await own.say("uploads[0].finished.catch((error) => error.code)") == "CANCELLED"
    assert await own.say("uploads[0].sending") == "no"
    assert len(own.pieces) == 1


async def test_a_file_that_is_given_to_another_tab_is_sent_by_that_one(open_own: Open, large: Path) -> None:
    one, other = await open_own(), await open_own()
    async with narrow(one.page, 400_000):
        (upload_id,) = await one.upload(large)
        await one.midway()
        assert await other.upload(large) == [upload_id]
        await other.completes()
        await one.completes()
    assert len(one.pieces) == 1, "it left it to the other"
