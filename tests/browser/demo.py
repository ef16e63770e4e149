"""The demo page as a person meets it: by roles, names and words."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from playwright.async_api import BrowserContext, Locator, Page, expect

WORK_SECONDS = 60
"""More than any stage of a small file takes on a busy machine."""

_WITNESS = """
(() => {
  const glimpses = (globalThis.glimpses = []);
  const last = new Map();
  const roots = [];
  const text = (card, part) => card.querySelector(part).textContent;
  const look = () => {
    for (const card of roots.flatMap((root) => [...root.querySelectorAll(".card")])) {
      const glimpse = {
        name: text(card, ".name"),
        stage: text(card, ".stage"),
        attempt: text(card, ".attempt"),
        percent: Number(card.querySelector(".bar").getAttribute("aria-valuenow")),
      };
      const mark = JSON.stringify(glimpse);
      if (last.get(glimpse.name) !== mark) glimpses.push(glimpse);
      last.set(glimpse.name, mark);
    }
  };
  const attachShadow = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (options) {
    const root = attachShadow.call(this, options);
    const everything = {subtree: true, childList: true, attributes: true, characterData: true};
    new MutationObserver(look).observe(root, everything);
    roots.push(root);
    return root;
  };
})();
"""
"""Writes down every change of every card, between two of which nothing can hide."""

_TRANSFER = """
(files) => {
  const transfer = new DataTransfer();
  for (const { name, type, content } of files) {
    const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  return transfer;
}
"""


FOCUSED = "document.activeElement.shadowRoot?.activeElement ?? document.activeElement"
"""What the keyboard is on."""


@dataclass(frozen=True)
class Glimpse:
    """What a card showed at one moment."""

    name: str
    stage: str
    attempt: str
    percent: int


class Card:
    """The card of one upload."""

    def __init__(self, page: Page, name: str) -> None:
        self.root = page.get_by_role("listitem", name=name, exact=True)
        self.stage = self.root.locator(".stage")
        self.facts = self.root.locator(".progress-facts")
        self.attempt = self.root.locator(".attempt")
        self.problem = self.root.locator(".problem")
        self.percent = self.root.locator(".percent-number")
        self.bar = self.root.get_by_role("progressbar", name=name, exact=True)

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def download(self, name: str) -> Locator:
        return self.root.get_by_role("link", name=name)

    async def compresses(self) -> Self:
        """The encoder is at work: it has reported."""
        await expect(self.facts).to_contain_text(" fps", timeout=WORK_SECONDS * 1000)
        return await self.reaches("Compressing")

    async def reaches(self, stage: str, *, seconds: float = WORK_SECONDS) -> Self:
        await expect(self.stage).to_have_text(stage, timeout=seconds * 1000)
        return self


@asynccontextmanager
async def narrow(page: Page, bytes_per_second: int) -> AsyncIterator[None]:
    """Meanwhile, no more than so much leaves the tab."""
    session = await page.context.new_cdp_session(page)
    narrowness = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    await session.send("Network.emulateNetworkConditions", narrowness)
    yield
    await session.detach()


class Demo:
    """One tab with the page in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cards = page.locator(".card")
        self.banner = page.locator("#banner")
        self.batch = page.locator("#count")
        self.note = page.locator("#note")
        self.announced = page.locator("#announcer")
        self.picker = page.get_by_label("Choose files", exact=True)
        self.token = page.get_by_label("Access token")

    @classmethod
    async def open(cls, context: BrowserContext, url: str) -> Self:
        page = await context.new_page()
        await page.add_init_script(_WITNESS)
        await page.goto(url)
        return cls(page)

    def card(self, file: Path | str) -> Card:
        return Card(self.page, file if isinstance(file, str) else file.name)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def connection_is(self, state: str) -> None:
        await expect(self.page.locator(f'#connection[data-state="{state}"]')).to_be_visible(timeout=20_000)

    async def choose(self, *files: Path) -> None:
        await self.picker.set_input_files(list(files))

    async def drop(self, *files: Path) -> None:
        """Let go of the files over the page."""
        described = [
            {
                "name": file.name,
                "type": mimetypes.guess_type(file.name)[0] or "",
                "content": base64.b64encode(file.read_bytes()).decode(),
            }
            for file in files
        ]
        transfer = await self.page.evaluate_handle(_TRANSFER, described)
        await self.page.dispatch_event("main", "drop", {"dataTransfer": transfer})

    @asynccontextmanager
    async def narrow(self, bytes_per_second: int = 50_000) -> AsyncIterator[None]:
        """Meanwhile, no more than so much leaves the tab."""
        async with narrow(self.page, bytes_per_second):
            yield

    async def glimpses(self, file: Path) -> list[Glimpse]:
        """What the file's card has shown since the page was loaded."""
        seen: list[dict[str, Any]] = await self.page.evaluate("() => globalThis.glimpses")
        return [Glimpse(**glimpse) for glimpse in seen if glimpse["name"] == file.name]

    async def focused(self) -> str:
        """The words of what the keyboard is on."""
        words: str = await self.page.evaluate(f"() => ({FOCUSED}).textContent.trim()")
        return words


def assert_truthful(glimpses: list[Glimpse]) -> None:
    """The bar never went back within an attempt, and was full for nothing but a completed upload."""
    assert glimpses
    for earlier, later in pairwise(glimpses):
        if earlier.attempt == later.attempt or later.stage == "Completed":
            assert earlier.percent <= later.percent, (earlier, later)
    for glimpse in glimpses:
        assert (glimpse.percent == 100) == (glimpse.stage == "Completed"), glimpse
