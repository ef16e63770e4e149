"""Accessibility of the demo page: keyboard, screen reader, contrast, small screens, reduced motion."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Ffmpeg, OpenPage
from tests.conftest import Shelf
from tests.support.browser.demo import FOCUSED, Demo, choosing
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser

TABS_AT_MOST = 20

_CONTRASTS = """
() => {
  const channels = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = ([red, green, blue]) => {
    const linear = (value) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement ?? at.getRootNode().host) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length === 3) return color;
    }
    return [255, 255, 255];
  };
  const everything = (root) =>
    [...root.querySelectorAll("*")].flatMap((one) => [one, ...(one.shadowRoot ? everything(one.shadowRoot) : [])]);
  const seen = everything(document.body).filter((element) => {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return own && element.checkVisibility() && !element.closest(".visually-hidden, video");
  });
  return seen.map((element) => {
    const both = [channels(getComputedStyle(element).color), ground(element)].map(luminance);
    const [dark, light] = both.sort((one, other) => one - other);
    return [element.textContent.trim(), (light + 0.05) / (dark + 0.05)];
  });
}
"""
"""Returns the contrast of every visible text, as WCAG defines it."""


async def tab_to(demo: Demo, name: str) -> None:
    """Press Tab until the control with this name has the focus."""
    for _ in range(TABS_AT_MOST):
        await demo.page.keyboard.press("Tab")
        label = await demo.page.evaluate(f"() => ({FOCUSED}).ariaLabel")
        if name in (label, await demo.focused()):
            return
    raise AssertionError(f"Tab does not reach {name!r}.")


async def test_upload_works_by_keyboard_alone(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    clip = shelf.clip()
    ffmpeg.behave("slow:600")
    demo = await open_page(server)
    async with choosing(demo.page, clip):
        await tab_to(demo, "Choose files")
        await demo.page.keyboard.press("Enter")
    card = await demo.card(clip).compresses()
    await tab_to(demo, "Cancel")
    await demo.page.keyboard.press("Enter")
    await card.reaches("Cancelled")
    assert await demo.focused() == "Retry", "the focus moves on when its button is hidden"
    ffmpeg.heal()
    await demo.page.keyboard.press("Enter")
    await card.reaches("Completed")
    await tab_to(demo, "Hide finished")
    await demo.page.keyboard.press("Space")
    await expect(demo.cards).to_have_count(0)


async def test_focus_is_visible(server: RunningServer, open_page: OpenPage) -> None:
    demo = await open_page(server)
    await tab_to(demo, "Choose files")
    await expect(demo.page.locator(".drop")).to_have_css("outline-style", "solid")
    await demo.page.keyboard.press("Tab")
    await expect(demo.button("Choose a folder")).to_have_css("outline-style", "solid")


async def test_screen_reader_hears_status_changes(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    clip = shelf.clip("clip.mp4", seconds=19)
    ffmpeg.behave("busy")
    demo = await open_page(server)
    await demo.choose(clip)
    bar = (await demo.card(clip).compresses()).bar
    await expect(demo.announced).to_have_text("clip.mp4: compressing.")
    await expect(bar).to_have_attribute("aria-valuemin", "0")
    await expect(bar).to_have_attribute("aria-valuemax", "100")
    await expect(bar).to_have_attribute("aria-valuetext", re.compile(r"^[4-9]\d%, compressing, .*speed"))
    before = await bar.get_attribute("aria-valuenow") or ""
    await expect(bar).not_to_have_attribute("aria-valuenow", before)
    await expect(demo.announced).to_have_text("clip.mp4: compressing.")
    await expect(demo.page.get_by_role("progressbar", name="Progress of all uploads")).to_be_visible()
    ffmpeg.heal()
    await demo.card(clip).reaches("Completed")
    await expect(demo.announced).to_have_text(re.compile(r"^clip\.mp4: completed, .*(smaller|larger|the same size)\.$"))


async def test_every_text_has_enough_contrast_in_both_colour_schemes(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    done, text, going = shelf.image("done.png"), shelf.image("text.png"), shelf.clip("going.mp4", seconds=19)
    text.write_text("not a picture")
    ffmpeg.behave("slow:600")
    demo = await open_page(server)
    await demo.choose(done, text, going)
    await demo.card(done).reaches("Completed")
    await demo.card(text).reaches("Failed")
    await demo.card(going).compresses()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    grounds = set()
    for scheme in schemes:
        await demo.page.emulate_media(color_scheme=scheme)
        grounds.add(await demo.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        contrasts = await demo.page.evaluate(_CONTRASTS)
        assert {"Failed", "Compressing", "Cancel"} <= {text for text, _ in contrasts}
        assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == [], scheme
    assert len(grounds) == 2


async def test_page_never_scrolls_sideways(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    long = shelf.image(f"{'a-name-without-any-break-opportunity' * 5}.png")
    wide, going = shelf.image("wide.png", size=(3000, 200)), shelf.clip("going.mp4")
    ffmpeg.behave("slow:600")
    demo = await open_page(server)
    await demo.choose(long, wide, going)
    await demo.card(long).reaches("Completed")
    await demo.card(wide).reaches("Completed")
    await demo.card(going).compresses()
    for width in (320, 360, 1280):
        await demo.page.set_viewport_size({"width": width, "height": 800})
        await demo.page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
        assert await demo.page.evaluate("() => document.documentElement.scrollWidth") == width


async def test_reduced_motion_stops_animations(server: RunningServer, open_page: OpenPage) -> None:
    demo = await open_page(server)
    fill = demo.page.locator("#overall .fill")
    await demo.page.emulate_media(reduced_motion="no-preference")
    await expect(fill).to_have_css("transition-duration", "0.4s")
    await demo.page.emulate_media(reduced_motion="reduce")
    await expect(fill).to_have_css("transition-property", "none")
