"""`<upload-progress-list>` in an application's page: rows, dialog, events, accessibility."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Ffmpeg, ListUploads
from tests.conftest import Shelf
from tests.support.browser.demo import FOCUSED, WORK_SECONDS, Card, hold_requests, limited_bandwidth
from tests.support.clips import pad
from tests.support.harness import Api, RunningServer

pytestmark = pytest.mark.browser

_HTML = """<!doctype html><meta charset="utf-8"><input type="file" multiple aria-label="Files">
<script type="module" src="/static/upload-progress-list.js"></script>
"""
_SEND = """
() => [...document.querySelector("input").files].forEach((file) => {
  document.querySelector("upload-progress-list").roomcast.upload(file);
})
"""
_RECORD_EVENTS = """
() => {
  globalThis.received = [];
  for (const name of ["upload-completed", "upload-error", "upload-dismissed", "all-completed", "close"]) {
    document.addEventListener(name, () => received.push(name));
  }
}
"""


_LIVE = "(list) => list.shadowRoot.querySelectorAll('[role=status], [aria-live]').length"


class ListPage:
    """A tab with lists."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.list = page.locator("upload-progress-list").first
        self.rows = self.list.get_by_role("listitem")
        self.panel = self.list.locator("#panel")
        self.overall = self.list.get_by_role("progressbar", name="Progress of all uploads")
        self.announced = self.list.locator("#announcer")

    def card(self, file: Path) -> Card:
        return Card(self.page, file.name)

    async def send(self, *files: Path) -> None:
        await self.page.get_by_label("Files").set_input_files(list(files))
        await self.page.evaluate(_SEND)

    async def press(self, name: str) -> None:
        await self.list.get_by_role("button", name=name, exact=True).click()

    async def events(self) -> list[str]:
        """Return the names of the lists' events that reached the document."""
        names: list[str] = await self.page.evaluate("() => globalThis.received")
        return names


Open = Callable[[str], Awaitable[ListPage]]


@pytest.fixture
def open_list(server: RunningServer, context: BrowserContext) -> Open:
    """Return a function that opens a page of the server's origin with some markup below a file picker."""

    async def open_list(markup: str) -> ListPage:
        page = await context.new_page()

        async def serve(route: Route) -> None:
            await route.fulfill(body=_HTML + markup, content_type="text/html")

        await page.route("**/own", serve)
        await page.goto(f"{server.url}/own")
        await page.evaluate(_RECORD_EVENTS)
        return ListPage(page)

    return open_list


@pytest.mark.usefixtures("own_profile")
async def test_long_list_shows_active_rows_and_expands(
    open_list: Open, shelf: Shelf, ffmpeg: Ffmpeg, list_uploads: ListUploads
) -> None:
    done, going = shelf.image("done.png"), [shelf.clip(f"{number}.mp4", seconds=1) for number in range(4)]
    bad = shelf.image("bad.png")
    bad.write_text("not a picture")
    own = await open_list('<upload-progress-list max-items="3"></upload-progress-list>')
    await own.send(done)
    await own.card(done).reaches("Completed")
    ffmpeg.behave("slow:600")
    await own.send(*going, bad)
    await own.card(bad).reaches("Failed")
    await expect(own.rows).to_have_count(3)
    await expect(own.card(bad).root).to_be_visible()
    await expect(own.card(done).root).to_be_hidden()
    await own.press("Show 3 more")
    await expect(own.rows).to_have_count(6)
    await own.press("Show fewer")
    await expect(own.rows).to_have_count(3)

    shown = await own.overall.get_attribute("aria-valuenow")
    expected = await own.list.evaluate("(list) => [Math.floor(list.aggregate.progress), list.aggregate.total]")
    assert expected[1] == 5, "the earlier upload does not count"
    assert int(shown or "101") <= expected[0]

    await own.page.clock.install()
    await own.press("Cancel all")
    await own.page.clock.fast_forward(10_000)
    # A row that ends moves what is below it, and a button that moves under the pointer is not clicked.
    await expect(own.list.locator("#count")).to_have_text("1 done, 1 failed, 4 cancelled", timeout=60_000)
    await own.press("Show 3 more")
    for clip in going:
        await own.card(clip).reaches("Cancelled")
    stages = {upload["filename"]: upload["stage"] for upload in await list_uploads()}
    assert [stages[clip.name] for clip in going] == ["cancelled"] * 4
    await expect(own.overall).to_be_hidden()


async def test_pause_and_resume_buttons_stop_and_continue_sending(
    open_list: Open, shelf: Shelf, api: Api, list_uploads: ListUploads
) -> None:
    large = pad(shelf.image(), 1_600_000)
    own = await open_list("<upload-progress-list></upload-progress-list>")
    card = own.card(large)
    async with limited_bandwidth(own.page, 50_000):
        await own.send(large)
        await card.reaches("Sending")
        await expect(card.facts).to_contain_text(" of ")
        await card.button("Pause").click()
        await card.reaches("Paused")
        await expect(card.button("Resume")).to_be_focused()
        (upload,) = await list_uploads()
        waiting = await api.until(upload["uploadId"], lambda message: "Waiting for the rest" in message["message"])
        async with own.page.expect_request(lambda request: request.method == "PATCH") as going_on:
            await own.page.keyboard.press("Enter")
        await card.reaches("Sending")
        await expect(card.button("Pause")).to_be_focused()
    await card.reaches("Completed")
    assert (await going_on.value).headers["upload-offset"] == str(waiting["bytesReceived"])


async def test_dialog_closes_after_completion_unless_it_has_the_focus(open_list: Open, shelf: Shelf) -> None:
    one, other = shelf.image("one.png"), shelf.image("other.png")
    own = await open_list('<upload-progress-list mode="dialog" auto-close="50"></upload-progress-list>')
    await expect(own.panel).to_be_hidden()
    reservations = await hold_requests(own.page, "**/api/uploads")
    await own.send(one, other)
    dialog = own.list.get_by_role("dialog")
    await expect(dialog).to_have_accessible_name(re.compile(r"^Uploading [12] of 2$"))
    await own.list.get_by_role("button", name="Collapse").focus()
    reservations.set()  # nothing is completed before the dialog has the focus
    await expect(dialog).to_have_accessible_name("2 uploads completed", timeout=WORK_SECONDS * 1000)
    await own.page.evaluate("() => new Promise((go) => setTimeout(go, 50))")  # equal timers fire in order
    await expect(dialog).to_be_visible()
    assert "close" not in await own.events(), "the dialog has the focus"
    await own.page.get_by_label("Files").focus()
    await expect(dialog).to_be_hidden()
    assert await own.events() == ["upload-completed", "upload-completed", "all-completed", "close"]


async def test_auto_hide_removes_completed_rows_but_not_failed_ones(open_list: Open, shelf: Shelf) -> None:
    good, bad = shelf.image("good.png"), shelf.image("bad.png")
    bad.write_text("not a picture")
    own = await open_list('<upload-progress-list mode="dialog" auto-close="0" auto-hide="0"></upload-progress-list>')
    await own.send(good, bad)
    card = await own.card(bad).reaches("Failed")
    await expect(own.card(good).root).to_have_count(0, timeout=WORK_SECONDS * 1000)
    await expect(own.panel).to_be_visible()
    assert {"upload-error", "upload-completed"} == set(await own.events())
    await card.button("Dismiss").click()
    await expect(own.panel).to_be_hidden()
    assert "upload-dismissed" in await own.events()


async def test_list_works_by_keyboard_alone(open_list: Open, shelf: Shelf, ffmpeg: Ffmpeg) -> None:
    clip = shelf.clip(seconds=1)
    ffmpeg.behave("slow:600")
    own = await open_list('<upload-progress-list mode="dialog"></upload-progress-list>')
    await own.send(clip)
    await own.card(clip).reaches("Compressing")
    keyboard = own.page.keyboard
    await own.page.get_by_label("Files").focus()
    seen = []
    for _ in range(3):
        await keyboard.press("Tab")
        seen.append(await own.page.evaluate(f"() => ({FOCUSED}).title"))
    assert seen == ["Collapse", "Close", "Cancel"]
    await keyboard.press("Enter")
    await own.card(clip).reaches("Cancelled")
    assert await own.page.evaluate(f"() => ({FOCUSED}).title") == "Retry"
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(own.panel).to_be_hidden()


async def test_escape_closes_the_dialog_and_restores_the_focus(open_list: Open, shelf: Shelf, ffmpeg: Ffmpeg) -> None:
    clip = shelf.clip(seconds=1)
    ffmpeg.behave("slow:600")
    own = await open_list('<upload-progress-list mode="dialog"></upload-progress-list>')
    await own.send(clip)
    await own.card(clip).reaches("Compressing")
    await own.page.get_by_label("Files").focus()
    await own.page.keyboard.press("Tab")
    await own.page.keyboard.press("Enter")
    await expect(own.rows).to_have_count(0)
    await expect(own.list.get_by_role("button", name="Expand")).to_have_attribute("aria-expanded", "false")
    await own.page.keyboard.press("Escape")
    await expect(own.panel).to_be_hidden()
    await expect(own.page.get_by_label("Files")).to_be_focused()
    await expect(own.announced).to_contain_text("The uploads continue.")
    await own.list.evaluate("(list) => list.show()")
    await expect(own.panel).to_be_visible()


async def test_every_control_has_a_name_and_a_role(open_list: Open, shelf: Shelf, ffmpeg: Ffmpeg) -> None:
    clip, bad = shelf.clip("clip.mp4", seconds=1), shelf.image("bad.png")
    bad.write_text("not a picture")
    ffmpeg.behave("slow:600")
    own = await open_list('<upload-progress-list mode="dialog"></upload-progress-list>')
    await own.send(clip, bad)
    await own.card(clip).reaches("Compressing")
    await own.card(bad).reaches("Failed")
    await expect(own.announced).to_have_attribute("role", "status")
    assert await own.list.evaluate(_LIVE) == 1
    for button in await own.list.get_by_role("button").all():
        await expect(button).to_have_accessible_name(re.compile("."))
    for bar in await own.list.get_by_role("progressbar").all():
        await expect(bar).to_have_accessible_name(re.compile("."))
        await expect(bar).to_have_attribute("aria-valuetext", re.compile(r"\d+%"))
    ids = await own.list.evaluate("(list) => [...list.shadowRoot.querySelectorAll('[id]')].map(({ id }) => id)")
    assert len(ids) == len(set(ids))


async def test_two_lists_share_a_connection_and_a_moved_list_continues(
    open_list: Open, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    clip = shelf.clip(seconds=1)
    ffmpeg.behave("slow:600")
    own = await open_list("<upload-progress-list></upload-progress-list><upload-progress-list></upload-progress-list>")
    await own.send(clip)
    lists = own.page.locator("upload-progress-list")
    for number in range(2):
        await expect(lists.nth(number).get_by_role("listitem")).to_have_count(1)
    assert await own.page.evaluate(
        """() => {
          const [one, other] = document.querySelectorAll("upload-progress-list");
          other.remove();
          globalThis.other = other;
          return one.roomcast === other.roomcast && other.shadowRoot.querySelectorAll("li").length === 0;
        }"""
    )
    await expect(own.rows).to_have_count(1)
    await own.page.evaluate("() => document.body.append(other)")
    await expect(lists.nth(1).get_by_role("listitem")).to_have_count(1)
    await lists.nth(1).get_by_role("button", name="Cancel").click()
    for number in range(2):
        await expect(lists.nth(number).locator(".stage")).to_have_text("Cancelled")


async def test_properties_set_before_the_element_was_defined_are_applied(open_list: Open, shelf: Shelf) -> None:
    picture = shelf.image()
    own = await open_list("")
    await own.page.evaluate(
        """async () => {
          const { connect } = await import("/static/roomcast.js");
          const list = document.createElement("upload-progress-list");
          const late = document.implementation.createHTMLDocument().createElement("upload-progress-list");
          globalThis.own = connect();
          const locale = { heading: "Sendungen", downloads: "Dateien", compressed: (name) => `${name}, verkleinert` };
          Object.assign(late, { roomcast: own, maxItems: 2, results: true, locale });
          document.body.append(late);
        }"""
    )
    await own.send(picture)
    assert await own.list.evaluate("(list) => list.roomcast === own && list.getAttribute('max-items') === '2'")
    await expect(own.list.get_by_role("heading", name="Sendungen")).to_be_visible()
    card = await own.card(picture).reaches("Completed")
    await expect(card.root.get_by_role("list", name="Dateien")).to_be_visible()
    await expect(card.root.get_by_role("img", name="picture.png, verkleinert")).to_be_visible()


async def test_page_sets_the_colours_and_direction_of_the_list(open_list: Open, shelf: Shelf) -> None:
    picture = shelf.image(size=(640, 480))
    own = await open_list(
        "<style>upload-progress-list { --accent: rgb(200, 0, 100) } "
        "upload-progress-list::part(row) { border-radius: 3px }</style>"
        '<div dir="rtl"><upload-progress-list></upload-progress-list></div>'
    )
    await own.send(picture)
    card = await own.card(picture).reaches("Completed")
    await expect(own.list.locator("#overall .fill")).to_have_css("background-color", "rgb(200, 0, 100)")
    await expect(card.root).to_have_css("border-radius", "3px")
    preview = await card.root.locator(".preview").bounding_box()
    name = await card.root.locator(".name").bounding_box()
    assert preview is not None
    assert name is not None
    assert preview["x"] > name["x"]
