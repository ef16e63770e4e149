"""Resumable uploads with `roomcast.js`: broken connections, pauses, reloads, cancels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from tests.conftest import Shelf
from tests.support.browser.demo import hold_timers, limited_bandwidth
from tests.support.browser.own_page import OwnPage
from tests.support.browser.proxy import BreakableProxy
from tests.support.clips import pad
from tests.support.harness import Api, RunningServer, eventually

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("node")]

Open = Callable[[], Awaitable[OwnPage]]


@pytest.fixture
def large(shelf: Shelf) -> Path:
    """An image that is sent in chunks, and takes some seconds with `limited_bandwidth`."""
    return pad(shelf.image(), 1_600_000)


@pytest.fixture
def open_own(server: RunningServer, context: BrowserContext) -> Open:
    async def open_own() -> OwnPage:
        return await OwnPage.open(context, server.url)

    return open_own


async def test_broken_connection_resumes_without_resending(
    server: RunningServer, context: BrowserContext, large: Path, api: Api
) -> None:
    async with BreakableProxy(server) as proxy:
        own = await OwnPage.open(context, proxy.url)
        async with limited_bandwidth(own.page, 150_000):
            await own.upload(large)
            await own.midway()
            proxy.break_connections()
            await eventually(lambda: len(own.chunks) >= 2)
        await own.completes()
    first, *others = own.chunks  # a try that has not moved yet is ended when the socket is back, and begins again
    assert first == 0
    assert others == sorted(others)
    assert others[0] > 0.2 * large.stat().st_size, "received bytes are not sent again"


RETRY_MS = (500, 1_000, 2_000, 4_000, 8_000, 15_000)
"""The waits between two tries to send."""


async def test_interrupted_upload_is_shown_as_one_and_goes_on_because_the_connection_is_back(
    server: RunningServer, context: BrowserContext, large: Path
) -> None:
    async with BreakableProxy(server) as proxy:
        own = await OwnPage.open(context, proxy.url)
        await hold_timers(own.page, *RETRY_MS)
        async with limited_bandwidth(own.page, 150_000):
            await own.upload(large)
            await own.midway()
            assert await own.evaluate("uploads[0].transfer.percent") > 30
            before = await own.evaluate("Date.now()")
            proxy.down = True
            proxy.break_connections()
            await own.until("uploads[0].sending === 'interrupted'")
            assert await own.evaluate(f"uploads[0].retryAt > {before} && !uploads[0].pausable")
            assert await own.evaluate("uploads[0].transfer.sent === uploads[0].state.bytesReceived")
            assert await own.evaluate("uploads[0].transfer.bytesPerSecond") is None
            assert len(own.chunks) == 1
            proxy.down = False
            await own.until("uploads[0].sending === 'now'")
        await own.completes()
    assert len(own.chunks) == 2


SEND_BY_HANDLE = """async () => {
  const [file] = document.querySelector("input").files;
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(file.name, { create: true });
  const writer = await handle.createWritable();
  await writer.write(file);
  await writer.close();
  const { rememberHandle } = await import("/static/sending/file-handles.js");
  globalThis.uploads = [roomcast.upload(await handle.getFile())];
  await rememberHandle(uploads[0], handle);
}"""

ASK_FOR_PERMISSION = """
FileSystemFileHandle.prototype.queryPermission = async () => "prompt";
FileSystemFileHandle.prototype.requestPermission = async () => "granted";
"""


def handle_is(relation: str, upload_id: str) -> str:
    """Return the expression of whether the browser has no handle of an upload's file (`===`), or has one (`!==`)."""
    module = "import('/static/sending/file-handles.js')"
    return f"{module}.then(async ({{ handleOf }}) => (await handleOf('{upload_id}')) {relation} null)"


async def test_reload_goes_on_by_the_handle_of_the_file_at_once_or_when_that_is_allowed(
    open_own: Open, large: Path
) -> None:
    own = await open_own()
    async with limited_bandwidth(own.page, 150_000):
        await own.pick(large)
        await own.page.evaluate(SEND_BY_HANDLE)
        await own.midway(0.2)
        upload_id = await own.evaluate("uploads[0].id")
        await own.until(handle_is("!==", upload_id))
        await own.load()
        await own.evaluate(ASK_FOR_PERMISSION)
        await own.evaluate(f"void (globalThis.uploads = [roomcast.watch('{upload_id}')])")
        await own.until("uploads[0].needsFile && uploads[0].canContinue")
        assert await own.evaluate("uploads[0].continueSending()")
        await own.midway(0.4)
        await own.load()
        await own.evaluate(f"void (globalThis.uploads = [roomcast.watch('{upload_id}')])")
        await own.until("uploads[0].sending === 'now'")
        assert not await own.evaluate("uploads[0].needsFile")
    await own.completes()
    first, second, third = own.chunks
    assert first == 0 < second < third
    await own.until(handle_is("===", upload_id))


async def test_same_file_resumes_after_a_reload(open_own: Open, large: Path) -> None:
    own = await open_own()
    async with limited_bandwidth(own.page, 150_000):
        (upload_id,) = await own.upload(large)
        await own.midway()
        await own.load()
    own.chunks.clear()
    assert await own.upload(large) == [upload_id]
    await own.completes()
    (offset,) = own.chunks
    assert 0 < offset < large.stat().st_size


async def test_watched_upload_needs_its_file_after_a_reload(open_own: Open, large: Path) -> None:
    own = await open_own()
    async with limited_bandwidth(own.page, 50_000):
        (upload_id,) = await own.upload(large)
        await own.midway(0.1)
        other = await open_own()
        await other.evaluate(f"void (globalThis.watched = roomcast.watch('{upload_id}'))")
        await other.until("watched.state?.stage === 'receiving'")
        assert not await other.evaluate("watched.needsFile"), "the other tab is sending it"
        await own.load()
        await other.until("watched.needsFile")
    await other.upload(large)
    assert await other.evaluate("uploads[0] === watched")
    assert not await other.evaluate("watched.needsFile")
    await other.completes()
    assert other.chunks[0] > 0


async def test_paused_upload_sends_nothing_until_resumed(open_own: Open, large: Path, api: Api) -> None:
    own = await open_own()
    async with limited_bandwidth(own.page, 150_000):
        (upload_id,) = await own.upload(large)
        await own.midway()
        assert await own.evaluate("uploads[0].pausable")
        await own.evaluate("uploads[0].pause()")
        waiting = await api.until(upload_id, lambda message: message["message"] == "Waiting for the rest of the file")
        assert await own.evaluate("uploads[0].sending") == "paused"
        assert await own.evaluate("roomcast.aggregate.active") == 1
    assert (await api.get(upload_id)).body["seq"] == waiting["seq"]
    await own.evaluate("uploads[0].resume()")
    await own.completes()
    assert own.chunks == [0, waiting["bytesReceived"]]


@pytest.mark.parametrize("paused", [True, False])
async def test_cancel_stops_a_resumable_upload(
    server: RunningServer, open_own: Open, large: Path, api: Api, paused: bool
) -> None:
    own = await open_own()
    async with limited_bandwidth(own.page, 150_000):
        (upload_id,) = await own.upload(large)
        await own.midway()
        if paused:
            await own.evaluate("uploads[0].pause()")
        await own.evaluate("uploads[0].cancel()")
        assert (await api.get(upload_id)).body["stage"] == "cancelled"
    assert server.files_of(upload_id) == []
    assert await own.evaluate("uploads[0].finished.catch((error) => error.code)") == "CANCELLED"
    assert await own.evaluate("uploads[0].sending") == "no"
    assert len(own.chunks) == 1


async def test_file_given_to_another_tab_is_sent_by_that_tab(open_own: Open, large: Path) -> None:
    one, other = await open_own(), await open_own()
    async with limited_bandwidth(one.page, 150_000):
        (upload_id,) = await one.upload(large)
        await one.midway()
        assert await other.upload(large) == [upload_id]
        await other.completes()
        await one.completes()
    assert len(one.chunks) == 1, "it stopped when the other tab took over"
