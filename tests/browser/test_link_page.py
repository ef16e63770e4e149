"""The page of a lasting link in a browser: progress, cancel by its scope, and the results at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, expect

from tests.conftest import Shelf
from tests.support.browser.demo import WORK_SECONDS
from tests.support.growing_film import GrowingFilm
from tests.support.harness import Api, RunningServer

pytestmark = pytest.mark.browser

WORK = WORK_SECONDS * 1000
"""Milliseconds."""


async def link_to(api: Api, upload_id: str, scope: str) -> str:
    made: dict[str, Any] = (await api.request("POST", f"/api/uploads/{upload_id}/links", json={"scope": scope})).body
    return str(made["url"])


async def test_link_page_shows_progress_and_then_the_results(
    server: RunningServer, api: Api, context: BrowserContext, shelf: Shelf
) -> None:
    image = shelf.image().read_bytes()
    upload_id, content_url = await api.reserved("holiday.png", len(image), template="image")
    view, control = [await link_to(api, upload_id, scope) for scope in ("view", "control")]
    pages = [await context.new_page() for _ in range(2)]
    for page, url in zip(pages, (view, control), strict=True):
        await page.goto(f"{server.url}{url}")
        await expect(page.locator("upload-progress").get_by_role("listitem")).to_be_visible()
    await expect(pages[1].get_by_role("button", name="Cancel")).to_be_visible()
    await expect(pages[0].get_by_role("button", name="Cancel")).to_be_hidden()
    async with pages[0].expect_event("load", timeout=WORK), pages[1].expect_event("load", timeout=WORK):
        await api.put(content_url, image)  # the end loads the page again, with the results
    for page in pages:
        await expect(page.get_by_role("img", name="holiday.png")).to_be_visible()
        await expect(page.get_by_role("link").first).to_be_visible()


async def test_cancel_on_a_link_page_cancels_the_upload(
    server: RunningServer, api: Api, context: BrowserContext
) -> None:
    upload_id, _ = await api.reserved("holiday.png", 1000)
    page = await context.new_page()
    await page.goto(f"{server.url}{await link_to(api, upload_id, 'control')}")
    async with page.expect_event("load", timeout=WORK):  # a page that is closed while it loads fails the test
        await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_text("Cancelled")).to_be_visible()
    assert (await api.get(upload_id)).body["stage"] == "cancelled"


_PLAY = """
([playable]) => {
  const { upload } = document.querySelector("upload-progress");
  upload.state = { ...upload.state, playable: { ...playable, url: new URL(playable.url, location.href).href } };
  upload.dispatchEvent(new Event("change"));
}
"""


_PAUSE = """
(video) => new Promise((resolve) => {
  const check = () => {
    if (video.played.length === 0) return;
    video.pause();
    resolve();
  };
  video.addEventListener("timeupdate", check);
  check();
})
"""
"""Pauses a video when it has begun to play, so that it does not wait for what no server has: the rest of the film."""


async def test_film_is_played_on_a_link_page_while_it_is_compressed_and_not_interrupted_by_the_end(
    server: RunningServer, api: Api, context: BrowserContext, shelf: Shelf, tmp_path: Path
) -> None:
    image, film = shelf.image().read_bytes(), GrowingFilm(tmp_path / "film", seconds=1)
    film.store(0)
    upload_id, content_url = await api.reserved("film.png", len(image), template="image")
    page = await context.new_page()
    await page.route("**/media/*/film/segments/*", film.answer)
    await page.goto(f"{server.url}{await link_to(api, upload_id, 'view')}")
    row = page.locator("upload-progress")
    await expect(row.locator(".stage")).to_have_text("Receiving")  # the upload has a state
    await page.evaluate(_PLAY, [film.playable])
    await row.get_by_role("button", name="Play").click()
    await expect(row.locator("video")).to_be_focused()
    await expect(row.get_by_role("button", name="Cancel")).to_be_hidden()
    await row.locator("video").evaluate(_PAUSE)
    await api.put(content_url, image)
    await expect(row.get_by_text("The film is complete.")).to_be_visible(timeout=WORK)
    await row.locator("video").evaluate("(video) => video.play()")
    await row.get_by_role("button", name="Close the player").click()
    await expect(page.get_by_role("img", name="film.png").first).to_be_visible()
