"""A browser's own EventSource on the native stream: its cookie, its coming back, and its end."""

from __future__ import annotations

from playwright.async_api import BrowserContext

from tests.browser.conftest import Ffmpeg
from tests.conftest import Serve, Shelf
from tests.e2e.tokens import SECRET, token
from tests.support.harness import Api

LISTEN = """(url) => {
  window.heard = [];
  window.source = new EventSource(url);
  source.addEventListener("upload-progress", (event) => heard.push([event.lastEventId, JSON.parse(event.data)]));
}"""
CLOSED = "() => source.readyState === EventSource.CLOSED"


async def test_chromium_listens(context: BrowserContext, serve: Serve, ffmpeg: Ffmpeg, shelf: Shelf) -> None:
    ffmpeg.behave("slow:1")
    server = serve(JWT_SECRET=SECRET, **ffmpeg.env)
    await context.add_cookies([{"name": "roomcast_token", "value": token("alice"), "url": server.url}])
    page = await context.new_page()
    await page.goto(f"{server.url}/progress-demo")
    async with Api(server, token("alice")) as api:
        upload_id = await api.accepted(shelf.clip())
        await page.evaluate(LISTEN, f"/api/uploads/{upload_id}/events")
        await page.wait_for_function("() => heard.some(([, state]) => state.speed)")
        server.kill()
        ffmpeg.heal()
        server.restart()
        await page.wait_for_function(CLOSED, timeout=60_000)
        heard = await page.evaluate("() => heard")
        end = (await api.get(upload_id)).body
    seqs = sorted({state["seq"] for _, state in heard})
    assert seqs == list(range(seqs[0], end["seq"] + 1))
    assert (heard[-1][0], heard[-1][1]["status"]) == (f"{end['epoch']}:{end['seq']}", "completed")
