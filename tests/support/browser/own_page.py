"""A minimal page with a file picker and `roomcast.js`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from playwright.async_api import BrowserContext, Page, Request, Route

from tests.support.browser.demo import WORK_SECONDS

_PATH = "/own-page"
_HTML = '<!doctype html><meta charset="utf-8"><input type="file" multiple>'

CONNECT = """
async () => {
  const { connect } = await import("/static/roomcast.js");
  globalThis.roomcast = connect();
  globalThis.received = [];
  roomcast.addEventListener("uploadadded", ({ detail: upload }) => {
    upload.addEventListener("message", ({ detail }) => received.push({ ...detail, by: roomcast.state }));
  });
}
"""


class OwnPage:
    """The page in a tab. `chunks` are the offsets of the chunks that it sent, in order."""

    def __init__(self, page: Page, url: str, script: str) -> None:
        self.page = page
        self.chunks: list[int] = []
        self._url = f"{url}{_PATH}"
        self._script = script
        page.on("request", self._note)

    @classmethod
    async def open(cls, context: BrowserContext, url: str, *, script: str = CONNECT) -> Self:
        """Open the page. `url` is that of the server or of a proxy; `script` runs after every load."""
        own = cls(await context.new_page(), url, script)

        async def serve(route: Route) -> None:
            await route.fulfill(body=_HTML, content_type="text/html")

        await own.page.route(own._url, serve)
        await own.load()
        return own

    def _note(self, request: Request) -> None:
        if request.method == "PATCH":
            self.chunks.append(int(request.headers["upload-offset"]))

    async def load(self) -> None:
        """Load or reload the page."""
        await self.page.goto(self._url)
        await self.page.evaluate(self._script)

    async def pick(self, *files: Path) -> None:
        await self.page.locator("input").set_input_files(list(files))

    async def upload(self, *files: Path) -> list[str]:
        """Call `roomcast.upload` with each file, and return the upload ids."""
        await self.pick(*files)
        ids: list[str] = await self.page.evaluate(
            """async () => {
              globalThis.uploads = [...document.querySelector("input").files].map((file) => roomcast.upload(file));
              const hasId = (upload) => new Promise((resolve) => {
                const check = () => upload.id && resolve(upload.id);
                upload.addEventListener("change", check);
                check();
              });
              return Promise.all(uploads.map(hasId));
            }"""
        )
        return ids

    async def until(self, expression: str) -> None:
        """Wait until the expression is true in the page."""
        await self.page.wait_for_function(expression, timeout=WORK_SECONDS * 1000)

    async def evaluate(self, expression: str) -> Any:
        """Return the value of the expression, or of its promise."""
        return await self.page.evaluate(expression)

    async def midway(self, share: float = 0.3) -> None:
        """Wait until the server has more than that share of the first upload, but not all of it."""
        await self.until(
            f"""(() => {{
              const {{ stage, bytesReceived, bytesExpected }} = uploads[0].state ?? {{}};
              return stage === "receiving" && bytesReceived > {share} * bytesExpected;
            }})()"""
        )

    async def completes(self) -> None:
        """Wait until every upload of `upload` has completed."""
        for status in await self.evaluate("Promise.all(uploads.map(async (one) => (await one.finished).status))"):
            assert status == "completed"
