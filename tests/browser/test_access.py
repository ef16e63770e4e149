"""The access token of the demo page: when it is requested, and where it is stored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Ffmpeg, OpenPage
from tests.conftest import Serve, Shelf
from tests.support.harness import Api, RunningServer
from tests.support.tokens import SECRET, token

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("guarded") / "data", JWT_SECRET=SECRET) as running:
        yield running


async def test_open_mode_asks_for_no_token(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    demo = await open_page(server)
    picture = shelf.image()
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
    await expect(demo.token).to_be_hidden()


async def test_token_is_requested_and_stored_for_the_tab(
    guarded: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    demo = await open_page(guarded, state=None)
    await expect(demo.token).to_be_focused()
    await expect(demo.banner).to_have_text("This server needs an access token. Enter it below to continue.")
    await expect(demo.state).to_have_text("Token needed")
    await demo.token.fill("not a token")
    await demo.token.press("Enter")
    await expect(demo.state).to_have_text("Token refused")
    await expect(demo.banner).to_have_text("The access token is not valid. Check it, or ask for a new one.")
    await expect(demo.token).to_be_focused()
    await expect(demo.token).to_have_attribute("aria-invalid", "true")
    await expect(demo.token).to_have_value("")
    await demo.token.fill(token("grace"))
    await demo.token.press("Enter")
    await demo.connection_is("online")
    await expect(demo.token).to_be_hidden()
    await expect(demo.banner).to_be_empty()
    await expect(demo.state).to_have_text("Live")

    picture = shelf.image()
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
    await demo.page.reload()
    await demo.connection_is("online")
    await demo.card(picture).reaches("Completed")
    await expect(demo.token).to_be_hidden()
    async with Api(guarded, token("grace")) as api:
        assert len((await api.list()).body["uploads"]) == 1


async def test_upload_refused_without_token_continues_with_one(
    guarded: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    demo = await open_page(guarded, state=None)
    picture = shelf.image()
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Waiting for an access token")
    await demo.token.fill(token("ada"))
    await demo.page.get_by_role("button", name="Use token").click()
    await card.reaches("Completed")


async def test_active_upload_is_watched_again_after_a_new_token(
    serve: Serve, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    server = serve(**ffmpeg.env, JWT_SECRET=SECRET)
    clip = shelf.clip()
    ffmpeg.behave("slow:600")
    demo = await open_page(server, f"?token={token('ada')}")
    await demo.choose(clip)
    card = await demo.card(clip).compresses()
    await demo.page.evaluate("() => sessionStorage.clear()")
    await demo.page.reload()
    await card.reaches("Waiting for an access token")
    await expect(card.button("Cancel")).to_be_hidden()
    await demo.token.fill(token("ada"))
    await demo.token.press("Enter")
    await card.compresses()
    await card.button("Cancel").click()
    await card.reaches("Cancelled")


async def test_token_in_url_is_used_and_removed_from_it(guarded: RunningServer, open_page: OpenPage) -> None:
    demo = await open_page(guarded, f"?token={token('ada')}")
    assert demo.page.url == f"{guarded.url}/progress-demo"
    await expect(demo.token).to_be_hidden()


async def test_uploads_of_another_user_are_removed_from_the_list(
    guarded: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    demo = await open_page(guarded, f"?token={token('ada')}")
    picture = shelf.image()
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
    other = await open_page(guarded, f"?token={token('bob')}")
    await expect(other.note).to_contain_text("no longer stored on the server")
    await expect(other.cards).to_have_count(0)
