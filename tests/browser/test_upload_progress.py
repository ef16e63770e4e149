"""`<upload-progress>`, and the rows of both elements: upload ID, outcome events, activity icon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Ffmpeg, OpenPage
from tests.conftest import Shelf
from tests.support.browser.demo import WORK_SECONDS, Card, record_changes
from tests.support.harness import Api, RunningServer

pytestmark = pytest.mark.browser

_HTML = """<!doctype html><meta charset="utf-8"><input type="file" multiple aria-label="Files">
<script type="module" src="/static/upload-progress.js"></script>
<script type="module" src="/static/upload-progress-list.js"></script>
<script>
  globalThis.received = [];
  for (const name of ["upload-completed", "upload-error", "upload-cancelled"]) {
    document.addEventListener(name, ({ detail, target }) => received.push([name, detail.id, target.localName]));
  }
</script>
"""
UNKNOWN = f"upload_{'0' * 32}"


class SinglePage:
    """A tab with elements."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.element = page.locator("upload-progress").first
        self.row = self.element.get_by_role("listitem")

    def card(self, name: str) -> Card:
        return Card(self.page, name)

    async def events(self) -> list[list[str]]:
        """Return the elements' events that reached the document: name, upload id, element."""
        events: list[list[str]] = await self.page.evaluate("() => globalThis.received")
        return events

    async def wait_for_event(self, name: str, upload_id: str) -> None:
        await self.page.wait_for_function(
            "([name, id]) => received.some((one) => one[0] === name && one[1] === id)",
            arg=[name, upload_id],
            timeout=WORK_SECONDS * 1000,
        )

    async def watched(self) -> list[str]:
        """Return the ids of the uploads that the element's connection watches."""
        ids: list[str] = await self.element.evaluate("(element) => element.roomcast.uploads.map(({ id }) => id)")
        return ids


Open = Callable[[str], Awaitable[SinglePage]]


@pytest.fixture
def open_single(server: RunningServer, context: BrowserContext) -> Open:
    """Return a function that opens a page of the server's origin with some markup."""

    async def open_single(markup: str) -> SinglePage:
        page = await context.new_page()

        async def serve(route: Route) -> None:
            await route.fulfill(body=_HTML + markup, content_type="text/html")

        await page.route("**/own", serve)
        await page.goto(f"{server.url}/own")
        return SinglePage(page)

    return open_single


async def test_element_shows_an_upload_until_its_result(
    open_single: Open, api: Api, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    ffmpeg.behave("busy")
    upload_id = await api.accepted(shelf.clip())
    own = await open_single(f'<upload-progress upload-id="{upload_id}" results></upload-progress>')
    card = await own.card("clip.mp4").compresses()
    assert await own.events() == []
    ffmpeg.heal()
    await own.wait_for_event("upload-completed", upload_id)
    await card.reaches("Completed")
    await expect(card.root.locator("video")).to_be_visible()
    await expect(card.button("Dismiss")).to_be_hidden()
    assert await own.events() == [["upload-completed", upload_id, "upload-progress"]]


async def test_element_dispatches_the_outcome_of_an_ended_upload_at_once(
    open_single: Open, api: Api, shelf: Shelf
) -> None:
    done = await api.accepted(shelf.image())
    await api.finished(done)
    cancelled, _ = await api.reserved("never.mp4", 100)
    await api.cancel(cancelled)
    own = await open_single(
        "".join(f'<upload-progress upload-id="{one}"></upload-progress>' for one in (done, cancelled))
    )
    await own.wait_for_event("upload-completed", done)
    await own.wait_for_event("upload-cancelled", cancelled)
    assert len(await own.events()) == 2


async def test_cancel_dispatches_upload_cancelled(open_single: Open, api: Api, shelf: Shelf, ffmpeg: Ffmpeg) -> None:
    ffmpeg.behave("slow:600")
    upload_id = await api.accepted(shelf.clip())
    own = await open_single(f'<upload-progress upload-id="{upload_id}"></upload-progress>')
    card = await own.card("clip.mp4").compresses()
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    assert await own.events() == [["upload-cancelled", upload_id, "upload-progress"]]


async def test_failure_dispatches_upload_error_and_a_retry_dispatches_again(
    open_single: Open, api: Api, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    ffmpeg.behave("die")
    upload_id = await api.accepted(shelf.clip())
    await api.finished(upload_id)
    own = await open_single(f'<upload-progress upload-id="{upload_id}"></upload-progress>')
    await own.wait_for_event("upload-error", upload_id)
    card = own.card("clip.mp4")
    await expect(card.problem).not_to_be_empty()
    ffmpeg.heal()
    await card.button("Retry").click()
    await own.wait_for_event("upload-completed", upload_id)
    assert [name for name, *_ in await own.events()] == ["upload-error", "upload-completed"]


async def test_unknown_id_is_an_error_that_shows_the_id(open_single: Open) -> None:
    own = await open_single(f'<upload-progress upload-id="{UNKNOWN}"></upload-progress>')
    await own.wait_for_event("upload-error", UNKNOWN)
    await expect(own.row.locator(".problem")).to_have_text("There is no such upload.")
    await expect(own.row.locator(".upload-id")).to_have_text(UNKNOWN)


async def test_changed_upload_id_leaves_the_previous_upload(open_single: Open, api: Api) -> None:
    first, _ = await api.reserved("first.mp4", 100)
    second, _ = await api.reserved("second.mp4", 100)
    own = await open_single("<upload-progress></upload-progress>")
    await expect(own.row).to_have_count(0)
    for upload_id, name in ((first, "first.mp4"), (second, "second.mp4")):
        await own.element.evaluate("(element, id) => (element.uploadId = id)", upload_id)
        await expect(own.card(name).root).to_be_visible()
        await expect(own.row).to_have_count(1)
        assert await own.watched() == [upload_id]
    await own.element.evaluate("(element) => element.removeAttribute('upload-id')")
    await expect(own.row).to_have_count(0)
    assert await own.watched() == []


async def test_two_elements_of_an_upload_share_its_room_until_both_are_removed(open_single: Open, api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    own = await open_single(f'<upload-progress upload-id="{upload_id}"></upload-progress>' * 2)
    rows = own.page.get_by_role("listitem", name="clip.mp4")
    await expect(rows).to_have_count(2)
    await own.page.evaluate(
        "() => { globalThis.removed = document.querySelector('upload-progress'); removed.remove() }"
    )
    assert await own.watched() == [upload_id]
    await rows.get_by_role("button", name="Cancel").click()
    await own.wait_for_event("upload-cancelled", upload_id)
    await own.page.evaluate("() => document.querySelector('upload-progress').remove()")
    assert await own.page.evaluate("() => removed.roomcast.uploads.length") == 0


async def test_upload_of_an_assigned_connection_is_still_watched_after_the_element_is_removed(
    open_single: Open, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    clip = shelf.clip()
    ffmpeg.behave("slow:600")
    own = await open_single("<upload-progress-list></upload-progress-list>")
    await own.page.get_by_label("Files").set_input_files(clip)
    await own.page.evaluate(
        """async () => {
          const list = document.querySelector("upload-progress-list");
          const upload = list.roomcast.upload(document.querySelector("input").files[0]);
          await new Promise((go) => upload.addEventListener("change", () => upload.id && go()));
          const element = document.createElement("upload-progress");
          Object.assign(element, { roomcast: list.roomcast, uploadId: upload.id });
          document.body.append(element);
        }"""
    )
    await expect(own.page.get_by_role("listitem", name=clip.name)).to_have_count(2)
    await own.page.evaluate("() => document.querySelector('upload-progress').remove()")
    card = await own.card(clip.name).compresses()
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    (event,) = await own.events()
    assert (event[0], event[2]) == ("upload-cancelled", "upload-progress-list")


async def test_list_dispatches_upload_error_for_a_refused_reservation(open_single: Open, shelf: Shelf) -> None:
    own = await open_single("<upload-progress-list></upload-progress-list>")
    await own.page.get_by_label("Files").set_input_files(shelf.image())
    await own.page.evaluate(
        """() => {
          const list = document.querySelector("upload-progress-list");
          list.roomcast.upload(document.querySelector("input").files[0], { type: "no such template" });
        }"""
    )
    card = await own.card("picture.png").reaches("Failed")
    await expect(card.root.locator(".upload-id")).to_be_hidden()
    assert await own.events() == [["upload-error", None, "upload-progress-list"]]


async def test_upload_id_is_copied_or_else_selected(
    server: RunningServer, context: BrowserContext, open_page: OpenPage, shelf: Shelf
) -> None:
    picture = shelf.image()
    await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    demo = await open_page(server)
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Completed")
    shown = await card.root.locator(".upload-id").text_content()
    assert shown == await demo.page.evaluate("() => document.querySelector('#uploads').roomcast.uploads[0].id")
    await record_changes(card.button("Copy the upload ID"), "title")
    await card.button("Copy the upload ID").click()
    await demo.page.wait_for_function("() => recorded.length === 2")
    assert await demo.page.evaluate("recorded") == ["Copied", "Copy the upload ID"], "it is confirmed for a moment"
    assert await demo.page.evaluate("() => navigator.clipboard.readText()") == shown

    await demo.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    await card.button("Copy the upload ID").click()
    await demo.page.wait_for_function("(id) => getSelection().toString() === id", arg=shown)
    await expect(card.button("Copy the upload ID")).to_be_visible()


_MOVING = """
(card) => card.getAnimations({ subtree: true }).filter(({ playState, animationName }) => {
  return animationName && playState === "running";
}).length
"""


async def test_activity_icon_is_animated_unless_motion_is_reduced(
    open_single: Open, api: Api, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    ffmpeg.behave("slow:600")
    upload_id = await api.accepted(shelf.clip())
    own = await open_single(f'<upload-progress upload-id="{upload_id}"></upload-progress>')
    await own.page.emulate_media(reduced_motion="no-preference")
    card = await own.card("clip.mp4").compresses()

    async def moving() -> Any:
        return await card.root.evaluate(_MOVING)

    await expect(card.root.locator(".activity .compressing")).to_be_visible()
    assert await moving() == 2
    await own.page.emulate_media(reduced_motion="reduce")
    assert await moving() == 0
    await expect(card.root.locator(".activity .compressing")).to_be_visible()
    await own.page.emulate_media(reduced_motion="no-preference")
    assert await moving() == 2
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    assert await moving() == 0
    await expect(card.root.locator(".activity")).to_be_hidden()


async def test_width_of_a_segment_is_its_progress(open_single: Open, api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    own = await open_single(f'<div dir="rtl"><upload-progress upload-id="{upload_id}"></upload-progress></div>')
    await expect(own.card("clip.mp4").root).to_be_visible()
    drawn = """
    (card) => {
      const bar = card.querySelector(".segment").getBoundingClientRect();
      const fill = card.querySelector(".fill");
      fill.style.transition = "none";
      const at = (percent) => {
        fill.style.setProperty("--progress", percent);
        const { left, right } = fill.getBoundingClientRect();
        return Math.round((100 * (Math.min(right, bar.right) - Math.max(left, bar.left))) / bar.width);
      };
      return [at(0), at(25), at(100)];
    }
    """
    assert await own.row.evaluate(drawn) == [0, 25, 100]
    await own.page.evaluate("() => (document.querySelector('div').dir = 'ltr')")
    assert await own.row.evaluate(drawn) == [0, 25, 100]
