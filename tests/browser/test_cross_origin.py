"""The elements and the API in a page of another origin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page, Request, Route, expect

from tests.conftest import Serve, Shelf
from tests.support.browser.demo import WORK_SECONDS, Card
from tests.support.clips import make_film, pad
from tests.support.harness import RunningServer
from tests.support.s3_server import BUCKET, ENVIRONMENT, moto_server
from tests.support.tokens import SECRET, token

pytestmark = pytest.mark.browser

_HTML = """<!doctype html><meta charset="utf-8"><input type="file" multiple aria-label="Files">
<script type="module" src="{server}/static/upload-progress-list.js"></script>
<script type="module" src="{server}/static/upload-progress.js"></script>
<upload-progress-list results></upload-progress-list>
"""
_UPLOAD_AND_PLAY = """
() => {
  const list = document.querySelector("upload-progress-list");
  const observer = new MutationObserver(() => {
    const button = list.shadowRoot.querySelector("button.watch");
    if (!button?.checkVisibility()) return;
    observer.disconnect();
    button.click();
  });
  observer.observe(list.shadowRoot, { subtree: true, childList: true, attributes: true });
  list.roomcast.upload(document.querySelector("input").files[0], { template: "ladder" });
}
"""
"""Uploads a film and plays it as soon as it can be: it may be complete a moment later."""
_PLAY_TO_THE_END = """
(video) => new Promise((resolve) => {
  Object.assign(video, { muted: true, defaultPlaybackRate: 8, playbackRate: 8, onended: resolve });
  void video.play().catch(() => {}); // if the stream is not loaded yet, the player itself plays it
})
"""
_CALL = """
async ([url, init]) => {
  const response = await fetch(url, init).catch(() => null);
  return response && { status: response.status, location: response.headers.get("Location") };
}
"""


class Redirect:
    """Another web server, whose page loads the elements from ours."""

    def __init__(self) -> None:
        self.ours = ""
        app = web.Application()
        app.router.add_get("/shop", self._page)
        self.server = TestServer(app, host="localhost")

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.server.port}"

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=_HTML.format(server=self.ours), content_type="text/html")

    async def open(self, context: BrowserContext, server: RunningServer, *, bearer: str | None = None) -> Page:
        self.ours = server.url
        page = await context.new_page()
        await page.goto(f"{self.origin}/shop")
        await page.wait_for_function("() => customElements.get('upload-progress')")
        if bearer:
            await page.evaluate(
                "(token) => { document.querySelector('upload-progress-list').roomcast.token = token }", bearer
            )
        return page


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere() -> AsyncIterator[Redirect]:
    other = Redirect()
    await other.server.start_server()
    yield other
    await other.server.close()


async def call(page: Page, url: str, **init: Any) -> Any:
    """Return the result of a `fetch` in the page; None if the browser withholds the response."""
    return await page.evaluate(_CALL, [url, init])


async def use(page: Page, *files: Any) -> None:
    """Upload the files with the page's list, and wait for the results."""
    await page.get_by_label("Files").set_input_files(list(files))
    await page.evaluate(
        """() => {
          const { roomcast } = document.querySelector("upload-progress-list");
          for (const file of document.querySelector("input").files) roomcast.upload(file);
        }"""
    )
    for file in files:
        await Card(page, file.name).reaches("Completed")


async def loaded(page: Page, selector: str) -> None:
    """Wait until an image of a result is loaded; it must come from our server."""
    picture = page.locator(f"upload-progress-list {selector}").first
    await expect(picture).to_be_visible(timeout=WORK_SECONDS * 1000)
    await picture.evaluate("(image) => image.decode()")


async def test_page_of_any_origin_uploads_and_shows_results_where_all_are_allowed(
    serve: Serve, context: BrowserContext, elsewhere: Redirect, shelf: Shelf
) -> None:
    """Applications of a named origin are in `test_npm_package.py`."""
    server = serve(ROOMCAST_CORS_ORIGINS="*", JWT_SECRET=SECRET)
    page = await elsewhere.open(context, server, bearer=token("ada"))
    picture, large = shelf.image(size=(120, 90)), pad(shelf.image("large.png"), 1_600_000)
    assert large.stat().st_size > 1 << 20, "it is sent in chunks"
    await use(page, picture, large, shelf.clip(seconds=2))
    await page.wait_for_function("() => document.querySelector('upload-progress-list').roomcast.state === 'online'")
    for show in await page.locator("upload-progress-list [data-action=show]").all():
        await show.click()
    await loaded(page, ".screen img")
    links = await page.evaluate(
        """() => document.querySelector("upload-progress-list").roomcast.uploads
          .flatMap(({ state }) => state.element.outputs.map(({ url }) => url))"""
    )
    assert links
    assert all(link.startswith(f"{server.url}/media/") for link in links)
    scenes = page.locator("upload-progress-list .scenes")
    await expect(scenes, "a script fetched the storyboard").to_be_visible(timeout=WORK_SECONDS * 1000)


async def test_film_from_a_bucket_is_played_in_a_page_of_another_origin_while_it_grows(
    serve: Serve, context: BrowserContext, elsewhere: Redirect, tmp_path: Path
) -> None:
    templates = tmp_path / "templates.toml"
    templates.write_text('[templates.ladder]\nkind = "video"\npreset = "ultrafast"\nhls = [240, 144]\n')
    film = make_film(tmp_path / "film.mp4", "-pix_fmt", "yuv444p", size="200x150", sound=True)
    with moto_server() as s3:
        bucket = {**ENVIRONMENT, "S3_BUCKET": BUCKET, "AWS_ENDPOINT_URL": s3.url}
        origins = {"ROOMCAST_CORS_ORIGINS": elsewhere.origin, "ROOMCAST_PREFIX": "/shop/uploads"}
        server = serve(ROOMCAST_TEMPLATES=str(templates), **origins, **bucket)
        page = await elsewhere.open(context, server)
        fetched: list[Request] = []

        def note(request: Request) -> None:
            if ".m4s" in request.url and request.url.startswith(s3.url):
                fetched.append(request)

        page.on("request", note)
        await page.get_by_label("Files").set_input_files(film)
        await page.evaluate(_UPLOAD_AND_PLAY)
        card = Card(page, film.name)
        await expect(card.root.locator("video")).to_be_visible(timeout=WORK_SECONDS * 1000)
        await card.root.locator("video").evaluate(_PLAY_TO_THE_END)
        await expect(card.root.locator(".film-note")).to_have_text("The film is complete.")
        assert any("/hls-audio-" in request.url for request in fetched)
        assert len(fetched) >= 6, "three segments of video, and three of sound"
        headers = [await request.all_headers() for request in fetched]
        # Chromium does not report the headers of every request.
        origins_sent = {found["origin"] for found in headers if "origin" in found}
        assert origins_sent == {"null"}, "so the bucket's CORS rule has to allow any origin"


async def test_any_origin_may_call_with_a_token_but_not_with_the_cookie(
    serve: Serve, context: BrowserContext, elsewhere: Redirect
) -> None:
    server = serve(ROOMCAST_CORS_ORIGINS="*", JWT_SECRET=SECRET)
    await context.add_cookies([{"name": "roomcast_token", "value": token("ada"), "url": server.url}])
    page = await elsewhere.open(context, server)
    uploads = f"{server.url}/api/uploads"
    json = {"Content-Type": "application/json"}
    reserve = {"method": "POST", "headers": json, "body": '{"files": [{"filename": "a.mp4", "size": 9}]}'}
    assert (await call(page, uploads))["status"] == 401
    assert (await call(page, uploads, **reserve))["status"] == 401
    for method in ({}, reserve):
        assert await call(page, uploads, **method, credentials="include") is None

    bearer = {"Authorization": f"Bearer {token('bob')}"}
    assert (await call(page, uploads, **{**reserve, "headers": {**json, **bearer}}))["status"] == 201
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "9"}
    made = await call(page, f"{server.url}/api/tus/", method="POST", headers={**bearer, **tus})
    assert made["status"] == 201
    assert made["location"].startswith("/api/tus/upload_")

    own = await context.new_page()
    await own.goto(f"{server.url}/progress-demo")
    assert (await call(own, "/api/uploads", **reserve))["status"] == 201, "our own page may use the cookie"


async def test_page_of_another_origin_gets_no_response_if_none_is_allowed(
    serve: Serve, context: BrowserContext, elsewhere: Redirect
) -> None:
    server = serve()
    elsewhere.ours = server.url
    page = await context.new_page()
    await page.goto(f"{elsewhere.origin}/shop")
    for path in ("/api/config", "/api/uploads", "/static/roomcast.js", "/healthz"):
        assert await call(page, f"{server.url}{path}") is None


async def test_console_names_the_setting_that_the_origin_is_missing_in(
    server: RunningServer, elsewhere: Redirect, context: BrowserContext
) -> None:
    async def allow(route: Route) -> None:
        """Let the page have our scripts, as one has that bundles them."""
        response = await route.fetch(headers={})
        await route.fulfill(response=response, headers={**response.headers, "Access-Control-Allow-Origin": "*"})

    await context.route("**/static/**", allow)
    page = await elsewhere.open(context, server)
    async with page.expect_console_message(lambda message: "ROOMCAST_CORS_ORIGINS" in message.text) as warned:
        code = await page.evaluate(
            """() => {
              const list = document.querySelector("upload-progress-list");
              list.removeAttribute("results");
              const { roomcast } = list;
              return roomcast.upload(new File(["x"], "x.png")).finished.catch(({ code }) => code);
            }"""
        )
    assert code == "NETWORK"
    assert (await warned.value).text == (
        f"The Roomcast server {server.url} does not accept this page's origin. "
        f"On the server, set ROOMCAST_CORS_ORIGINS={elsewhere.origin}"
    )
