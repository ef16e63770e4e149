"""What the demo page says beside its list: in the title, the icon, a notification and the state of the connection."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import BrowserContext, Route, expect

from tests.browser.conftest import Ffmpeg, OpenPage
from tests.conftest import Shelf
from tests.support.browser.demo import WORK_SECONDS
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser

MILLISECONDS = WORK_SECONDS * 1000
NOTIFICATION = """() => {
  globalThis.asked = 0;
  globalThis.notified = [];
  globalThis.Notification = class extends EventTarget {
    static permission = "default";
    static async requestPermission() {
      globalThis.asked += 1;
      return (Notification.permission = "granted");
    }
    constructor(title) {
      super();
      globalThis.notified.push(title);
    }
  };
}"""
HIDE = "() => void Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })"


async def test_title_icon_and_notification_say_how_uploads_ended(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    demo = await open_page(server)
    page, icon = demo.page, demo.page.locator("link[rel=icon]")
    await page.evaluate(NOTIFICATION)
    notify = page.get_by_role("button", name="Notify me when done")
    await expect(notify).to_be_hidden()
    own_icon = await icon.get_attribute("href")
    ffmpeg.behave("busy")
    clip = shelf.clip()
    await demo.choose(clip)
    await demo.card(clip).compresses()
    await expect(page).to_have_title(re.compile(r"^\d\d% · Roomcast$"))
    busy = await icon.get_attribute("href")
    assert busy is not None
    assert busy.startswith("data:image/svg+xml")
    assert await page.evaluate("asked") == 0, "only a click asks"
    await notify.click()
    await expect(notify).to_have_attribute("aria-pressed", "true")
    await expect(demo.note).to_have_text("You will be notified when the uploads have ended.")
    await page.evaluate(HIDE)
    ffmpeg.heal()
    await expect(page).to_have_title("✓ 1 done · Roomcast", timeout=MILLISECONDS)
    done = await icon.get_attribute("href")
    assert await page.evaluate("[asked, notified]") == [1, ["✓ 1 done · Roomcast"]]
    await page.keyboard.press("Shift")
    await expect(page).to_have_title("Roomcast")
    await expect(icon).to_have_attribute("href", re.compile(re.escape(own_icon or "") + "$"))

    broken = clip.with_name("broken.mp4")
    broken.write_bytes(clip.read_bytes()[:100])
    refused = clip.with_name("notes.txt")
    refused.write_text("Not a film.")
    await demo.choose(broken, refused)
    await expect(page).to_have_title("2 failed · Roomcast", timeout=MILLISECONDS)
    assert len({busy, done, await icon.get_attribute("href"), own_icon}) == 4
    await page.reload()
    await demo.card(clip).reaches("Completed")
    await expect(page).to_have_title("Roomcast")


@pytest.mark.usefixtures("own_profile")
async def test_page_without_the_socket_io_client_is_not_called_lost(
    server: RunningServer, open_page: OpenPage, context: BrowserContext, shelf: Shelf
) -> None:
    async def missing(route: Route) -> None:
        await route.fulfill(status=404)

    await context.route(re.compile("socket[.]io"), missing)
    demo = await open_page(server, state="polling")
    await expect(demo.state).to_have_text("Polling")
    await expect(demo.banner).to_contain_text("The progress is updated every few seconds.")
    picture = shelf.image()
    await demo.choose(picture)
    await demo.card(picture).reaches("Completed")
