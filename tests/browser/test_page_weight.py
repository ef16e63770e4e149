"""What the pages load before they can be used, with the bundle and without."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Request, expect
from roomcast.http.downloads.bundle import load_bundle
from roomcast.http.pages import STATIC

from tests.browser.conftest import OpenPage
from tests.conftest import Shelf
from tests.support.harness import RunningServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not load_bundle(STATIC).pages, reason="the bundle of static/ is missing or out of date: `make setup` brings it"
    ),
]

MAX_REQUESTS = 10
MAX_BYTES = 75_000


def gzipped_bytes(url: str) -> int:
    """Return the size of a file of the page as it is sent with gzip."""
    path = urlsplit(url).path
    file = STATIC / "dist" / (path.rpartition("/")[2] if "/dist/" in path else "progress-demo.html")
    return file.with_name(f"{file.name}.gz").stat().st_size


async def test_page_is_light_and_a_reload_asks_for_nothing_that_has_not_changed(
    server: RunningServer, context: BrowserContext, open_page: OpenPage, shelf: Shelf
) -> None:
    requests: list[Request] = []

    def note(request: Request) -> None:
        requests.append(request)

    context.on("request", note)
    demo = await open_page(server)
    await expect(demo.page.locator("#limits")).to_contain_text("up to")
    loaded = [request for request in requests if "/api/" not in request.url and "/socket.io/" not in request.url]
    # One more is for the configuration, for which the page asks again while the socket is not connected.
    assert len(loaded) < MAX_REQUESTS, [request.url for request in requests]
    assert sum(gzipped_bytes(request.url) for request in loaded) <= MAX_BYTES
    for request in loaded:
        response = await request.response()
        assert response
        if not request.url.endswith(".svg"):
            assert await response.header_value("content-encoding") in ("gzip", "br"), request.url
    notes = shelf.image().with_name("notes.txt")
    notes.write_text("The picker works: what it is given is shown.")
    await demo.choose(notes)
    await demo.card(notes).reaches("Not uploaded")

    await demo.page.reload()
    await demo.connection_is("online")
    sent = await demo.page.evaluate(
        """() => new Promise((resolve) => {
          const sent = [];  // Chromium adds the entries some time after the scripts have run
          new PerformanceObserver((list) => {
            for (const { name, transferSize } of list.getEntries()) {
              if (name.includes("/dist/")) sent.push([name, transferSize]);
            }
            if (sent.length > 3) resolve(sent);
          }).observe({ type: "resource", buffered: true });
        })"""
    )
    assert [name for name, size in sent if size] == [], "everything came from the cache"
