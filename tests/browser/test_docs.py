"""`/docs` in a browser: it fits, it finds its way about, and it needs neither scripts nor anybody else."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser


async def test_the_page_on_a_phone_and_on_a_desk(context: BrowserContext, server: RunningServer) -> None:
    page = await context.new_page()
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.goto(f"{server.url}/docs")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await page.evaluate(CONTRAST) >= 4.5, (width, scheme)
    await page.get_by_role("navigation").get_by_text("Socket.IO calls").click()
    await page.get_by_role("navigation").get_by_role("link", name="join-upload").click()
    await expect(page.locator("#socket-join-upload")).to_be_in_viewport()
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(server.url).netloc}
    assert not any(url.endswith(".js") for url in asked)


CONTRAST = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => parse(colour)
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (node) => {
    while (getComputedStyle(node).backgroundColor === "rgba(0, 0, 0, 0)") node = node.parentElement;
    return getComputedStyle(node).backgroundColor;
  };
  const texts = document.querySelectorAll("p, td, th, h4, code, a, .method, .status, td b, td i");
  return Math.min(...[...texts].map((node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
}"""
