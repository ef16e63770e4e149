"""What comes in, and what is turned away at the door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Request, expect

from tests.browser.conftest import OpenPage
from tests.browser.demo import Demo
from tests.conftest import Shelf
from tests.support.clips import pad
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser

LIMIT = 50_000


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("strict") / "data", ROOMCAST_MAX_UPLOAD_BYTES=str(LIMIT)) as running:
        yield running


def calls(demo: Demo) -> list[str]:
    """What the tab asks of the uploads from now on, as it asks."""
    asked: list[str] = []

    def hear(request: Request) -> None:
        if "/api/uploads" in request.url:
            asked.append(f"{request.method} {request.url}")

    demo.page.on("request", hear)
    return asked


def a_text(shelf: Shelf) -> Path:
    path = shelf.image("notes.txt.png").with_name("notes.txt")
    path.write_text("not a film")
    return path


def an_empty_film(shelf: Shelf) -> Path:
    path = shelf.clip("empty.mp4")
    path.write_bytes(b"")
    return path


def a_large_picture(shelf: Shelf) -> Path:
    return pad(shelf.image("large.png"), 2 * LIMIT)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (a_text, "The file is not a video, an image or an audio file."),
        (an_empty_film, "The file is empty."),
        (a_large_picture, "This server accepts files of up to 50.0 kB."),
    ],
)
async def test_what_is_certain_to_be_refused_is_not_sent(
    strict: RunningServer, open_page: OpenPage, shelf: Shelf, make: Callable[[Shelf], Path], why: str
) -> None:
    demo = await open_page(strict)
    await expect(demo.page.get_by_text("up to 50.0 kB each")).to_be_visible()
    asked = calls(demo)
    refused, good = make(shelf), shelf.image("good.png")
    await demo.drop(refused, good)
    card = await demo.card(refused).reaches("Not uploaded")
    await expect(card.problem).to_contain_text(why)
    await demo.card(good).reaches("Completed")
    assert len([call for call in asked if call.startswith("POST")]) == 1, "the good one"

    await card.button("Dismiss").click()
    await expect(card.root).to_have_count(0)
    await expect(demo.cards).to_have_count(1)


async def test_a_template_for_films_takes_no_pictures(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    demo = await open_page(server)
    asked = calls(demo)
    picture = shelf.image()
    await demo.page.get_by_label("Template").select_option("hero-video")
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Not uploaded")
    await expect(card.problem).to_have_text("The template “hero-video” accepts videos only.")
    assert asked == []


async def test_the_page_works_without_knowing_the_servers_limits(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    demo = await open_page(server)
    await demo.page.route("**/api/config", lambda route: route.fulfill(status=404))
    await demo.page.reload()
    picture = shelf.image()
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
    await expect(demo.page.get_by_label("Template")).to_be_hidden()


async def test_hide_finished_and_show_again(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
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


async def test_a_name_that_is_markup_is_a_name(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    picture = shelf.image("<img src=x onerror=alert(1)>.png")
    demo = await open_page(server)
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Completed")
    await expect(card.root.get_by_role("heading")).to_have_text(picture.name)
    await expect(card.root.get_by_role("img")).to_have_count(1)
