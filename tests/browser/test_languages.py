"""The demo page and the elements in German and Arabic: which language is shown, its texts, and its direction."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.conftest import Shelf
from tests.support.browser.demo import Card
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser

_ELEMENTS = """<!doctype html><meta charset="utf-8"><script type="module" src="/static/element.js"></script>
<div lang="de-CH"><upload-drop id="german"></upload-drop></div>
<div lang="ar"><upload-drop id="arabic"></upload-drop><upload-drop id="spanish" locale="es"></upload-drop></div>
<upload-drop id="browsers"></upload-drop>
"""


async def language_of(page: Page) -> list[str]:
    """Return the language and the direction of the document, and those of the list's shadow tree."""
    languages: list[str] = await page.evaluate(
        """() => [document.documentElement, document.querySelector("upload-progress-list").shadowRoot.firstElementChild]
          .flatMap((element) => [element.lang, getComputedStyle(element).direction])"""
    )
    return languages


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


async def test_the_page_is_in_the_language_of_its_url_then_the_chosen_one(
    server: RunningServer, context: BrowserContext, shelf: Shelf, tmp_path: Path
) -> None:
    page = await context.new_page()
    await page.goto(f"{server.url}/progress-demo?lang=ar-EG")
    await expect(heading(page)).to_have_text("ارفع فيديو أو صورة")
    await expect(page.locator("#connection-text")).to_have_text("مباشر")
    await expect(page.locator("#limits")).to_contain_text("غيغابايت")
    assert await language_of(page) == ["ar", "rtl", "ar", "rtl"]

    picture = tmp_path / "عطلة.png"
    shutil.copy(shelf.image(), picture)
    notes = tmp_path / "notes.txt"
    notes.write_text("Neither a picture nor a film.")
    await page.locator("input[type=file]").first.set_input_files([notes, picture])
    refused, sent = Card(page, notes.name), Card(page, picture.name)
    await refused.reaches("لم يُرفع")
    await expect(refused.problem).to_contain_text("ليس فيديو")
    await sent.reaches("اكتمل")
    await sent.button("عرض النتيجة").click()
    await expect(sent.root.locator(".size.after")).to_be_visible()
    sides = await sent.root.evaluate(
        """(card) => {
          const [glyph, name] = [".glyph", ".name"].map((part) => card.querySelector(part).getBoundingClientRect());
          const fill = card.querySelector(".size.after .size-bar").getBoundingClientRect();
          const row = card.querySelector(".size.after").getBoundingClientRect();
          return [glyph.left >= name.right, Math.abs(fill.right - row.right) < 1, fill.left > row.left];
        }"""
    )
    assert sides == [True, True, True], "the glyph is on the right, and bars fill from the right"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    await page.get_by_role("combobox", name="اللغة").select_option(label="Deutsch")
    await expect(heading(page)).to_have_text("Video oder Bild hochladen")
    assert await language_of(page) == ["de", "ltr", "de", "ltr"]
    await expect(sent.stage).to_have_text("Fertig")
    await expect(sent.root.get_by_role("list", name="Downloads")).to_be_visible()
    await expect(sent.root.locator(".screen img")).to_have_attribute("alt", "\u2068عطلة.png\u2069, komprimiert")

    await page.goto(f"{server.url}/progress-demo")
    await expect(heading(page)).to_have_text("Video oder Bild hochladen")
    await sent.reaches("Fertig")
    await page.get_by_role("combobox", name="Sprache").select_option(label="English")
    await expect(heading(page)).to_have_text("Upload a video or an image")
    await expect(sent.stage).to_have_text("Completed")


async def test_an_element_is_in_the_language_of_its_attribute_then_of_the_nearest_lang_then_of_the_browser(
    server: RunningServer, context: BrowserContext
) -> None:
    page = await context.new_page()
    await page.route(f"{server.url}/own-page", lambda route: route.fulfill(content_type="text/html", body=_ELEMENTS))
    await page.goto(f"{server.url}/own-page")
    for name, text in {
        "german": "Dateien auswählen",
        "arabic": "اختيار ملفات",
        "spanish": "Elegir archivos",
        "browsers": "Choose files",
    }.items():
        await expect(page.locator(f"#{name} #choose"), name).to_have_text(text)
    assert await page.locator("#arabic #frame").get_attribute("dir") == "rtl"
    assert await page.locator("#spanish #frame").get_attribute("dir") == "ltr"

    await page.evaluate("document.querySelector('#german').parentElement.lang = 'fr'")
    await expect(page.locator("#german #choose")).to_have_text("Choisir des fichiers")
    await page.evaluate("german.locale = {chooseFiles: 'Photos'}")
    await expect(page.locator("#german #choose")).to_have_text("Photos")
    await page.evaluate("german.locale = 'ja'")
    await expect(page.locator("#german #lead")).to_have_text("ここにファイルをドロップ")
    await expect(page.locator("#german #choose")).to_have_text("Photos")
