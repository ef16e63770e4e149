"""The file intake of the demo page: checks, templates, history."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.async_api import Request, expect

from tests.browser.conftest import ListUploads, OpenPage
from tests.conftest import Shelf
from tests.support.browser.demo import WORK_SECONDS, Demo, choosing, hold_timers
from tests.support.clips import pad
from tests.support.harness import Api, RunningServer

pytestmark = pytest.mark.browser

LIMIT = 200_000
LEFT_MS = 1_000
"""How many milliseconds after the last event of a drag the page takes the files for gone."""
MEASURE_MS = 2_000
"""A file that takes more milliseconds to measure is sent, and the server decides."""
TEMPLATES = """
[templates.avatar]
title = "Profile picture"
kind = "image"
max_bytes = 20_000
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("strict")
    (folder / "templates.toml").write_text(TEMPLATES)
    limits = {"ROOMCAST_MAX_UPLOAD_BYTES": str(LIMIT), "ROOMCAST_MAX_DURATION_SECONDS": "1"}
    with RunningServer(folder / "data", ROOMCAST_TEMPLATES=str(folder / "templates.toml"), **limits) as running:
        yield running


def calls(demo: Demo) -> list[str]:
    """Return a list that records the tab's requests to the uploads API from now on."""
    asked: list[str] = []

    def record(request: Request) -> None:
        if "/api/uploads" in request.url:
            asked.append(f"{request.method} {request.url}")

    demo.page.on("request", record)
    return asked


async def test_files_that_the_server_would_refuse_are_not_sent(
    strict: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    demo = await open_page(strict)
    await hold_timers(demo.page, MEASURE_MS)
    limits = "MP4, MOV, WebM, JPEG, PNG, WebP, MP3 and more · up to 200 kB each"
    await expect(demo.page.locator("#limits")).to_have_text(limits)
    asked = calls(demo)
    good = shelf.image("good.png")
    notes, empty = good.with_name("notes.txt"), shelf.clip("empty.mp4")
    notes.write_text("not a film")
    empty.write_bytes(b"")
    refused = {
        notes: "The file is not a video, an image or an audio file.",
        empty: "The file is empty.",
        pad(shelf.image("large.png"), LIMIT + 1): "The file has 201 kB. The limit is 200 kB.",
        shelf.clip("long.mp4", seconds=2): "The file lasts 0:02. The limit is 0:01.",
    }
    await demo.drop(*refused, good)
    for file, reason in refused.items():
        await demo.card(file).reaches("Not uploaded")
        await expect(demo.card(file).problem).to_have_text(reason)
    await demo.card(good).reaches("Completed")
    assert len([call for call in asked if call.startswith("POST")]) == 1, "only the valid file is sent"
    card = demo.card("notes.txt")
    await card.button("Dismiss").click()
    await expect(card.root).to_have_count(0)


async def test_template_is_chosen_by_its_title_and_its_limits_are_checked(
    strict: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    demo = await open_page(strict)
    asked = calls(demo)
    await demo.template.select_option("Profile picture (images only)")
    await expect(demo.page.locator("#limits")).to_have_text("JPEG, PNG, WebP, HEIC, AVIF and more · up to 20 kB each")
    clip, large, picture = shelf.clip(), pad(shelf.image("large.png"), 20_001), shelf.image()
    await demo.choose(clip, large)
    for file, reason in (
        (clip, "The template “Profile picture” accepts images only."),
        (large, "The file has 20.1 kB. The limit is 20 kB."),
    ):
        await demo.card(file).reaches("Not uploaded")
        await expect(demo.card(file).problem).to_have_text(reason)
    assert asked == []
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
    async with Api(strict) as api:
        uploads = (await api.list()).body["uploads"]
    assert [one["element"]["type"] for one in uploads if one["filename"] == picture.name] == ["avatar"]


async def test_folder_dropped_beside_a_file_is_sent_and_files_are_pasted(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    alone = shelf.image("alone.png")
    folder = alone.parent / "Holiday"
    (folder / "day 1" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    (alone.parent / "Nothing").mkdir()
    inner = [shelf.image(f"{name}.png") for name in ("b10", "b2")]
    for file in inner:
        shutil.move(file, folder / "day 1" / "deep" / file.name)
    for name in (".DS_Store", "notes.txt"):
        (folder / name).write_text("no picture")
    demo = await open_page(server)
    await demo.page.evaluate("document.querySelector('main').style.minHeight = '4000px'")
    await demo.page.mouse.wheel(0, 3000)
    await demo.page.dispatch_event("main", "dragstart")
    async with demo.dragging(alone):
        await expect(demo.overlay).to_be_hidden()
    await demo.page.dispatch_event("main", "dragend")
    async with demo.dragging(folder, alone, alone.parent / "Nothing") as drag:
        await expect(demo.overlay).to_have_text("Drop to send 3 files")
        await drag("dragCancel")
        await expect(demo.overlay).to_be_hidden()
        await hold_timers(demo.page, LEFT_MS)
        await drag("dragEnter")
        await expect(demo.overlay).to_be_visible()
        await demo.page.keyboard.press("Escape")
        await expect(demo.overlay).to_be_hidden()
        await drag("dragOver")
        await drag("drop")
    await expect(demo.overlay).to_be_hidden()
    await expect(demo.note).to_have_text(
        "1 file that is not a video, an image or an audio file was skipped: notes.txt. "
        "2 hidden files were skipped: .DS_Store and .git."
    )
    await expect(demo.warning).to_have_text("The folder Nothing has no files.")
    await expect(demo.warning).to_be_in_viewport()
    for name in ("b2.png", "b10.png", "alone.png"):
        await demo.card(name).reaches("Completed")

    await demo.warning.locator("..").get_by_role("button", name="Dismiss").click()
    await expect(demo.warning).to_be_empty()
    await demo.paste(alone, as_name="image.png")
    pasted = demo.page.get_by_role(
        "listitem", name=re.compile(r"^Pasted picture 20\d\d-\d\d-\d\d \d\d\.\d\d\.\d\d\.png$")
    )
    await expect(pasted.locator(".stage")).to_have_text("Completed", timeout=WORK_SECONDS * 1000)
    await expect(demo.note).to_be_empty()


async def test_files_are_chosen_from_a_folder_and_by_their_handles(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    picture = shelf.image("chosen.png")
    folder = picture.parent / "Chosen"
    folder.mkdir()
    shutil.move(picture, folder / picture.name)
    (folder / ".hidden.png").write_text("hidden")
    demo = await open_page(server)
    async with choosing(demo.page, folder):
        await demo.button("Choose a folder").click()
    await demo.card(picture).reaches("Completed")
    await expect(demo.note).to_have_text("1 hidden file was skipped: .hidden.png.")

    content = base64.b64encode((folder / picture.name).read_bytes()).decode()
    await demo.page.evaluate(
        """async (content) => {
          const root = await navigator.storage.getDirectory();
          const handle = await root.getFileHandle("picked.png", { create: true });
          const writable = await handle.createWritable();
          await writable.write(Uint8Array.from(atob(content), (char) => char.charCodeAt(0)));
          await writable.close();
          globalThis.showOpenFilePicker = async (options) => {
            globalThis.options = options;
            return [handle];
          };
        }""",
        content,
    )
    await demo.page.locator(".drop").get_by_text("Choose files").click()
    await demo.card("picked.png").reaches("Completed")
    assert await demo.page.evaluate("options.types[0].accept") == {"video/*": [], "audio/*": [], "image/*": []}
    await demo.page.evaluate("void (globalThis.showOpenFilePicker = () => Promise.reject(new TypeError()))")
    async with choosing(demo.page):
        await demo.page.locator(".drop").get_by_text("Choose files").click()


async def test_duplicates_of_a_batch_are_asked_about_once(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, list_uploads: ListUploads
) -> None:
    one, other, fresh = (shelf.image(f"{name}.png") for name in ("one", "other", "fresh"))
    demo = await open_page(server)
    await demo.choose(one, other)
    for file in (one, other):
        await demo.card(file).reaches("Completed")
    await expect(demo.question).to_be_hidden()

    await demo.choose(one)
    await expect(demo.question).to_be_visible()
    await expect(demo.question).to_have_accessible_name("one.png is already in the list. Send it again?")
    assert await demo.focused() == "Skip"
    await demo.page.keyboard.press("Escape")
    await expect(demo.question).to_be_hidden()

    await demo.page.reload()
    await demo.connection_is("online")
    await demo.card(one).reaches("Completed")
    await demo.choose(one, fresh, other)
    await expect(demo.question).to_contain_text("2 files are already in the list. Send them again?")
    await demo.card(fresh).reaches("Completed")
    await demo.page.keyboard.press("Tab")
    await demo.page.keyboard.press("Enter")
    await expect(demo.question).to_be_hidden()
    await expect(demo.cards).to_have_count(5)
    for card in await demo.cards.all():
        await expect(card.locator(".stage")).to_have_text("Completed", timeout=WORK_SECONDS * 1000)
    assert len(await list_uploads()) == 5


async def test_page_works_without_the_server_configuration(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    demo = await open_page(server)
    await demo.page.route("**/api/config", lambda route: route.fulfill(status=404))
    await demo.page.reload()
    picture = shelf.image()
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
    await expect(demo.template).to_be_hidden()


async def test_hidden_uploads_can_be_shown_again(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    one, other = shelf.image("one.png"), shelf.image("other.png")
    demo = await open_page(server)
    await demo.choose(one, other)
    for file in (one, other):
        await demo.card(file).reaches("Completed")
    await demo.button("Hide finished").click()
    await expect(demo.cards).to_have_count(0)
    assert await demo.focused() == "Show 2 hidden"
    await demo.page.reload()
    show = demo.button("Show 2 hidden")
    await expect(show).to_be_visible()
    await expect(demo.cards).to_have_count(0)
    await show.click()
    for file in (one, other):
        await demo.card(file).reaches("Completed")
    await expect(show).to_be_hidden()


async def test_markup_in_a_filename_is_shown_as_text(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    picture = shelf.image("<img src=x onerror=alert(1)>.png")
    demo = await open_page(server)
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Completed")
    await expect(card.root.get_by_role("heading")).to_have_text(picture.name)
    await expect(card.root.get_by_role("img")).to_have_count(1)
