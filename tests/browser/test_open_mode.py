"""What pages of another site can do to a server in open mode on the visitor's machine: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page

from tests.browser.conftest import ListUploads
from tests.support.harness import Api, RunningServer

pytestmark = pytest.mark.browser

_ATTACKS = """
async (target) => {
  const form = () => {
    const data = new FormData();
    data.append("media_file", new File([new Uint8Array([137, 80, 78, 71])], "from-evil-page.png"));
    return data;
  };
  const attempt = async (path, init) => {
    const response = await fetch(target + path, init).catch(() => null);
    return response && (response.type === "opaque" ? "opaque" : response.status);
  };
  const opened = (listener) => new Promise((resolve) => {
    listener.onopen = () => resolve(true);
    listener.onerror = () => resolve(false);
  });
  return {
    form: await attempt("/api/uploads", { method: "POST", body: form(), mode: "no-cors" }),
    upload: await attempt("/api/uploads", { method: "POST", body: form() }),
    list: await attempt("/api/uploads"),
    metrics: await attempt("/metrics"),
    cancel: await attempt("/api/uploads/UPLOAD", { method: "DELETE" }),
    polling: await attempt("/socket.io/?EIO=4&transport=polling"),
    socket: await opened(new WebSocket(target.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket")),
    stream: await opened(new EventSource(target + "/api/uploads/UPLOAD/events")),
  };
}
"""
_FORM = """<!doctype html><form method="post" enctype="multipart/form-data" action="{server}/api/uploads">
<input name="type" value="auto"><button>Win a prize</button></form>"""


@pytest_asyncio.fixture(loop_scope="session")
async def evil(server: RunningServer) -> AsyncIterator[TestServer]:
    """Return the web server of another site, `evil.example`, which lies on the visitor's machine too."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_FORM.format(server=server.url), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    site = TestServer(app)
    await site.start_server()
    yield site
    await site.close()


async def attack(page: Page, target: str, api: Api) -> dict[str, Any]:
    """Try every attack from the page, on a reservation of the visitor, and return what each one got."""
    upload_id, _ = await api.reserved("holiday.mp4", 9)
    got: dict[str, Any] = await page.evaluate(_ATTACKS.replace("UPLOAD", upload_id), target)
    assert (await api.get(upload_id)).body["status"] == "starting", "it was not cancelled"
    return got


async def test_page_of_another_site_uploads_and_reads_nothing(
    server: RunningServer, evil: TestServer, context: BrowserContext, api: Api, list_uploads: ListUploads
) -> None:
    page = await context.new_page()
    await page.goto(f"http://evil.example:{evil.port}/")
    got = await attack(page, server.url, api)
    unread = dict.fromkeys(("upload", "list", "metrics", "cancel", "polling"), None)
    assert got == {**unread, "form": "opaque", "socket": False, "stream": False}
    async with page.expect_navigation() as navigation:
        await page.get_by_role("button").click()
    response = await navigation.value
    assert response is not None
    assert (response.url, response.status) == (f"{server.url}/api/uploads", 403)
    assert (await response.json())["error"]["code"] == "FORBIDDEN"
    assert [upload["filename"] for upload in await list_uploads()] == ["holiday.mp4"]


async def test_page_whose_name_was_bound_to_this_machine_uploads_and_reads_nothing(
    server: RunningServer, context: BrowserContext, api: Api, list_uploads: ListUploads
) -> None:
    rebound = f"http://evil.example:{server.port}"
    page = await context.new_page()

    for path in ("/progress-demo", "/admin", "/docs", "/"):
        response = await page.goto(rebound + path)
        assert response is not None
        assert response.status == 403
    # The last answer is a document of that origin, as the attacker's page was before the name changed.
    got = await attack(page, rebound, api)
    refused = dict.fromkeys(("form", "upload", "list", "metrics", "cancel", "polling"), 403)
    assert got == {**refused, "socket": False, "stream": False}
    assert [upload["filename"] for upload in await list_uploads()] == ["holiday.mp4"]
