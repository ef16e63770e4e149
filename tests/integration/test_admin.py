"""The admin page's calls: access, and what they return while uploads are processed."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.streams import StreamWatcher
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher

CALLS = ("/api/admin/overview", "/api/admin/uploads", "/api/admin/events")
REFUSED: dict[str | None, tuple[int, str]] = {
    None: (401, "UNAUTHENTICATED"),
    "garbage": (401, "UNAUTHENTICATED"),
    token("root", seconds=-60, admin=True): (401, "UNAUTHENTICATED"),
    token("alice"): (403, "FORBIDDEN"),
    token("alice", admin="true"): (403, "FORBIDDEN"),
}
ADMIN = token("root", admin=True)


@pytest.fixture
def settings(fake: FakeFfmpeg) -> dict[str, str]:
    return {**fake.env, "JWT_SECRET": SECRET, "ROOMCAST_ATTEMPTS": "1"}


@pytest.fixture
async def admin(server: AppServer) -> AsyncIterator[Api]:
    async with Api(server, ADMIN) as client:
        yield client


async def overview(admin: Api) -> dict[str, Any]:
    reply = await admin.request("GET", "/api/admin/overview")
    assert reply.status == 200, reply.body
    snapshot: dict[str, Any] = reply.body
    return snapshot


async def test_admin_routes_refuse_everyone_but_admins(server: AppServer) -> None:
    for reader, refusal in REFUSED.items():
        async with Api(server, reader) as somebody:
            for call in CALLS:
                assert (await somebody.request("GET", call)).refusal == refusal, (reader, call)
            page = await somebody.request("GET", "/admin")
            assert (page.status, page.headers["Content-Type"]) == (refusal[0], "text/html; charset=utf-8")
            assert b"token-form" in page.content, "the page asks for another token"


async def test_page_accepts_the_cookie_and_no_foreign_frame_or_script(server: AppServer) -> None:
    async with Api(server) as anybody:
        cookie = {"Cookie": f"roomcast_token={ADMIN}"}
        page = await anybody.request("GET", "/admin", headers=cookie)
        assert page.status == 200
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert (await anybody.request("GET", CALLS[0], headers=cookie)).status == 200


@pytest.mark.parametrize(
    "query",
    [
        *("status=nonsense", "stage=nonsense", "sort=nonsense", "limit=0", "limit=201", "cursor=x", "cursor=é"),
        *("since=yesterday", "since=2026-01-01T00:00:00", f"text={'x' * 201}", f"owner={'x' * 201}"),
    ],
)
async def test_list_with_a_wrong_query_is_malformed(admin: Api, query: str) -> None:
    assert (await admin.request("GET", f"/api/admin/uploads?{query}")).refusal == (400, "MALFORMED")


async def test_admin_lists_cancels_and_retries_the_uploads_of_all_users(
    server: AppServer, alice: Api, bob: Api, admin: Api, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    clip = shelf.clip(seconds=1, size="160x120")
    done = await alice.accepted(shelf.image())
    await alice.finished(done)
    fake.behave("die")
    failed = await bob.accepted(clip, template="hero-video")
    await bob.finished(failed)
    fake.behave("busy")
    working = [await alice.accepted(clip), await bob.accepted(clip)]
    for api, upload_id in zip((alice, bob), working, strict=True):
        await api.until(upload_id, lambda message: message["stage"] == "compressing" and message["progress"] > 40)
    waiting = [await alice.accepted(clip), await bob.accepted(clip, template="hero-video")]
    reserved, _ = await alice.reserved("later.mp4", 100)

    async with Watcher(server.url, auth={"token": ADMIN}) as watcher:
        snapshot = await overview(admin)
        queue = snapshot["queue"]
        assert (queue["depth"], queue["byTemplate"], queue["delayed"]) == (2, {"auto": 1, "hero-video": 1}, 0)
        assert 0 <= queue["oldestAge"] < 60
        (process,) = snapshot["workers"]["processes"]
        assert (snapshot["workers"]["total"], snapshot["workers"]["busy"], process["workers"]) == (2, 2, 2)
        assert process["process"].endswith(f".{os.getpid()}")
        assert {one["uploadId"] for one in process["leases"]} == set(working)
        for hold in process["leases"]:
            assert (hold["stage"], hold["attempt"]) == ("compressing", 1)
            assert hold["progress"] > 40
            assert hold["since"] <= snapshot["now"] <= hold["expiresAt"]
        assert snapshot["web"] == [{"process": process["process"], "sockets": 1, "streams": 0}]
        assert snapshot["statuses"] == {
            "starting": 3, "waiting": 2, "compressing": 2, "uploading": 0,
            "completed": 1, "error": 1, "failed": 1, "cancelled": 0,
        }  # fmt: skip
        (group,) = snapshot["failures"]["groups"]
        assert snapshot["failures"]["lastHour"] == 1
        assert (group["code"], group["step"], group["retryable"]) == ("TRANSCODE_ERROR", "compressing", True)
        assert [(one["uploadId"], one["owner"]) for one in group["uploads"]] == [(failed, "bob")]

        listed = (await admin.request("GET", "/api/admin/uploads")).body["uploads"]
        assert [one["uploadId"] for one in listed] == [reserved, *reversed(waiting), *reversed(working), failed, done]
        assert [one["owner"] for one in listed] == ["alice", "bob", "alice", "bob", "alice", "bob", "alice"]
        first = (await admin.request("GET", "/api/admin/uploads?status=error&limit=1")).body
        assert ([one["uploadId"] for one in first["uploads"]], first["cursor"]) == ([failed], None)
        assert {one["uploadId"] for one in listed if one["canRetry"]} == {failed}

        assert (await watcher.join(working[0]))["ok"] is True, "an admin may join any room"
        for upload_id in (*waiting, *working, reserved):
            assert (await admin.cancel(upload_id)).status == 200
        fake.heal()
        assert (await admin.retry(failed)).status == 200
        await bob.finished(failed)
    snapshot = await overview(admin)
    assert snapshot["statuses"] == {
        "starting": 0, "waiting": 0, "compressing": 0, "uploading": 0,
        "completed": 2, "error": 5, "failed": 0, "cancelled": 5,
    }  # fmt: skip
    assert (snapshot["failures"], snapshot["workers"]["busy"]) == ({"lastHour": 0, "groups": []}, 0)


async def test_board_is_sent_when_it_changes(server: AppServer, alice: Api, shelf: Shelf, fake: FakeFfmpeg) -> None:
    fake.heal()
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with (
        StreamWatcher(f"{server.url}/api/admin/events", headers=headers) as stream,
        StreamWatcher(f"{server.url}/api/admin/events", headers=headers) as another,
    ):
        upload_id = await alice.accepted(shelf.image())
        for one in (stream, another):
            await shows_the_end(one, upload_id)
            assert {item.name for item in one.received} == {"board"}
        assert {web["streams"] for board in boards(stream) for web in board["overview"]["web"]} == {0}
        timeless = [{**board, "overview": {**board["overview"], "now": ""}} for board in boards(stream)]
        assert all(before != after for before, after in itertools.pairwise(timeless))


def boards(stream: StreamWatcher) -> list[dict[str, Any]]:
    return [dict(item.message) for item in stream.received]


async def shows_the_end(stream: StreamWatcher, upload_id: str) -> None:
    def shown() -> bool:
        rows = [row for board in boards(stream) for row in board["uploads"]]
        return (upload_id, "done") in [(row["uploadId"], row["stage"]) for row in rows]

    await stream.wait_until(shown)


async def test_page_is_only_available_from_this_machine_in_open_mode(serve: ServeApp) -> None:
    server = await serve()
    foreign: list[dict[str, str]] = [
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"Via": "1.1 proxy"},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
        {"Origin": "http://evil.example"},
    ]
    async with Api(server) as anybody:
        for call in CALLS[:2]:
            assert (await anybody.request("GET", call)).status == 200
        page = await anybody.request("GET", "/admin", headers={"Host": f"localhost:{server.port}"})
        assert (page.status, b"Uploads" in page.content) == (200, True)
        async with StreamWatcher(f"{server.url}{CALLS[2]}") as stream:
            await stream.wait_until(lambda: stream.received)
        for headers in foreign:
            for call in CALLS:
                assert (await anybody.request("GET", call, headers=headers)).refusal == (403, "FORBIDDEN"), headers
            page = await anybody.request("GET", "/admin", headers=headers)
            assert (page.status, b"only available from this machine" in page.content) == (403, True), headers
