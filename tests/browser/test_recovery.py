"""The demo page after reloads, network failures and server failures."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import BrowserContext, Dialog, Page, Request, Route, WebSocketRoute, expect
from roomcast.http.pages import page_policy

from tests.browser.conftest import Ffmpeg, ListUploads, OpenPage
from tests.browser.test_cancel import large
from tests.conftest import Serve, Shelf
from tests.support.browser.demo import WORK_SECONDS, assert_valid_progress, choosing, transferred
from tests.support.clips import pad
from tests.support.harness import ROOT, SHORT_LEASE, Api, RunningServer

pytestmark = pytest.mark.browser

SOCKETS = re.compile(r"/socket\.io/")
STREAMS = re.compile(r"/api/uploads/[^/]+/events$")


async def test_reload_continues_to_show_uploads(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    one, other = shelf.clip("one.mp4"), shelf.clip("other.mp4")
    ffmpeg.behave("busy")
    demo = await open_page(server)
    await demo.choose(one, other)
    for file in (one, other):
        await demo.card(file).compresses()
    await demo.page.reload()
    for file in (one, other):
        await demo.card(file).compresses()
    ffmpeg.heal()
    for file in (one, other):
        await demo.card(file).reaches("Completed")
        renderings = await demo.renderings(file)
        assert_valid_progress(renderings)
        assert {rendering.stage for rendering in renderings}.isdisjoint({"Receiving", "Sending"})
    await demo.page.reload()
    for file in (one, other):
        await expect((await demo.card(file).reaches("Completed")).download("Download")).to_be_visible()


async def test_page_shows_offline_and_recovers(
    server: RunningServer,
    open_page: OpenPage,
    shelf: Shelf,
    ffmpeg: Ffmpeg,
    context: BrowserContext,
    api: Api,
    list_uploads: ListUploads,
) -> None:
    clip = shelf.clip()
    ffmpeg.behave("busy")
    demo = await open_page(server)
    await demo.choose(clip)
    card = await demo.card(clip).compresses()
    await context.set_offline(True)
    await expect(demo.banner).to_contain_text("You are offline")
    await expect(card.facts, "a speed would be one of before").to_be_hidden()
    ffmpeg.heal()
    (upload,) = await list_uploads()
    assert (await api.finished(upload["uploadId"], WORK_SECONDS))["status"] == "completed"
    assert await card.stage.text_content() == "Compressing", "the page shows the last known state"

    await context.set_offline(False)
    await card.reaches("Completed")
    await demo.connection_is("online")
    await expect(demo.banner).to_be_empty()
    assert_valid_progress(await demo.renderings(clip))


@pytest.mark.usefixtures("own_profile")
async def test_page_polls_without_socket_and_streams(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg, context: BrowserContext
) -> None:
    async def refuse(route: Route) -> None:
        await route.abort()

    async def hang_up(socket: WebSocketRoute) -> None:
        await socket.close()

    await context.route(SOCKETS, refuse)
    await context.route(STREAMS, refuse)
    await context.route_web_socket(SOCKETS, hang_up)
    clip = shelf.clip(seconds=19)
    ffmpeg.behave("busy")
    demo = await open_page(server, state=None)
    await demo.choose(clip)
    card = await demo.card(clip).compresses()
    await demo.connection_is("polling")
    await expect(demo.banner).to_contain_text("live connection is not available")
    await expect(card.percent).not_to_have_text(await card.percent.text_content() or "")
    ffmpeg.heal()
    await card.reaches("Completed")
    assert_valid_progress(await demo.renderings(clip))


@pytest.mark.usefixtures("own_profile")
async def test_socket_replaces_the_stream_again(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg, context: BrowserContext
) -> None:
    barred = True

    async def maybe_refuse(route: Route) -> None:
        await (route.abort() if barred else route.continue_())

    async def maybe_hang_up(socket: WebSocketRoute) -> None:
        if barred:
            await socket.close()
        else:
            socket.connect_to_server()

    await context.route(SOCKETS, maybe_refuse)
    await context.route_web_socket(SOCKETS, maybe_hang_up)
    clip = shelf.clip()
    ffmpeg.behave("slow:600")
    demo = await open_page(server, state=None)
    await demo.choose(clip)
    await demo.card(clip).compresses()
    await demo.connection_is("streaming")
    barred = False
    await demo.connection_is("online")
    await expect(demo.banner).to_be_empty()
    await demo.card(clip).button("Cancel").click()
    await demo.card(clip).reaches("Cancelled")


async def test_page_recovers_after_the_server_was_killed(
    serve: Serve, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    server, clip = serve(**ffmpeg.env, **SHORT_LEASE), shelf.clip()
    ffmpeg.behave("slow:600")
    demo = await open_page(server)
    await demo.choose(clip)
    card = await demo.card(clip).compresses()
    server.kill()
    await demo.connection_is("reconnecting")
    await expect(demo.banner).to_contain_text("The connection was lost")
    ffmpeg.heal()
    server.restart()
    await demo.connection_is("online")
    await card.reaches("Completed")
    assert_valid_progress(await demo.renderings(clip))


async def test_row_of_an_interrupted_transfer_says_what_is_kept_and_goes_on(
    serve: Serve, open_page: OpenPage, shelf: Shelf
) -> None:
    server, picture = serve(**SHORT_LEASE), pad(shelf.image(), 1_600_000)
    demo = await open_page(server)
    async with demo.limited_bandwidth(75_000):
        await demo.choose(picture)
        card = demo.card(picture)
        await expect(card.facts).to_contain_text("/s")
        await expect(card.facts).to_contain_text("of 1.60 MB")
        server.kill()
        await card.reaches("Waiting for the connection")
        await expect(card.facts).to_contain_text("of 1.60 MB kept")
        await expect(card.facts).to_contain_text("trying again in")
        await expect(card.button("Pause")).to_be_hidden()
        await demo.connection_is("reconnecting")
        await expect(demo.banner).to_have_text(
            "The connection was lost. Reconnecting… Uploads will continue automatically."
        )
        await expect(card.facts, "the row says what is kept, beside the banner").to_contain_text("of 1.60 MB kept")
        await expect(card.problem).to_be_empty()
        server.restart()
        await card.reaches("Sending")
    await card.reaches("Completed")
    assert_valid_progress(await demo.renderings(picture))


async def test_leaving_the_page_while_sending_warns_and_needs_the_file_again(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    picture = large(shelf, "large.png")
    other = shelf.image("other.png")
    demo = await open_page(server)
    asked: list[str] = []

    async def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    demo.page.on("dialog", leave)
    await demo.page.get_by_role("heading", level=1).click()  # browsers ask only after a user interaction
    async with demo.limited_bandwidth():
        await demo.choose(picture)
        card = await demo.card(picture).reaches("Sending")
        await expect(card.facts).to_contain_text(" of ")
        await demo.page.reload()
    assert asked == ["beforeunload"]
    await card.reaches("File needed")

    choose = card.button("Choose the file again")
    async with choosing(demo.page, other):
        await choose.click()
    await expect(card.problem).to_contain_text("This is a different file")
    await expect(card.problem).to_have_role("alert")
    async with choosing(demo.page, picture):
        await choose.click()
    await expect(card.problem).to_be_hidden()
    await card.reaches("Completed")
    await demo.page.reload()
    await card.reaches("Completed")
    assert asked == ["beforeunload"], "nothing was being sent by then"


PICK_BY_HANDLE = """async ([transfer]) => {
  const [file] = transfer.files;
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(file.name, { create: true });
  const writer = await handle.createWritable();
  await writer.write(file);
  await writer.close();
  globalThis.showOpenFilePicker = async () => [handle];
}"""
"""Makes the browser's picker answer with the handle of a copy of the file."""

ASK_AGAIN = """
FileSystemFileHandle.prototype.queryPermission = async () => "prompt";
FileSystemFileHandle.prototype.requestPermission = async () => "granted";
"""
"""Makes the browser ask a person before a file is read again after a reload, as it does for files outside of it."""


async def test_button_of_the_row_goes_on_after_a_reload_with_the_handle_of_the_file(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    picture = pad(shelf.image("large.png"), 1_600_000)
    demo = await open_page(server)
    offsets: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    async def leave(dialog: Dialog) -> None:
        await dialog.accept()

    demo.page.on("request", note)
    demo.page.on("dialog", leave)
    await demo.page.evaluate(PICK_BY_HANDLE, [await transferred(demo.page, [picture])])
    card = demo.card(picture)
    async with demo.limited_bandwidth(150_000):
        await demo.page.locator(".drop").get_by_text("Choose files").click()
        await expect(card.percent).to_have_text(re.compile(r"^[2-9]\d"))
        await demo.page.add_init_script(ASK_AGAIN)
        await demo.page.reload()
        await card.reaches("File needed")
        await expect(card.problem).to_contain_text("Continue")
        await card.button("Continue").click()
        await expect(card.button("Continue")).to_be_hidden()
    await card.reaches("Completed")
    first, *_, last = offsets
    assert first == 0 < last, "received bytes are not sent again"


async def test_second_tab_shows_the_same_uploads(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    one, other = shelf.clip("one.mp4"), shelf.clip("other.mp4")
    ffmpeg.behave("slow:600")
    first = await open_page(server)
    await first.choose(one)
    await first.card(one).compresses()
    second = await open_page(server)
    await second.card(one).compresses()
    await second.choose(other)
    await first.card(other).compresses()
    await first.card(other).button("Cancel").click()
    await second.card(other).reaches("Cancelled")
    ffmpeg.heal()
    await second.card(other).button("Retry").click()
    await first.card(other).reaches("Completed")
    await second.card(other).reaches("Completed")
    await first.button("Hide finished").click()
    for tab in (first, second):
        await expect(tab.cards).to_have_count(1)
        await expect(tab.card(one).root).to_be_visible()
    await first.card(one).button("Cancel").click()
    await second.card(one).reaches("Cancelled")
    await second.card(one).button("Dismiss").focus()
    await first.card(one).button("Dismiss").click()
    await expect(second.cards).to_have_count(0)
    await expect(second.button("Show 2 hidden")).to_be_focused()


async def test_only_the_tab_that_was_given_a_file_sends_it_also_after_a_pause(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, context: BrowserContext
) -> None:
    """The other tab has the file's handle, too, and may read it."""
    small, large = shelf.image("small.jpg"), pad(shelf.image("large.jpg"), 1_600_000)
    senders: list[Page] = []

    def record(request: Request) -> None:
        if request.method in ("PUT", "PATCH"):
            senders.append(request.frame.page)

    other, demo = await open_page(server), await open_page(server)
    context.on("request", record)
    async with demo.limited_bandwidth(150_000):
        async with demo.dragging(small, large) as drag:
            await drag("drop")
        await expect(demo.card(large).facts).to_contain_text("of 1.60 MB")
        await demo.card(large).button("Pause").click()
        await demo.card(small).reaches("Completed")
        await other.card(small).reaches("Completed")
        await expect(other.card(large).root).to_be_visible()
    await demo.card(large).button("Resume").click()
    for tab in (demo, other):
        await tab.card(large).reaches("Completed")
    context.remove_listener("request", record)
    assert set(senders) == {demo.page}


async def test_retry_in_another_tab_is_shown_after_the_room_was_closed(
    serve: Serve, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    server = serve(**ffmpeg.env, ROOMCAST_ROOM_LINGER_SECONDS="0")
    clip = shelf.clip()
    ffmpeg.behave("slow:600")
    first, second = await open_page(server), await open_page(server)
    await first.choose(clip)
    await second.card(clip).compresses()
    await second.card(clip).button("Cancel").click()
    for tab in (first, second):
        await tab.card(clip).reaches("Cancelled")
    ffmpeg.heal()
    await first.card(clip).button("Retry").click()
    for tab in (first, second):
        await tab.card(clip).reaches("Completed")


@pytest.mark.usefixtures("own_profile")
async def test_deleted_uploads_leave_the_list_in_all_tabs(
    server: RunningServer, api: Api, open_page: OpenPage, shelf: Shelf
) -> None:
    names = ("one", "two", "three", "four")
    first, second, third, fourth = pictures = [shelf.image(f"{name}.png", size=(64, 64)) for name in names]
    demo = await open_page(server)
    await demo.choose(*pictures)
    ids = {}
    for picture in pictures:
        row = await demo.card(picture).reaches("Completed")
        ids[picture] = await row.root.locator(".upload-id").inner_text()
    other = await open_page(server)
    await expect(other.cards).to_have_count(4)
    await other.card(fourth).button("Delete").click()
    await other.page.goto("about:blank")  # what was about to be deleted is deleted when the page is left
    await expect(demo.cards).to_have_count(3)
    assert (await api.get(ids[fourth])).status == 410
    await other.page.go_back()
    await expect(other.cards).to_have_count(3)
    await demo.page.clock.install()
    await demo.card(first).button("Delete").click()
    await expect(demo.card(first).root).to_be_hidden()
    await expect(demo.page.locator("#undo-notice")).to_contain_text("one.png and its results are about to be deleted.")
    await demo.button("Undo").press("Enter")
    await expect(demo.card(first).root).to_be_visible()
    assert await demo.focused() == "Download", "the focus is back in the row"
    await demo.page.clock.fast_forward(20_000)
    assert (await api.get(ids[first])).status == 200
    await demo.card(first).button("Delete").press("Enter")
    assert await demo.focused() == "Undo"
    await demo.page.clock.fast_forward(10_000)
    for tab in (demo, other):
        await expect(tab.card(first).root).to_have_count(0)
        await expect(tab.cards).to_have_count(2)
    assert await demo.focused() == "Download", "the focus moves to the next row"
    assert (await api.get(ids[first])).status == 410
    assert (await api.request("DELETE", f"/api/uploads/{ids[second]}")).status == 200
    await expect(demo.card(second).root).to_have_count(0)
    await demo.card(third).button("Delete").press("Enter")
    await demo.page.clock.fast_forward(10_000)
    for tab in (demo, other):
        await expect(tab.cards).to_have_count(0)
    await expect(demo.picker).to_be_focused()
    await demo.page.reload()
    await expect(demo.cards).to_have_count(0)
    await expect(demo.note).to_be_empty()


async def test_uploads_that_the_server_no_longer_has_are_removed(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    picture = shelf.image()
    demo = await open_page(server)
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
    await demo.page.evaluate(
        """() => {
          const unknown = `roomcast.upload.upload_${"0".repeat(32)}`;
          localStorage.setItem(unknown, JSON.stringify({ filename: "old.mp4", addedAt: 1, seq: 4, epoch: "gone" }));
        }"""
    )
    await demo.page.reload()
    await expect(demo.note).to_contain_text("no longer stored on the server")
    await expect(demo.cards).to_have_count(1)
    await demo.card(picture).reaches("Completed")
    await demo.page.reload()
    await demo.card(picture).reaches("Completed")
    await expect(demo.note).to_be_empty()


@pytest.mark.usefixtures("own_profile")
async def test_socket_io_client_is_loaded_from_the_cdn_if_not_installed(
    server: RunningServer, open_page: OpenPage, context: BrowserContext
) -> None:
    installed = ROOT / "static" / "node_modules" / "socket.io-client" / "dist" / "socket.io.min.js"
    if not installed.is_file():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")

    async def missing(route: Route) -> None:
        await route.fulfill(status=404)

    async def deliver(route: Route) -> None:
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/javascript"}
        await route.fulfill(body=installed.read_bytes(), headers=headers)

    async def modules(route: Route) -> None:
        """Respond with the page of a server that has no bundle, whose policy allows the CDN."""
        headers = {"Content-Type": "text/html", "Content-Security-Policy": page_policy([])}
        await route.fulfill(path=ROOT / "static" / "page" / "progress-demo.html", headers=headers)

    await context.route("**/progress-demo", modules)
    await context.route("**/static/node_modules/**", missing)
    await context.route("https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js", deliver)
    demo = await open_page(server)
    await demo.connection_is("online")
