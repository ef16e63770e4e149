"""`<upload-progress>`, and what every row shows: its upload's id, its end as an event, and an icon that moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Ffmpeg, OpenPage
from tests.browser.demo import WORK_SECONDS, Card
from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer

pytestmark = pytest.mark.browser

_HTML = """<!doctype html><meta charset="utf-8"><input type="file" multiple aria-label="Files">
<script type="module" src="/static/upload-progress.js"></script>
<script type="module" src="/static/upload-progress-list.js"></script>
<script>
  globalThis.heard = [];
  for (const name of ["upload-completed", "upload-error", "upload-cancelled"]) {
    document.addEventListener(name, ({ detail, target }) => heard.push([name, detail.id, target.localName]));
  }
</script>
"""
UNKNOWN = f"upload_{'0' * 32}"


class SinglePage:
    """A page with elements on it, in a tab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.element = page.locator("upload-progress").first
        self.row = self.element.get_by_role("listitem")

    def card(self, name: str) -> Card:
        return Card(self.page, name)

    async def heard(self) -> list[list[str]]:
        """The elements' events, as they reached the document: name, upload, element."""
        told: list[list[str]] = await self.page.evaluate("() => globalThis.heard")
        return told

    async def hears(self, name: str, upload_id: str) -> None:
        await self.page.wait_for_function(
            "([name, id]) => heard.some((one) => one[0] === name && one[1] === id)",
            arg=[name, upload_id],
            timeout=WORK_SECONDS * 1000,
        )

    async def watched(self) -> list[str]:
        """The uploads whose rooms the page is in."""
        ids: list[str] = await self.element.evaluate("(element) => element.roomcast.uploads.map(({ id }) => id)")
        return ids


Open = Callable[[str], Awaitable[SinglePage]]


@pytest.fixture
def open_single(server: RunningServer, context: BrowserContext) -> Open:
    """Opens a page of the server's origin with this markup."""

    async def open_single(markup: str) -> SinglePage:
        page = await context.new_page()

        async def serve(route: Route) -> None:
            await route.fulfill(body=_HTML + markup, content_type="text/html")

        await page.route("**/own", serve)
        await page.goto(f"{server.url}/own")
        return SinglePage(page)

    return open_single


async def test_one_upload_is_shown_from_its_id_to_its_result(
    open_single: Open, api: Api, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    ffmpeg.behave("busy")
    upload_id = await api.accepted(shelf.clip(seconds=2))
    own = await open_single(f'<upload-progress upload-id="{upload_id}" results></upload-progress>')
    card = await own.card("clip.mp4").compresses()
    assert await own.heard() == []
    ffmpeg.heal()
    await own.hears("upload-completed", upload_id)
    await card.reaches("Completed")
    await expect(card.root.locator("video")).to_be_visible()
    await expect(card.button("Dismiss")).to_be_hidden()
    assert await own.heard() == [["upload-completed", upload_id, "upload-progress"]]


async def test_an_upload_that_has_ended_before_is_told_of_at_once(open_single: Open, api: Api, shelf: Shelf) -> None:
    done = await api.accepted(shelf.image())
    await api.finished(done)
    cancelled, _ = await api.reserved("never.mp4", 100)
    await api.cancel(cancelled)
    own = await open_single(
        "".join(f'<upload-progress upload-id="{one}"></upload-progress>' for one in (done, cancelled))
    )
    await own.hears("upload-completed", done)
    await own.hears("upload-cancelled", cancelled)
    assert len(await own.heard()) == 2


async def test_a_cancel_is_told_as_a_cancel(open_single: Open, api: Api, shelf: Shelf, ffmpeg: Ffmpeg) -> None:
    ffmpeg.behave("slow:60")
    upload_id = await api.accepted(shelf.clip(seconds=2))
    own = await open_single(f'<upload-progress upload-id="{upload_id}"></upload-progress>')
    card = await own.card("clip.mp4").compresses()
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    assert await own.heard() == [["upload-cancelled", upload_id, "upload-progress"]]


async def test_a_failure_is_told_as_an_error_and_a_retry_ends_anew(
    open_single: Open, api: Api, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    ffmpeg.behave("die")
    upload_id = await api.accepted(shelf.clip(seconds=1))
    await api.finished(upload_id)
    own = await open_single(f'<upload-progress upload-id="{upload_id}"></upload-progress>')
    await own.hears("upload-error", upload_id)
    card = own.card("clip.mp4")
    await expect(card.problem).not_to_be_empty()
    ffmpeg.heal()
    await card.button("Retry").click()
    await own.hears("upload-completed", upload_id)
    assert [name for name, *_ in await own.heard()] == ["upload-error", "upload-completed"]


async def test_an_id_that_nobody_knows_is_an_error_that_shows_the_id(open_single: Open) -> None:
    own = await open_single(f'<upload-progress upload-id="{UNKNOWN}"></upload-progress>')
    await own.hears("upload-error", UNKNOWN)
    await expect(own.row.locator(".problem")).to_have_text("There is no such upload.")
    await expect(own.row.locator(".upload-id")).to_have_text(UNKNOWN)


async def test_the_element_follows_its_attribute_and_leaves_what_it_no_longer_shows(
    open_single: Open, api: Api
) -> None:
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


async def test_two_elements_of_one_upload_share_its_room_until_the_last_is_gone(open_single: Open, api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    own = await open_single(f'<upload-progress upload-id="{upload_id}"></upload-progress>' * 2)
    rows = own.page.get_by_role("listitem", name="clip.mp4")
    await expect(rows).to_have_count(2)
    await own.page.evaluate("() => { globalThis.kept = document.querySelector('upload-progress'); kept.remove() }")
    assert await own.watched() == [upload_id]
    await rows.get_by_role("button", name="Cancel").click()
    await own.hears("upload-cancelled", upload_id)
    await own.page.evaluate("() => document.querySelector('upload-progress').remove()")
    assert await own.page.evaluate("() => kept.roomcast.uploads.length") == 0


async def test_an_upload_of_the_pages_own_connection_stays_watched_when_the_element_goes(
    open_single: Open, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    clip = shelf.clip(seconds=1)
    ffmpeg.behave("slow:60")
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
    (told,) = await own.heard()
    assert (told[0], told[2]) == ("upload-cancelled", "upload-progress-list")


async def test_a_list_tells_of_an_upload_that_was_refused_before_it_had_an_id(open_single: Open, shelf: Shelf) -> None:
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
    assert await own.heard() == [["upload-error", None, "upload-progress-list"]]


async def test_the_id_of_a_row_is_copied_and_selected_where_it_cannot_be(
    server: RunningServer, context: BrowserContext, open_page: OpenPage, shelf: Shelf
) -> None:
    picture = shelf.image()
    await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    demo = await open_page(server)
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Completed")
    shown = await card.root.locator(".upload-id").text_content()
    assert shown == await demo.page.evaluate("() => document.querySelector('#uploads').roomcast.uploads[0].id")
    await card.button("Copy the upload ID").click()
    await expect(card.button("Copied")).to_be_visible()
    assert await demo.page.evaluate("() => navigator.clipboard.readText()") == shown
    await expect(card.button("Copy the upload ID")).to_be_visible()

    await demo.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    await card.button("Copy the upload ID").click()
    await demo.page.wait_for_function("(id) => getSelection().toString() === id", arg=shown)
    await expect(card.button("Copy the upload ID")).to_be_visible()


_MOVING = """
(card) => card.getAnimations({ subtree: true }).filter(({ playState, animationName }) => {
  return animationName && playState === "running";
}).length
"""


async def test_the_icon_moves_while_the_upload_does_and_not_for_who_wants_less_movement(
    open_single: Open, api: Api, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    ffmpeg.behave("slow:60")
    upload_id = await api.accepted(shelf.clip(seconds=2))
    own = await open_single(f'<upload-progress upload-id="{upload_id}"></upload-progress>')
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


async def test_the_bar_shows_the_progress_by_moving(open_single: Open, api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    own = await open_single(f'<div dir="rtl"><upload-progress upload-id="{upload_id}"></upload-progress></div>')
    await expect(own.card("clip.mp4").root).to_be_visible()
    drawn = """
    (card) => {
      const bar = card.querySelector(".bar").getBoundingClientRect();
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
