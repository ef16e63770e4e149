"""The pages and the client of a server that is mounted below a prefix."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Request, Route, expect

from tests.conftest import Serve, Shelf
from tests.support.browser.demo import WORK_SECONDS, Card, Demo
from tests.support.clips import pad

pytestmark = pytest.mark.browser

PREFIX = "/shop/uploads"
OUTSIDE = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title>
<script type="module" src="{PREFIX}/static/element.js"></script>
<upload-drop for="list"></upload-drop><upload-progress-list id="list" results></upload-progress-list>"""


async def test_pages_and_elements_call_their_server_below_its_prefix(
    serve: Serve, context: BrowserContext, shelf: Shelf
) -> None:
    server = serve(ROOMCAST_PREFIX=PREFIX)
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    context.on("request", note)
    demo = await Demo.open(context, f"{server.url}/progress-demo")
    await demo.connection_is("online")
    picture, large = shelf.image(), pad(shelf.image("large.png"), 1_600_000)
    await demo.choose(picture, large)
    for file in (picture, large):
        await demo.card(file).reaches("Completed")
    await demo.card(picture).button("Show result").click()
    shown = demo.card(picture).root.locator(".screen img")
    await expect(shown).to_be_visible()
    await shown.evaluate("(image) => image.decode()")

    await demo.page.goto(f"{server.url}/admin")
    await expect(demo.page.locator("#connection-text")).to_have_text("Live")
    await expect(demo.page.locator("tr.upload")).to_have_count(2)
    await expect(demo.page.locator("#history canvas")).to_have_count(4)
    async with demo.page.expect_response("**/api/admin/rooms"):
        await demo.page.get_by_text("Connections and rooms").click()
    async with demo.page.expect_response("**/api/admin/uploads/*/log"):
        await demo.page.get_by_role("link", name=picture.name, exact=True).click()
    await expect(demo.page.locator(".replay .stage")).to_have_text("Completed")

    async def outside(route: Route) -> None:
        await route.fulfill(body=OUTSIDE, content_type="text/html")

    origin = server.url.removesuffix(PREFIX)
    await context.route(f"{origin}/shop/", outside)
    await demo.page.goto(f"{origin}/shop/")
    await demo.page.get_by_label("Choose files").set_input_files(picture)
    await Card(demo.page, picture.name).reaches("Completed", seconds=WORK_SECONDS)
    state = await demo.page.evaluate("() => [list.roomcast.url, list.roomcast.state]")
    assert state == [f"{server.url}/", "online"]
    assert [url for url in asked if not url.startswith((f"{server.url}/", "blob:", "data:"))] == [f"{origin}/shop/"]
