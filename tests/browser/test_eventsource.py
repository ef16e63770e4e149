"""The native event stream with the browser's `EventSource`."""

from __future__ import annotations

from playwright.async_api import BrowserContext

from tests.browser.conftest import Ffmpeg
from tests.conftest import Serve, Shelf
from tests.support.harness import SHORT_LEASE, Api
from tests.support.tokens import SECRET, token

LISTEN = """(url) => {
  window.received = [];
  window.source = new EventSource(url);
  source.addEventListener("upload-progress", (event) => received.push([event.lastEventId, JSON.parse(event.data)]));
}"""
CLOSED = "() => source.readyState === EventSource.CLOSED"


async def test_event_source_reconnects_with_cookie_and_ends(
    context: BrowserContext, serve: Serve, ffmpeg: Ffmpeg, shelf: Shelf
) -> None:
    ffmpeg.behave("slow:600")
    server = serve(JWT_SECRET=SECRET, **ffmpeg.env, **SHORT_LEASE)
    await context.add_cookies([{"name": "roomcast_token", "value": token("alice"), "url": server.url}])
    page = await context.new_page()
    await page.goto(f"{server.url}/progress-demo")
    async with Api(server, token("alice")) as api:
        upload_id = await api.accepted(shelf.clip())
        await page.evaluate(LISTEN, f"/api/uploads/{upload_id}/events")
        await page.wait_for_function("() => received.some(([, state]) => state.speed)")
        server.kill()
        ffmpeg.heal()
        server.restart()
        await page.wait_for_function(CLOSED, timeout=60_000)
        received = await page.evaluate("() => received")
        end = (await api.get(upload_id)).body
    seqs = sorted({state["seq"] for _, state in received})
    assert seqs == list(range(seqs[0], end["seq"] + 1))
    assert (received[-1][0], received[-1][1]["status"]) == (f"{end['epoch']}:{end['seq']}", "completed")
