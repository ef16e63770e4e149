"""A page with a list of the uploads of `fake_uploads.js`, which reach what a test sets."""

from __future__ import annotations

from typing import Any, Self

from playwright.async_api import Page, Route

from tests.support.browser.demo import FOCUSED, Card
from tests.support.harness import ROOT, RunningServer

_FAKE = ROOT / "tests" / "support" / "browser" / "fake_uploads.js"
_HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Rows</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/static/base.css"><link rel="stylesheet" href="/static/page.css">
<link rel="stylesheet" href="/static/page/progress-demo.css">
<script type="module" src="/static/upload-progress-list.js"></script>
<main><h1>Rows</h1><button type="button">Before</button>{markup}<button type="button">After</button></main>
<script type="module" src="/fake-uploads.js"></script>
"""


UNDO_MS = 10_000
"""For how many milliseconds an action on several rows, or a deletion, can be undone."""


class Rows:
    """A tab with a list of fake uploads."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.list = page.locator("upload-progress-list")
        self.rows = self.list.locator(".card:not([hidden])")
        self.undo_notice = self.list.locator("#undo-notice")

    def card(self, name: str) -> Card:
        return Card(self.page, name)

    def button(self, name: str) -> Any:
        return self.list.get_by_role("button", name=name, exact=True)

    async def run(self, script: str) -> Any:
        """Run a script that changes the uploads, and wait until the list shows it."""
        value = await self.page.evaluate(script)
        await self.page.evaluate("() => new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)))")
        return value

    async def names(self) -> list[str]:
        """Return the names of the visible rows, from top to bottom, which is also their order in the document."""
        described = await self.rows.evaluate_all(
            "(rows) => rows.map((row) => [row.querySelector('.name').textContent, row.getBoundingClientRect().top])"
        )
        assert [top for _, top in described] == sorted(top for _, top in described)
        return [name for name, _ in described]

    async def calls(self, name: str) -> list[str]:
        """Return the methods that were called of an upload."""
        called: list[str] = await self.page.evaluate("(name) => connection.named(name).calls", name)
        return called

    async def focused(self) -> str:
        title: str = await self.page.evaluate(f"() => ({FOCUSED}).textContent.trim()")
        return title

    @classmethod
    async def open(cls, page: Page, server: RunningServer, attributes: str = "results") -> Self:
        async def page_itself(route: Route) -> None:
            markup = f"<upload-progress-list {attributes}></upload-progress-list>"
            await route.fulfill(body=_HTML.format(markup=markup), content_type="text/html")

        async def fake(route: Route) -> None:
            await route.fulfill(body=_FAKE.read_text(), content_type="text/javascript")

        await page.route("**/own", page_itself)
        await page.route("**/fake-uploads.js", fake)
        await page.goto(f"{server.url}/own")
        await page.wait_for_function(
            "() => document.querySelector('upload-progress-list').roomcast === globalThis.connection"
        )
        return cls(page)
