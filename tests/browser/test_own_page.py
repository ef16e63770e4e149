"""README's page of one's own, as it stands."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import BrowserContext, Route, expect

from tests.browser.demo import WORK_SECONDS
from tests.conftest import Shelf
from tests.support.harness import ROOT, RunningServer

pytestmark = pytest.mark.browser

_HTML = """<!doctype html><meta charset="utf-8"><title>A page of your own</title>
<input id="picker" type="file" multiple><progress id="bar" max="100"></progress><p id="words"></p><p id="results"></p>
<script type="module">%s</script>"""


async def test_the_example(server: RunningServer, context: BrowserContext, shelf: Shelf) -> None:
    found = re.search(r"<!-- example:page -->\n```js\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    html = _HTML % found[1]

    async def serve(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html")

    page = await context.new_page()
    await page.route("**/own-page", serve)
    await page.goto(f"{server.url}/own-page")
    await page.locator("#picker").set_input_files([shelf.image("one.png"), shelf.image("other.png", size=(90, 60))])
    await expect(page.locator("#results")).to_have_text(
        re.compile(r"^one\.\w+other\.\w+$"), timeout=WORK_SECONDS * 1000
    )
    assert await page.locator("#bar").evaluate("bar => bar.value") == 100
    await expect(page.locator("#words")).to_have_text("2 of 2")
