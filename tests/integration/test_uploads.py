"""The routes of uploads: list, get, configuration and the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher


@pytest.fixture
async def guarded(serve: ServeApp) -> AppServer:
    """A server with signed-in viewers, each of whom has a list of their own."""
    return await serve(JWT_SECRET=SECRET)


async def test_list_returns_the_newest_uploads_first_page_by_page(guarded: AppServer) -> None:
    async with Api(guarded, token("ada")) as api:
        made = [(await api.reserved(f"{number}.mp4", 100))[0] for number in range(7)]
        seen: list[str] = []
        query = {"limit": "3"}
        sizes = []
        while True:
            page = (await api.list(**query)).body
            seen += [message["uploadId"] for message in page["uploads"]]
            sizes.append(len(page["uploads"]))
            if page["cursor"] is None:
                break
            query["cursor"] = page["cursor"]
        assert seen == made[::-1]
        assert sizes == [3, 3, 1]


async def test_list_continues_after_the_last_page_when_uploads_are_added(guarded: AppServer) -> None:
    async with Api(guarded, token("bob")) as api:
        made = [(await api.reserved(f"{number}.mp4", 100))[0] for number in range(4)]
        first = (await api.list(limit="2")).body
        await api.reserved("later.mp4", 100)
        second = (await api.list(limit="2", cursor=first["cursor"])).body
        assert [message["uploadId"] for message in second["uploads"]] == made[1::-1]


async def test_list_is_filtered_by_status(guarded: AppServer, shelf: Shelf) -> None:
    async with Api(guarded, token("cleo")) as api:
        waiting, _ = await api.reserved("waiting.mp4", 100)
        cancelled, _ = await api.reserved("cancelled.mp4", 100)
        await api.cancel(cancelled)
        done = await api.accepted(shelf.image())
        await api.finished(done)
        by_status = {
            status: [message["uploadId"] for message in (await api.list(status=status)).body["uploads"]]
            for status in ("starting", "compressing", "completed", "error")
        }
        assert by_status == {"starting": [waiting], "compressing": [], "completed": [done], "error": [cancelled]}


async def test_list_with_a_wrong_query_is_malformed(api: Api) -> None:
    for query in (
        {"status": "no-such-status"},
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "x"},
        {"limit": "100000"},
        {"cursor": "x"},
    ):
        assert (await api.list(**query)).refusal == (400, "MALFORMED"), query


async def test_message_is_the_same_in_the_room_and_over_http(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    upload_id = await api.accepted(shelf.image())
    await watcher.join(upload_id)
    message = await watcher.end(upload_id)
    asked = (await api.get(upload_id)).body
    (listed,) = [message for message in (await api.list()).body["uploads"] if message["uploadId"] == upload_id]
    assert message == asked == listed


async def test_config_has_the_limits_the_formats_and_the_templates(serve: ServeApp, tmp_path: Path) -> None:
    templates = tmp_path / "templates.toml"
    templates.write_text(
        '[templates.avatar]\ntitle = "Profile picture"\nkind = "image"\nmax_bytes = 500\n'
        "[templates.plain]\nmax_bytes = 50_000\n[templates.image]\nquality = 70\n"
    )
    limits = {"ROOMCAST_MAX_UPLOAD_BYTES": "12345", "ROOMCAST_MAX_FILES": "7", "ROOMCAST_MAX_DURATION_SECONDS": "60"}
    async with Api(await serve(**limits, ROOMCAST_TEMPLATES=str(templates))) as api:
        config = (await api.request("GET", "/api/config")).body
        refused = await api.reserve(("long.mp4", 20_000))
    assert (config["maxUploadBytes"], config["maxFiles"], config["openMode"]) == (12345, 7, True)
    assert (config["maxDurationSeconds"], config["maxPixels"]) == (60, 300_000_000)
    assert [config["formats"][kind][0] for kind in ("video", "image", "audio")] == ["MP4", "JPEG", "MP3"]
    summaries = {summary.pop("name"): summary for summary in config["templates"]}
    video = {"title": "Video", "kind": "video", "maxBytes": 12345, "builtIn": True}
    assert summaries["hero-video"] == video
    assert summaries["image"] == {"title": "Image", "kind": "image", "maxBytes": 12345, "builtIn": False}
    assert summaries["avatar"] == {"title": "Profile picture", "kind": "image", "maxBytes": 500, "builtIn": False}
    assert summaries["plain"] == {"title": "plain", "kind": "auto", "maxBytes": 12345, "builtIn": False}
    assert refused.body["error"]["message"] == "The file is larger than the limit of 12.34 kB."


async def test_page_is_served_and_the_other_path_leads_to_it_with_its_query(api: Api) -> None:
    reply = await api.request("GET", "/progress-demo")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/html")
    for query in ("", "?token=a.b.c"):
        other = await api.request("GET", f"/admin/progress-demo{query}", allow_redirects=False)
        assert (other.status, other.headers["Location"]) == (302, f"../progress-demo{query}")


async def test_reservation_without_bytes_expires(serve: ServeApp) -> None:
    server = await serve(ROOMCAST_RESERVATION_SECONDS="1")
    async with Api(server) as api, Watcher(server.url) as watcher:
        upload_id, url = await api.reserved("clip.mp4", 100)
        await watcher.join(upload_id)
        last = await watcher.end(upload_id)
        assert last["error"]["code"] == "STALLED"
        assert (await api.put(url, bytes(100))).refusal == (409, "WRONG_STATE")
