"""The admin page: access, live numbers, failures, filters, actions on many uploads, pauses, an upload's own page."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, Route, expect

from tests.browser.conftest import Ffmpeg
from tests.conftest import Shelf
from tests.support.browser.admin_scripts import CONNECT_TWICE, DRAIN_ALL, GROUPS
from tests.support.browser.axe import violations
from tests.support.browser.demo import WORK_SECONDS, hold_timers
from tests.support.browser.film_state import FilmState
from tests.support.harness import Api, RunningServer, eventually
from tests.support.tokens import SECRET, token

pytestmark = pytest.mark.browser

REJOIN_MS = 2_000
"""After how many milliseconds the client connects again when the server has closed its connection."""


@pytest.fixture(scope="module")
def admin_server(tmp_path_factory: pytest.TempPathFactory, shared_ffmpeg: Ffmpeg) -> Iterator[RunningServer]:
    """Return the server of this module: with tokens, one worker, and one attempt for each upload."""
    settings = {"JWT_SECRET": SECRET, "ROOMCAST_ATTEMPTS": "1", "ROOMCAST_WORKERS": "1"}
    with RunningServer(tmp_path_factory.mktemp("admin") / "data", **shared_ffmpeg.env, **settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


async def online(page: Page) -> None:
    await expect(page.locator('#connection[data-state="online"]')).to_be_visible(timeout=WORK_SECONDS * 1000)


def row(page: Page, upload_id: str) -> Locator:
    return page.locator(f'tr[data-id="{upload_id}"]')


async def reaches(row: Locator, stage: str) -> None:
    await expect(row.locator(".stage")).to_have_text(stage, timeout=WORK_SECONDS * 1000)


async def sign_in(page: Page, server: RunningServer, fragment: str = "") -> None:
    """Open the admin page as an admin."""
    await page.goto(f"{server.url}/admin{fragment}")
    await page.get_by_label("Admin access token").fill(token("root", admin=True))
    await page.keyboard.press("Enter")
    await online(page)


async def wrapped_ages(page: Page) -> int:
    """Return how many ages have more than one line, on the narrowest phone."""
    await page.set_viewport_size({"width": 320, "height": 700})
    found: int = await page.evaluate(
        """() => [...document.querySelectorAll(".since")]
          .filter((age) => age.checkVisibility() && age.getClientRects().length > 1).length"""
    )
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= 320
    await page.set_viewport_size({"width": 1280, "height": 900})
    return found


async def assert_forced_colours(page: Page, upload: Locator) -> None:
    """Assert that bars, pressed buttons and the lamp differ from their ground although colours are forced."""
    ground = "(one) => getComputedStyle(one).backgroundColor"
    bar = upload.get_by_role("progressbar")
    assert await bar.locator(".fill").evaluate(ground) != await bar.evaluate(ground)
    lamp = page.locator("#connection .lamp")
    assert await lamp.evaluate(ground) != await page.locator("body").evaluate(ground)
    drawn = "(one) => [getComputedStyle(one).outlineStyle, getComputedStyle(one).outlineColor]"
    pressed, other = page.locator("#history-hour"), page.locator("#history-day")
    assert await pressed.evaluate(drawn) != await other.evaluate(drawn)


async def assert_bulk_run_goes_on_until_it_is_stopped(page: Page) -> None:
    """Cancel uploads in several calls, which a fake server answers: once stopped after the first, once to the end."""
    calls: list[dict[str, Any]] = []
    released = asyncio.Event()

    async def answer(route: Route) -> None:
        body: dict[str, Any] = route.request.post_data_json or {}
        if not body["dryRun"]:
            calls.append(body)
        if body["cursor"]:
            await released.wait()
        skipped = [
            {
                "uploadId": f"upload_{index}",
                "filename": f"{index}.mp4",
                "code": "WRONG_STATE",
                "message": "It has ended.",
            }
            for index in range(0 if body["dryRun"] else 12)
        ]
        cursor = "next" if not body["dryRun"] and body["cursor"] is None else None
        counts = {"matched": 20, "eligible": 2, "changed": 1, "skippedCount": len(skipped)}
        await route.fulfill(json={"dryRun": body["dryRun"], **counts, "skipped": skipped, "cursor": cursor})

    dialog, cancel_all = page.get_by_role("dialog"), page.get_by_role("button", name="Cancel all…")
    await page.route("**/api/admin/uploads/cancel", answer)
    await cancel_all.click()
    await dialog.get_by_role("button", name="Cancel 2 uploads").click()
    await expect(dialog).to_contain_text("1 of 2 uploads cancelled…")
    await expect(dialog.get_by_role("progressbar")).to_have_js_property("value", 1)
    async with page.expect_response("**/api/admin/uploads/cancel"):
        await dialog.get_by_role("button", name="Stop").click()
        await expect(dialog).to_be_hidden()
        released.set()
    await cancel_all.click()
    await dialog.get_by_role("button", name="Cancel 2 uploads").click()
    await expect(dialog).to_contain_text("2 uploads were cancelled.")
    await expect(dialog).to_contain_text("24 uploads were skipped.")
    await expect(dialog.get_by_role("listitem")).to_have_count(21)
    await expect(dialog.get_by_role("listitem").first).to_have_text("0.mp4It has ended.")
    await expect(dialog.get_by_role("listitem").last).to_have_text("And 4 more.")
    assert await violations(page, of="dialog") == []
    assert [call["cursor"] for call in calls] == [None, "next", None, "next"], "nothing was asked after the stop"
    await page.keyboard.press("Escape")
    await page.unroute("**/api/admin/uploads/cancel")


async def test_admin_sees_a_failure_and_retries_the_upload(
    admin_server: RunningServer, ffmpeg: Ffmpeg, page: Page, shelf: Shelf
) -> None:
    server = admin_server
    clip = shelf.clip("holiday.mp4", seconds=1, size="160x120")
    ffmpeg.behave("slow:600")
    await page.goto(f"{server.url}/admin")
    field = page.get_by_label("Admin access token")
    for given, problem in (("garbage", "The token is not valid."), (token("ada"), "Only an admin may see this.")):
        await field.fill(given)
        await field.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text(problem)
    assert await violations(page) == []
    await field.fill(token("root", admin=True))
    await field.press("Enter")
    await online(page)
    await expect(field).to_be_hidden()
    await expect(page.get_by_text("No uploads.")).to_be_visible()

    async with Api(server, token("ada")) as ada:
        working, waiting = await ada.accepted(clip), await ada.accepted(clip)
        bar = row(page, working).get_by_role("progressbar", name="holiday.mp4")
        await expect(bar).to_have_attribute("aria-valuenow", "80", timeout=WORK_SECONDS * 1000)
        await reaches(row(page, waiting), "Waiting for a worker")
        for fact in ("ada", "auto"):
            await expect(row(page, waiting).get_by_role("link", name=fact)).to_be_visible()
        await expect(page.locator("#workers")).to_have_text("1 of 1")
        await expect(page.locator(".lease .name")).to_have_text("holiday.mp4")
        await expect(page.locator("#queued")).to_have_text("1")

        ffmpeg.behave("die")
        await row(page, working).get_by_role("button", name="Cancel").click()
        await reaches(row(page, waiting), "Failed")
        await reaches(row(page, working), "Cancelled")
        group = page.locator(".group")
        await expect(group).to_contain_text("TRANSCODE_ERROR in compressing")
        await expect(page.locator("#failed")).to_have_text("1")

        ffmpeg.heal()
        await group.get_by_role("button", name="Retry holiday.mp4").click()
        await reaches(row(page, waiting), "Completed")
        await expect(page.get_by_text("No failures.")).to_be_visible()
        await page.reload()
        await row(page, waiting).get_by_role("button", name="Results").click()
        address = await row(page, waiting).get_by_role("link", name="Video, MP4").get_attribute("href")
        assert address
        assert (await ada.request("GET", address)).status == 200
        dialog = page.get_by_role("dialog", name="Delete holiday.mp4?")
        delete = row(page, waiting).get_by_role("button", name="Delete holiday.mp4")
        await delete.click()
        await expect(dialog).to_be_visible()
        assert await violations(page, of="dialog") == []
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await delete.click()
        await dialog.get_by_role("button", name="Delete").click()
        await reaches(row(page, waiting), "Deleted")
        await expect(delete).to_be_hidden()
        assert (await ada.get(waiting)).status == 410

        async def file_is_gone() -> bool:  # it is deleted after the event of the deletion
            return (await ada.request("GET", str(address))).status == 404

        await eventually(file_is_gone)

    await page.get_by_label("State", exact=True).select_option("completed")
    await expect(row(page, working)).to_be_hidden()
    await page.get_by_label("Name of the file").fill("no such thing")
    await expect(page.get_by_text("No uploads match the filter.")).to_be_visible()


async def test_filters_are_in_the_url_and_actions_concern_what_they_select(
    admin_server: RunningServer, ffmpeg: Ffmpeg, page: Page, shelf: Shelf
) -> None:
    clip, film = shelf.clip("clip.mp4", seconds=1, size="160x120"), shelf.clip("film.mp4", seconds=1, size="160x120")
    dialog, retry_all = page.get_by_role("dialog"), page.get_by_role("button", name="Retry all…")
    state = page.get_by_label("State", exact=True)
    async with Api(admin_server, token("ada")) as ada, Api(admin_server, token("bob")) as bob:
        ffmpeg.behave("die")
        failed = [await ada.accepted(clip), await bob.accepted(film)]
        for api, upload in zip((ada, bob), failed, strict=True):
            assert (await api.finished(upload))["error"]["code"] == "TRANSCODE_ERROR"
        cancelled, _ = await ada.reserved("cancelled.mp4", 9)
        await ada.cancel(cancelled)

        await sign_in(page, admin_server, "#/?state=failed&text=clip")
        await expect(state).to_have_value("failed")
        await expect(row(page, failed[0])).to_be_visible()
        await expect(row(page, failed[1])).to_have_count(0)
        await page.get_by_label("Name of the file").fill("")
        await expect(row(page, failed[1])).to_be_visible()
        assert page.url.endswith("#/?state=failed")
        await expect(row(page, cancelled)).to_have_count(0)
        await state.select_option("cancelled")
        await expect(row(page, cancelled)).to_contain_text("while receiving")
        await expect(row(page, cancelled).get_by_role("button", name="Retry")).to_be_hidden()
        await page.go_back()
        await expect(state).to_have_value("failed")
        await row(page, failed[1]).get_by_role("link", name="bob").click()
        await expect(row(page, failed[1])).to_be_visible()
        await expect(row(page, failed[0])).to_have_count(0)
        assert page.url.endswith("#/?owner=bob")
        await page.get_by_role("button", name="Remove the filter owner bob").click()
        await expect(page.get_by_label("Name of the file")).to_be_focused()
        await page.get_by_label("Order").select_option("oldest")

        async def oldest_first() -> bool:  # the rows stay in the order of before until the answer is there
            shown = await page.locator("tr.upload").evaluate_all("(rows) => rows.map(({ dataset }) => dataset.id)")
            return [upload for upload in shown if upload in (*failed, cancelled)] == [*failed, cancelled]

        await eventually(oldest_first)
        assert await violations(page) == []

        await page.get_by_role("link", name="Transcode error").click()
        await expect(page.locator("#linked-filters strong")).to_have_text("TRANSCODE_ERROR")
        ffmpeg.heal()
        await retry_all.focus()
        await page.keyboard.press("Enter")
        await expect(dialog).to_contain_text("Retry 2 uploads that match the filter: failed, code TRANSCODE_ERROR?")
        await expect(dialog.get_by_role("button", name="Go back")).to_be_focused()
        assert await violations(page, of="dialog") == []
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Enter")
        await expect(dialog).to_contain_text("2 uploads were retried.")
        await page.keyboard.press("Escape")
        await expect(retry_all).to_be_focused()
        await page.get_by_role("button", name="Clear the filter").click()
        for upload in failed:
            await reaches(row(page, upload), "Completed")
        await retry_all.click()
        await expect(dialog).to_contain_text("No upload can be retried.")
        await dialog.get_by_role("button", name="Close").click()
        await assert_bulk_run_goes_on_until_it_is_stopped(page)
        assert await wrapped_ages(page) == 0


async def test_page_of_an_upload_replays_what_its_watchers_saw(
    admin_server: RunningServer, ffmpeg: Ffmpeg, page: Page, shelf: Shelf
) -> None:
    clip = shelf.clip("beach.mp4", seconds=1, size="160x120")
    ffmpeg.behave("slow:600")
    replay, slider = page.locator(".replay"), page.get_by_role("slider", name="Event")
    events, heading = page.locator(".event"), page.get_by_role("heading", name="beach.mp4", level=2)
    async with Api(admin_server, token("ada")) as ada:
        upload = await ada.accepted(clip)
        await sign_in(page, admin_server)
        await reaches(row(page, upload), "Compressing")
        await row(page, upload).get_by_role("link", name="beach.mp4").click()
        await expect(heading).to_be_focused()
        assert page.url.endswith(f"#/uploads/{upload}")
        await expect(replay.locator(".stage")).to_have_text("Compressing")
        await expect(page.locator(".stages")).to_contain_text("Compressing")
        await expect(page.locator(".lines")).to_contain_text("upload_claimed")
        await expect(page.locator(".attempts")).to_contain_text("Attempt 1: running")
        segments = page.get_by_role("region", name="Segments")
        await expect(segments).to_contain_text("in one run: The film is shorter than 20 seconds.")
        await page.route("**/segments", FilmState().answer)
        await expect(segments).to_contain_text(re.compile(r"[0-9]+ of 2,000 tasks done"))
        await expect(segments.get_by_role("img")).to_have_attribute(
            "aria-label", re.compile("^[0-9]+ done, 1 incomplete, 1 running, 1,9[0-9]+ waiting[.]$")
        )
        assert await segments.locator(".run").count() == 5
        await expect(segments).to_contain_text("host.1")
        await expect(segments).to_contain_text("43%")
        await expect(segments).to_contain_text("3:52–4:00 could not be decoded.")
        before = await segments.locator(".fact").first.text_content()
        await expect(segments.locator(".fact").first).not_to_have_text(str(before))  # it is updated while it is open
        assert await violations(page) == []

        await slider.focus()
        await page.keyboard.press("Home")
        await expect(replay.locator(".stage")).to_have_text("Receiving")
        await expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^Event 1, [\d:.]+: Receiving$"))
        await expect(events.first).to_have_attribute("aria-current", "step")
        await page.keyboard.press("ArrowRight")
        await expect(replay.locator(".stage")).to_have_text("Waiting for a worker")
        assert await replay.locator("button:visible").count() == 0, "nothing can be done with the past"

        await page.get_by_role("button", name="Cancel beach.mp4").click()
        await expect(events.last).to_contain_text("Cancelled")
        await expect(events.last).to_contain_text("user root")
        await expect(replay.locator(".stage")).to_have_text("Waiting for a worker")  # the selected event stays
        await page.get_by_role("button", name="Now").click()
        await expect(replay.locator(".stage")).to_have_text("Cancelled")
        await expect(page.locator(".attempts")).to_contain_text("Attempt 1: cancelled")
        assert await wrapped_ages(page) == 0
        await page.emulate_media(color_scheme="dark")
        assert await violations(page, rules=("color-contrast",)) == []
        await page.emulate_media(color_scheme="light", forced_colors="active")
        await slider.focus()
        await page.keyboard.press("Home")
        await expect(events.first).to_have_attribute("aria-current", "step")
        border = "(one) => [getComputedStyle(one).outlineStyle, getComputedStyle(one).borderInlineStartColor]"
        assert await events.first.evaluate(border) != await events.nth(1).evaluate(border), "the selected event differs"

        await page.go_back()
        await expect(page.get_by_role("heading", name="Uploads", exact=True)).to_be_focused()
        await expect(row(page, upload)).to_contain_text("while compressing")
        await assert_forced_colours(page, row(page, upload))
        await page.emulate_media(forced_colors="none")
        await page.goto(f"{admin_server.url}/admin#/uploads/upload_unknown")
        await expect(page.get_by_text("There is no upload with this id")).to_be_visible()
        await page.get_by_role("link", name="All uploads").click()
        await expect(row(page, upload)).to_be_visible()


async def test_many_failures_events_and_attempts_leave_the_page_short(admin_server: RunningServer, page: Page) -> None:
    async with Api(admin_server, token("ada")) as ada, Api(admin_server, token("root", admin=True)) as root:
        upload, _ = await ada.reserved("later.mp4", 9)
        log = (await root.request("GET", f"/api/admin/uploads/{upload}/log")).body
        (first,), (attempt,) = log["events"], log["attempts"]
        log["events"] = [{**first, "seq": seq, "message": {**first["message"], "seq": seq}} for seq in range(1, 301)]
        log["attempts"] = [{**attempt, "attempt": number} for number in range(1, 61)]
        overview = (await root.request("GET", "/api/admin/overview")).body
        await ada.cancel(upload)  # the other tests count what is unfinished
    failed = {"filename": "a.mp4", "owner": "ada", "message": "Broken.", "at": overview["now"], "canRetry": False}
    overview["failures"]["groups"] = [
        {
            "code": f"CODE_{number}",
            "step": "probing",
            "retryable": False,
            "uploads": [{**failed, "uploadId": str(number)}],
        }
        for number in range(52)
    ]
    board = json.dumps({"overview": overview, "uploads": []})
    await sign_in(page, admin_server)
    stream = f"event: board\ndata: {board}\n\n"
    await page.route("**/api/admin/events", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    await page.route(f"**/api/admin/uploads/{upload}/log", lambda route: route.fulfill(json=log))
    await page.reload()
    await expect(page.locator(".group")).to_have_count(10)
    await expect(page.get_by_role("link", name="and 42 more groups")).to_have_attribute("href", "#/?state=failed")

    await page.goto(f"{admin_server.url}/admin#/uploads/{upload}")
    await expect(page.locator(".event")).to_have_count(300)
    assert await page.evaluate("() => document.documentElement.scrollHeight") < 2500
    slider = page.get_by_role("slider", name="Event")
    for key, event in (("Home", page.locator(".event").first), ("End", page.locator(".event").last)):
        await slider.focus()
        await page.keyboard.press(key)
        await expect(event).to_have_attribute("aria-current", "step")
        assert await event.evaluate(
            """(event) => {
              const [{ top, bottom }, list] = [event, event.closest("ol")].map((one) => one.getBoundingClientRect());
              return top >= list.top - 1 && bottom <= list.bottom + 1;
            }"""
        ), "the list is scrolled to it"
    assert await violations(page, rules=("scrollable-region-focusable",)) == []


async def test_admin_pauses_reads_the_history_and_disconnects_a_viewer(
    admin_server: RunningServer, context: BrowserContext, ffmpeg: Ffmpeg, page: Page, shelf: Shelf
) -> None:
    picture = shelf.image("picture.png")
    templates, history = page.locator("#templates"), page.locator("#history")
    async with Api(admin_server, token("eve")) as eve:
        assert (await eve.finished(await eve.accepted(picture)))["status"] == "completed"
        await sign_in(page, admin_server)
        await templates.get_by_role("button", name="Pause auto").click()
        await expect(templates).to_contain_text("Paused by root")
        await expect(templates.get_by_role("button", name="Resume auto")).to_be_focused()
        waiting = await eve.accepted(picture)
        await expect(row(page, waiting)).to_contain_text("Paused by an administrator")
        await expect(page.locator("#headline-text")).to_have_text("1 waiting")
        await page.keyboard.press("Enter")
        await reaches(row(page, waiting), "Completed")

        workers = page.locator("#processes")
        await workers.get_by_role("button", name="Drain").click()
        await expect(workers).to_contain_text("Drained: takes no uploads, by root")
        await workers.get_by_role("button", name="Resume").click()
        await expect(workers.get_by_role("button", name="Drain")).to_be_visible()
        async with Api(admin_server, token("root", admin=True)) as root:
            await root.request("POST", "/api/admin/pause", json={"type": "worker", "name": "*"})
        await page.get_by_role("button", name="Resume all worker processes").click()
        await expect(page.locator("#workers-all")).to_be_hidden()
        assert await page.evaluate(GROUPS) == [
            "2 Transcode error, in TRANSCODE_ERROR in compressing: one reason for both / a.mp4, b.mp4",
            "2 Unreadable media, in UNREADABLE_MEDIA in probing: / a.mp4: damaged, b.mp4: empty",
        ]
        assert await page.evaluate(DRAIN_ALL) == [["pause", "worker", "*"], ["resume", "worker", "*"]]

        await expect(history.locator("canvas")).to_have_count(4)
        await history.get_by_role("button", name="Last day").click()
        await history.get_by_role("button", name="Show tables").click()
        finished = history.get_by_role("region", name="Finished uploads, table").locator("tbody tr")
        await expect(finished.last.locator("td").first).not_to_have_text("0")
        assert await violations(page, of="#history") == []

        viewer = await context.new_page()
        await viewer.goto(f"{admin_server.url}/progress-demo")
        await viewer.get_by_label("Access token").fill(token("eve"))
        await viewer.keyboard.press("Enter")
        await online(viewer)
        await viewer.evaluate(CONNECT_TWICE, token("eve"))
        await hold_timers(viewer, REJOIN_MS)  # a client that is disconnected does not connect again
        await page.bring_to_front()
        await page.get_by_text("Connections and rooms").click()
        connections = page.locator("#rooms-list")
        await expect(connections).to_contain_text("websocket")
        assert await violations(page, of="#rooms-list") == []
        async with page.expect_response("**/api/admin/rooms/disconnect") as answered:
            await connections.get_by_role("button", name="Disconnect a connection of eve").first.click()
        assert (await (await answered.value).json())["disconnected"] == 1
        await expect(connections.get_by_role("button", name="Disconnect a connection of eve")).to_have_count(2)
        await connections.get_by_role("button", name="Disconnect all of eve").click()
        asked = page.get_by_role("dialog", name="Disconnect 2 connections of eve?")
        async with page.expect_response("**/api/admin/rooms/disconnect") as answered:
            await asked.get_by_role("button", name="Disconnect").click()
        assert (await (await answered.value).json())["disconnected"] == 2
