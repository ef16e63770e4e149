"""The admin page: access, live numbers, failures and retries."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Ffmpeg
from tests.conftest import Serve, Shelf
from tests.support.browser.demo import WORK_SECONDS
from tests.support.harness import Api
from tests.support.tokens import SECRET, token

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


async def online(page: Page) -> None:
    await expect(page.locator('#connection[data-state="online"]')).to_be_visible(timeout=20_000)


def row(page: Page, upload_id: str) -> Locator:
    return page.locator(f'tr[data-id="{upload_id}"]')


async def reaches(row: Locator, stage: str) -> None:
    await expect(row.locator(".stage")).to_have_text(stage, timeout=WORK_SECONDS * 1000)


async def test_admin_sees_a_failure_and_retries_the_upload(
    serve: Serve, ffmpeg: Ffmpeg, page: Page, shelf: Shelf
) -> None:
    server = serve(**ffmpeg.env, JWT_SECRET=SECRET, ROOMCAST_ATTEMPTS="1", ROOMCAST_WORKERS="1")
    clip = shelf.clip("holiday.mp4", seconds=1, size="160x120")
    ffmpeg.behave("slow:60")
    await page.goto(f"{server.url}/admin")
    field = page.get_by_label("Admin access token")
    for given, problem in (("garbage", "The token is not valid."), (token("ada"), "Only an admin may see this.")):
        await field.fill(given)
        await field.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text(problem)
    await field.fill(token("root", admin=True))
    await field.press("Enter")
    await online(page)
    await expect(field).to_be_hidden()
    await expect(page.get_by_text("No uploads.")).to_be_visible()

    async with Api(server, token("ada")) as ada:
        working, waiting = await ada.accepted(clip), await ada.accepted(clip)
        bar = row(page, working).get_by_role("progressbar", name="holiday.mp4")
        await expect(bar).to_have_attribute("aria-valuenow", "80", timeout=20_000)
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
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await delete.click()
        await dialog.get_by_role("button", name="Delete").click()
        await reaches(row(page, waiting), "Deleted")
        await expect(delete).to_be_hidden()
        assert (await ada.get(waiting)).status == 410
        assert (await ada.request("GET", address)).status == 404

    await page.get_by_label("State", exact=True).select_option("completed")
    await expect(row(page, working)).to_be_hidden()
    await page.get_by_label("Name of the file").fill("no such thing")
    await expect(page.get_by_text("No uploads match the filter.")).to_be_visible()
