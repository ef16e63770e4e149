"""`<upload-progress-list>` with very many rows, and moved in the page."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenRows
from tests.support.browser.demo import hold_timers
from tests.support.browser.rows import UNDO_MS

pytestmark = pytest.mark.browser


async def test_moved_list_still_waits_to_cancel_and_a_removed_one_does_not(open_rows: OpenRows) -> None:
    own = await open_rows()
    await hold_timers(own.page, UNDO_MS)
    await own.run("() => connection.add(0, 'A', 'B').forEach((one) => one.reach('compressing', { progress: 50 }))")
    await own.button("Cancel all").click()
    await own.run("() => document.body.prepend(document.querySelector('upload-progress-list'))")
    assert [await own.calls(name) for name in "AB"] == [[], []]
    await expect(own.card("A").stage).to_have_text("Cancelling…")
    await own.button("Undo").click()
    await expect(own.card("A").stage).to_have_text("Compressing")
    await own.button("Cancel all").click()
    await own.run("() => document.querySelector('upload-progress-list').remove()")
    assert [await own.calls(name) for name in "AB"] == [["cancel"], ["cancel"]]


async def test_long_list_shows_many_changes_together_and_the_last_one_too(open_rows: OpenRows) -> None:
    own = await open_rows("")
    renderings = await own.run("""async () => {
      const uploads = connection.add(0, ...Array.from({ length: 60 }, (_, at) => `${at}.mp4`));
      await Promise.resolve();
      const count = document.querySelector("upload-progress-list").shadowRoot.getElementById("count");
      let renderings = 0;
      new MutationObserver(() => (renderings += 1)).observe(count, { childList: true });
      const { performance } = globalThis;
      const now = performance.now();
      performance.now = () => now; // as if all happened at once, however busy this machine is
      for (const upload of uploads) {
        upload.reach("done", { progress: 100 });
        await Promise.resolve();
      }
      delete performance.now;
      return renderings;
    }""")
    assert renderings <= 2
    await expect(own.list.locator("#count")).to_have_text("60 done")
