"""The file intake of the demo page: checks, templates, history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Request, expect

from tests.browser.conftest import OpenPage
from tests.conftest import Shelf
from tests.support.browser.demo import Demo
from tests.support.clips import pad
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser

LIMIT = 50_000


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("strict") / "data", ROOMCAST_MAX_UPLOAD_BYTES=str(LIMIT)) as running:
        yield running


def calls(demo: Demo) -> list[str]:
    """Return a list that records the tab's requests to the uploads API from now on."""
    asked: list[str] = []

    def record(request: Request) -> None:
        if "/api/uploads" in request.url:
            asked.append(f"{request.method} {request.url}")

    demo.page.on("request", record)
    return asked


def text_file(shelf: Shelf) -> Path:
    path = shelf.image("notes.txt.png").with_name("notes.txt")
    path.write_text("not a film")
    return path


def empty_video(shelf: Shelf) -> Path:
    path = shelf.clip("empty.mp4")
    path.write_bytes(b"")
    return path


def large_image(shelf: Shelf) -> Path:
    return pad(shelf.image("large.png"), 2 * LIMIT)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (text_file, "The file is not a video, an image or an audio file."),
        (empty_video, "The file is empty."),
        (large_image, "This server accepts files of up to 50.0 kB."),
    ],
)
async def test_invalid_file_is_not_sent(
    strict: RunningServer, open_page: OpenPage, shelf: Shelf, make: Callable[[Shelf], Path], reason: str
) -> None:
    demo = await open_page(strict)
    await expect(demo.page.get_by_text("up to 50.0 kB each")).to_be_visible()
    asked = calls(demo)
    refused, good = make(shelf), shelf.image("good.png")
    await demo.drop(refused, good)
    card = await demo.card(refused).reaches("Not uploaded")
    await expect(card.problem).to_contain_text(reason)
    await demo.card(good).reaches("Completed")
    assert len([call for call in asked if call.startswith("POST")]) == 1, "only the valid file is sent"

    await card.button("Dismiss").click()
    await expect(card.root).to_have_count(0)
    await expect(demo.cards).to_have_count(1)


async def test_video_template_rejects_an_image(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    demo = await open_page(server)
    asked = calls(demo)
    picture = shelf.image()
    await demo.page.get_by_label("Template").select_option("hero-video")
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Not uploaded")
    await expect(card.problem).to_have_text("The template “hero-video” accepts videos only.")
    assert asked == []


async def test_page_works_without_the_server_configuration(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    demo = await open_page(server)
    await demo.page.route("**/api/config", lambda route: route.fulfill(status=404))
    await demo.page.reload()
    picture = shelf.image()
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
    await expect(demo.page.get_by_label("Template")).to_be_hidden()


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
