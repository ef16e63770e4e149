"""The rows of `<upload-progress-list>`: order, compact rows, actions for all rows, undo, names, facts, bars, colours.

The uploads are those of `fake_uploads.js`, which reach what a test sets, so nothing is compressed and nothing is timed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import OpenRows, new_context
from tests.support.browser.axe import AXE, violations
from tests.support.browser.demo import FOCUSED, hold_timers
from tests.support.browser.rows import UNDO_MS, Rows
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser

_EVERY_STATE = """
() => {
  const names = ["sent", "film", "bad", "stopped", "lost", "queued", "waiting", "done"].map((name) => `${name}.mp4`);
  const [sent, film, bad, stopped, lost, queued, waiting, done, sound] = connection.add(0, ...names, "song.wav");
  const fileOf = ({ name }) => new File(["x"], name);
  const half = { bytesReceived: 15e6, bytesExpected: 20e6, stageProgress: 75, progress: 7.5 };
  const transfer = { sent: 15.6e6, total: 20e6, percent: 78, bytesPerSecond: 3.1e6, secondsLeft: 15 };
  sent.reach("receiving", half, { sending: "now", pausable: true, file: fileOf(sent), transfer });
  film.reach("compressing", { progress: 62, speed: 3.1, eta: 75, forecast: { bytes: 12e6, seconds: 100 } });
  sound.reach("storing", { progress: 95 });
  bad.reach("failed", { error: { code: "X", message: "The file is damaged.", retryable: true } });
  stopped.reach("cancelled", { error: { code: "CANCELLED", message: "", retryable: true } });
  lost.reach("receiving", half, { needsFile: true });
  queued.reach("queued", { progress: 10, queuePosition: 1 });
  Object.assign(waiting, { sending: "waiting", pausable: true, file: fileOf(waiting) });
  done.reach("done", { progress: 100, element: result("done.mp4") });
}
"""


@asynccontextmanager
async def phone(browser: Browser, server: RunningServer) -> AsyncIterator[Rows]:
    context = await new_context(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield await Rows.open(await context.new_page(), server, "results")
    await context.close()


async def test_rows_are_in_the_order_of_what_they_need(open_rows: OpenRows) -> None:
    own = await open_rows()
    await own.run("() => connection.add(0, 'A', 'B', 'C', 'D').forEach((upload) => upload.reach('receiving'))")
    assert await own.names() == ["A", "B", "C", "D"], "as they were chosen"
    await own.run("() => connection.add(1, 'E', 'F').forEach((upload) => upload.reach('receiving'))")
    assert await own.names() == ["E", "F", "A", "B", "C", "D"], "the newest batch first"
    await own.run(
        """() => {
          const reach = (name, stage, fields) => connection.named(name).reach(stage, fields);
          reach("A", "done", { progress: 100, element: result("A") });
          reach("B", "failed", { error: { code: "X", message: "No.", retryable: true } });
          reach("C", "queued", { progress: 10 });
          reach("E", "done", { progress: 100, element: result("E") });
        }"""
    )
    assert await own.names() == ["F", "D", "C", "B", "E", "A"]


async def test_row_in_use_stays_and_a_row_that_moves_keeps_the_focus(open_rows: OpenRows) -> None:
    own = await open_rows()
    await own.page.set_viewport_size({"width": 800, "height": 600})
    await own.run(
        "() => connection.add(0, ...'ABCDEFGH').forEach((upload) => upload.reach('compressing', { progress: 50 }))"
    )
    done = "(name) => connection.named(name).reach('done', { progress: 100, element: result(name) })"
    await own.card("C").root.hover()
    top = "(row) => row.getBoundingClientRect().top"
    before = await own.card("C").root.evaluate(top)
    for name in "CE":
        await own.page.evaluate(done, name)
    await own.run("() => 0")
    assert await own.names() == [*"ABCDFGHE"], "the pointer is on C"
    assert await own.card("C").root.evaluate(top) == before
    await own.page.get_by_role("button", name="Before").hover()
    await own.run("() => 0")
    assert await own.names() == [*"ABDFGHCE"]

    await own.card("B").button("Cancel").focus()
    await own.page.keyboard.press("Tab")
    await own.page.keyboard.press("Shift+Tab")
    await own.page.evaluate(done, "B")
    await own.run("() => 0")
    assert (await own.names())[1] == "B", "the keyboard is in B"
    assert await own.focused() == "Download"
    await own.page.get_by_role("button", name="Before").click()
    await own.run("() => 0")
    assert await own.names() == [*"ADFGHBCE"]

    await own.card("G").root.locator(".glyph").click()
    await own.page.get_by_role("button", name="Before").hover()
    scrolled = await own.page.evaluate("() => { scrollTo(0, 60); return scrollY }")
    await own.page.evaluate(done, "G")
    await own.run("() => 0")
    assert await own.names() == [*"ADFHBCEG"], "a focus that is not shown does not keep the row"
    assert await own.page.evaluate(f"() => ({FOCUSED}).querySelector('.name').textContent") == "G"
    assert scrolled == await own.page.evaluate("() => scrollY")


async def test_short_list_shows_what_moves_before_what_waits(open_rows: OpenRows) -> None:
    own = await open_rows('mode="dialog" max-items="3"')
    await own.run(
        """() => {
          const uploads = connection.add(0, ..."ABCDEFG");
          uploads.forEach((upload) => upload.reach("queued", { progress: 10 }));
          uploads[5].reach("compressing", { progress: 60 });
          uploads[6].reach("failed", { error: { code: "X", message: "No.", retryable: true } });
        }"""
    )
    assert await own.names() == ["F", "A", "G"]
    await own.button("Show 4 more").click()
    assert len(await own.names()) == 7
    await expect(own.list.get_by_role("heading", level=2)).to_have_text("Uploading 2 of 7")
    await expect(own.list.locator("#count")).to_contain_text("1 compressing, 5 waiting, 1 failed")


async def test_completed_row_is_one_line_and_opens_its_result_on_request(open_rows: OpenRows) -> None:
    own = await open_rows()
    await own.run(
        "() => connection.add(0, 'one.png')[0].reach('done', { progress: 100, poster, element: result('one.png') })"
    )
    card = own.card("one.png")
    await expect(card.root.locator(".result")).to_be_visible()
    await expect(card.root.locator(".preview")).to_be_visible()
    await expect(card.button("Hide result")).to_have_attribute("aria-expanded", "true")
    await own.run(
        "() => connection.add(1, 'two.png')[0].reach('done', { progress: 100, element: result('two.png', 40) })"
    )
    await expect(card.root.locator(".result")).to_be_hidden()
    for name, saved in (("one.png", "77% smaller"), ("two.png", "40% smaller")):
        row = own.card(name)
        assert await row.root.evaluate("(row) => row.offsetHeight") < 70
        await expect(row.facts).to_have_text(re.compile(saved))
        await expect(row.button("Show result")).to_have_attribute("aria-expanded", "false")
        link = row.download("Download")
        await expect(link).to_have_attribute("download", "")
        await expect(link).to_have_attribute("href", re.compile(r"/favicon\.ico$"))
    await card.button("Show result").press("Enter")
    await expect(card.root.locator(".result")).to_be_visible()
    await expect(card.root.locator(".upload-id")).to_be_visible()
    await expect(card.button("Hide result")).to_be_focused()
    await expect(own.card("two.png").root.locator(".result")).to_have_count(0)
    await card.button("Hide result").press("Enter")
    await expect(card.root.locator(".result")).to_be_hidden()


async def test_25_files_fit_two_screens(open_rows: OpenRows, browser: Browser, shared_server: RunningServer) -> None:
    fill = """() => {
      const names = Array.from({ length: 25 }, (_, index) => `IMG_${2000 + index}.mp4`);
      connection.add(0, ...names).forEach((upload, index) => {
        if (index > 3) upload.reach("done", { progress: 100, poster, element: result(upload.name) });
        else upload.reach("compressing", { progress: 60, speed: 1.2, eta: 70, forecast: { bytes: 12e6, seconds: 99 } });
      });
    }"""
    own = await open_rows()
    await own.page.set_viewport_size({"width": 1280, "height": 900})
    await own.run(fill)
    await expect(own.rows).to_have_count(25)
    assert await own.page.evaluate("() => document.documentElement.scrollHeight") <= 1800
    async with phone(browser, shared_server) as small:
        await small.run(fill)
        assert await small.page.evaluate("() => document.documentElement.scrollWidth") == 390
        clipped = """(facts) => facts.filter((fact) => {
          const [own, box] = [fact, fact.closest(".progress-facts")].map((one) => one.getBoundingClientRect().right);
          return own > box + 1;
        }).length"""
        assert await small.list.locator(".card[data-tone=done] .fact").evaluate_all(clipped) == 0
        cut = "(names) => names.filter((name) => name.scrollWidth > name.clientWidth).length"
        assert await small.list.locator(".name-start").evaluate_all(cut) == 0, "the buttons leave room for short names"
        boxes = await small.list.locator(".actions .button:not([hidden])").evaluate_all(
            "(buttons) => buttons.map((button) => { const { x, y, width, height } = button.getBoundingClientRect(); "
            "return [x, y, width, height] })"
        )
        assert all(width >= 44 and height >= 44 for _, _, width, height in boxes)
        neighbours = [(one, other) for one, other in pairwise(boxes) if one[1] == other[1]]
        assert neighbours
        assert all(other[0] - one[0] - one[2] >= 8 for one, other in neighbours)
        assert await small.list.locator(".fact:visible").count() <= 2 * 4 + 21


async def test_all_rows_are_paused_resumed_and_retried_together(open_rows: OpenRows) -> None:
    own = await open_rows()
    await own.run(_EVERY_STATE)
    await own.run(
        """() => {
          const error = { code: "X", message: "No.", retryable: true };
          connection.add(0, "worse.mp4")[0].reach("failed", { error });
        }"""
    )
    await own.button("Pause all").click()
    assert (await own.calls("sent.mp4"), await own.calls("waiting.mp4")) == (["pause"], ["pause"])
    assert await own.calls("queued.mp4") == []
    await expect(own.button("Resume all")).to_be_focused()
    await own.button("Resume all").press("Enter")
    assert (await own.calls("sent.mp4"))[1:] == ["resume"]
    await own.button("Retry failed").click()
    assert [await own.calls(name) for name in ("bad.mp4", "worse.mp4", "stopped.mp4")] == [["retry"], ["retry"], []]
    await expect(own.button("Retry failed")).to_be_hidden()
    gap = await own.list.evaluate(
        """(list) => {
          const [cancel, hide] = ["cancel-all", "hide-finished"].map((id) => list.shadowRoot.getElementById(id));
          return hide.getBoundingClientRect().left - cancel.getBoundingClientRect().right;
        }"""
    )
    assert gap >= 16


@pytest.mark.usefixtures("own_profile")
async def test_cancelling_all_can_be_undone(open_rows: OpenRows) -> None:
    own = await open_rows()
    await own.run(_EVERY_STATE)
    await own.page.clock.install()
    working = ("sent.mp4", "film.mp4", "song.wav", "queued.mp4", "waiting.mp4", "lost.mp4")
    await own.button("Cancel all").focus()
    await own.page.keyboard.press("Enter")
    await expect(own.undo_notice).to_contain_text("6 uploads are about to be cancelled.")
    assert await own.focused() == "Undo"
    await expect(own.button("Undo")).to_have_accessible_description("6 uploads are about to be cancelled.")
    await expect(own.card("film.mp4").stage).to_have_text("Cancelling…")
    await own.page.clock.fast_forward(1_000)
    await expect(own.list.locator("#announcer")).to_contain_text("6 uploads are about to be cancelled.")
    await own.page.keyboard.press("Enter")
    await expect(own.undo_notice).to_be_hidden()
    await own.page.clock.fast_forward(60_000)
    assert [await own.calls(name) for name in working] == [[]] * 6
    await expect(own.card("film.mp4").stage).to_have_text("Compressing")

    await own.button("Cancel all").click()
    await own.undo_notice.hover()
    await own.page.clock.fast_forward(60_000)
    assert await own.calls("film.mp4") == [], "the time stops while the pointer is on the notice"
    await own.page.get_by_role("button", name="Before").hover()
    await own.page.clock.fast_forward(10_000)
    assert [await own.calls(name) for name in working] == [["cancel"]] * 6
    await expect(own.undo_notice).to_be_hidden()
    await expect(own.card("film.mp4").stage).to_have_text("Cancelled")
    assert [await own.calls(name) for name in ("bad.mp4", "done.mp4")] == [[], []]


async def test_deletion_waits_until_the_next_one_or_until_the_page_is_left(open_rows: OpenRows) -> None:
    own = await open_rows()
    await hold_timers(own.page, UNDO_MS)
    await own.run(
        "() => [...'ABC'].forEach((name, at) => connection.add(at, name)[0].reach('done', { progress: 100 }))"
    )
    assert await own.names() == ["C", "B", "A"]
    await own.card("B").button("Delete").press("Enter")
    assert await own.names() == ["C", "A"]
    assert await own.focused() == "Undo"
    await own.page.keyboard.press("Enter")
    assert await own.names() == ["C", "B", "A"]
    assert await own.page.evaluate(f"() => ({FOCUSED}).closest('li').querySelector('.name').textContent") == "B"
    await own.card("A").button("Delete").click()
    await own.card("B").button("Delete").click()
    assert (await own.calls("A"), await own.calls("B")) == (["delete"], [])
    await expect(own.undo_notice).to_contain_text("B and its results are about to be deleted.")
    await own.page.evaluate("() => dispatchEvent(new Event('pagehide'))")
    assert await own.calls("B") == ["delete"]
    assert await own.names() == ["C"]


async def test_bar_is_filled_segment_by_segment_and_says_what_it_shows(open_rows: OpenRows) -> None:
    own = await open_rows()
    filled = """
    (bar) => [...bar.querySelectorAll(".segment")].map((segment) => {
      const fill = segment.firstElementChild;
      fill.style.transition = "none";
      const [whole, drawn] = [segment, fill].map((one) => one.getBoundingClientRect());
      return Math.round((100 * Math.max(0, Math.min(drawn.right, whole.right) - whole.left)) / whole.width);
    })
    """
    await own.run("() => connection.add(0, 'clip.mp4')[0].reach('receiving', { stageProgress: 0 })")
    card = own.card("clip.mp4")
    shown = []
    for stage, fields, segments in (
        ("receiving", "{ progress: 7.8, stageProgress: 78 }", [78, 0, 0]),
        ("receiving", "{ progress: 5, stageProgress: 50 }", [78, 0, 0]),
        ("queued", "{ progress: 15 }", [100, 0, 0]),
        ("compressing", "{ progress: 65 }", [100, 50, 0]),
        ("storing", "{ progress: 95 }", [100, 100, 50]),
    ):
        await own.run(f"() => connection.uploads[0].reach('{stage}', {fields})")
        assert await card.bar.evaluate(filled) == segments, stage
        shown.append(int(await card.bar.get_attribute("aria-valuenow") or ""))
        if stage == "receiving":
            await expect(card.root.locator(".percent")).to_have_text("78% sent")
            await expect(card.bar).to_have_attribute("aria-valuetext", re.compile("^78% sent, receiving"))
    assert shown == [31, 31, 40, 65, 95]
    names = card.root.locator(".segment-names")
    await expect(names).to_be_visible()
    await expect(names).to_have_text(re.compile("SendingCompressingStoring"))
    overall = own.list.get_by_role("progressbar", name="Progress of all uploads")
    await expect(overall).to_have_attribute("aria-valuenow", "95")
    await expect(overall).to_have_attribute("aria-valuetext", "1 storing · 95%")
    await own.run("() => connection.uploads[0].reach('failed', { progress: 95, error: { code: 'X', message: 'No.' } })")
    await expect(card.bar).to_be_hidden()


async def test_facts_do_not_wrap_and_no_separator_starts_a_line(open_rows: OpenRows) -> None:
    own = await open_rows()
    await own.run(_EVERY_STATE)
    await own.run(
        "() => connection.uploads.splice(3).forEach(() => connection.dispatchEvent(new Event('uploadremoved')))"
    )
    lines = """
    (facts) => [...facts.querySelectorAll(".fact")].filter((fact) => fact.checkVisibility()).map((fact) => [
      fact.getClientRects().length,
      Math.round(fact.getBoundingClientRect().left - facts.getBoundingClientRect().left),
      Math.round(fact.getBoundingClientRect().top),
    ])
    """
    for width, most in ((1280, 3), (700, 3), (390, 2), (320, 2)):
        await own.page.set_viewport_size({"width": width, "height": 800})
        for name in ("sent.mp4", "film.mp4"):
            described = await own.card(name).facts.evaluate(lines)
            assert 2 <= len(described) <= most, (width, name)
            assert [boxes for boxes, _, _ in described] == [1] * len(described)
            starts = {top: left for _, left, top in reversed(described)}
            assert set(starts.values()) == {0}, "the first separator of a line is clipped"
    assert await own.card("film.mp4").facts.evaluate("(facts) => getComputedStyle(facts).overflowX") == "clip"


async def test_long_and_arabic_names_keep_their_extension(open_rows: OpenRows) -> None:
    own = await open_rows()
    long = f"{'a very long name of a film ' * 9}(copy 3).mp4"
    arabic = f"{'تقرير الاجتماع ' * 20}.mp4"
    await own.page.evaluate(
        "(names) => connection.add(0, ...names).forEach((upload) => upload.reach('queued'))", [long, arabic]
    )
    for width in (1280, 390):
        await own.page.set_viewport_size({"width": width, "height": 800})
        for name, direction in ((long, "ltr"), (arabic, "rtl")):
            card = own.card(name)
            await expect(card.root.locator(".name")).to_have_attribute("title", name)
            text = card.root.locator(".name-text")
            await expect(text).to_have_css("direction", direction)
            whole, end = await text.bounding_box(), await text.locator(".name-end").bounding_box()
            row = await card.root.bounding_box()
            assert whole is not None
            assert end is not None
            assert row is not None
            assert end["width"] > 20
            assert row["x"] < end["x"]
            assert end["x"] + end["width"] < row["x"] + row["width"]
            assert (end["x"] > whole["x"] + 20) == (direction == "ltr"), "an Arabic name ends on the left"


async def test_text_of_the_server_in_an_arabic_row_keeps_its_direction(open_rows: OpenRows) -> None:
    own = await open_rows('results locale="ar"')
    await expect(own.list.locator("#frame")).to_have_attribute("dir", "rtl")
    await own.run(_EVERY_STATE)
    english, arabic = own.card("bad.mp4").problem, own.card("lost.mp4").problem
    for problem, direction in ((english, "ltr"), (arabic, "rtl")):
        await expect(problem).to_have_css("direction", direction)
        await expect(problem).to_have_css("text-align", "right")


async def test_glyphs_have_one_meaning_each(open_rows: OpenRows) -> None:
    own = await open_rows()
    await own.run(_EVERY_STATE)
    drawn = """(svg) => [...svg.querySelectorAll("path")].filter((path) => path.checkVisibility())
      .map((path) => path.getAttribute("d"))"""
    paths = {}
    for name in ("film.mp4", "song.wav", "bad.mp4", "stopped.mp4", "done.mp4"):
        (path,) = await own.card(name).root.locator(".glyph").evaluate(drawn)
        paths[name] = path
    for action, name in (("Cancel", "film.mp4"), ("Dismiss", "bad.mp4"), ("Delete", "bad.mp4"), ("Retry", "bad.mp4")):
        paths[action] = await own.card(name).button(action).locator("path").get_attribute("d")
    assert len(set(paths.values())) == len(paths)


async def test_forced_colours_show_bars_and_the_primary_button(open_rows: OpenRows) -> None:
    own = await open_rows()
    await own.run(_EVERY_STATE)
    await own.page.emulate_media(forced_colors="active")
    colour = "(one) => getComputedStyle(one).backgroundColor"
    card = own.card("film.mp4").root
    fill, track = [await card.locator(part).first.evaluate(colour) for part in (".fill", ".segment")]
    assert fill != track
    await expect(card.locator(".segment").first).to_have_css("border-top-width", "1px")
    primary = own.card("lost.mp4").button("Choose the file again")
    assert await primary.evaluate(colour) != await own.button("Cancel all").evaluate(colour)


@pytest.mark.skipif(
    not AXE.is_file(), reason="axe-core is not installed: `make setup` brings it where npm is installed"
)
@pytest.mark.parametrize("attributes", ["results", 'mode="dialog"'])
async def test_axe_finds_nothing_in_any_state(open_rows: OpenRows, attributes: str) -> None:
    own = await open_rows(attributes)
    rules = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
    await own.run(_EVERY_STATE)
    assert await violations(own.page, rules=rules) == []
    await own.button("Cancel all").click()
    if attributes == "results":
        await own.card("done.mp4").button("Show result").click()
    assert await violations(own.page, rules=rules) == []
    await own.run(
        "() => connection.uploads.splice(2).forEach(() => connection.dispatchEvent(new Event('uploadremoved')))"
    )
    assert await violations(own.page, rules=rules) == []
