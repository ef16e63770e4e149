"""A page that creates a task, polls it until its end, shows each stage to a person, and cleans it up."""

from __future__ import annotations

import aiohttp
import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.e2e.seeds.node_program import Line, of_kind, run_program
from tests.support.clips import truncate
from tests.support.harness import Api, Reply, RunningServer
from tests.support.tokens import SECRET, token

pytestmark = pytest.mark.node

MACHINE_WORDS = {
    "receiving", "queued", "fetching", "probing", "compressing", "thumbnails", "storing", "cleaning", "done", "failed",
    "cancelled",
}  # fmt: skip
GIF = b"GIF89a" + bytes(20)
NOBODYS = "upload_" + "0" * 32


@pytest.fixture(scope="module")
def settings(fake: FakeFfmpeg) -> dict[str, str]:
    return {**fake.env, "ROOMCAST_RETRY_SECONDS": "3", "JWT_SECRET": SECRET}


@pytest.fixture
async def api(alice: Api, node: None, fake: FakeFfmpeg) -> Api:
    fake.heal()
    return alice


async def task(api: Api, task_id: str, method: str = "GET") -> Reply:
    return await api.request(method, f"/api/progress/{task_id}")


async def poll(server: RunningServer, task_id: str, *, milliseconds: int = 20) -> list[Line]:
    """The page's whole way with a task."""
    lines = await run_program("task_poller.mjs", server.url, task_id, str(milliseconds), token("alice"))
    assert of_kind(lines, "cleaned") == [{"kind": "cleaned", "status": 200, "body": {"status": "cleaned"}}]
    return lines


async def test_polled_task_has_sentences_and_integers_until_its_end(
    server: RunningServer, api: Api, shelf: Shelf
) -> None:
    created = (await api.upload(shelf.image())).body
    assert created["task_id"] == created["uploadId"]
    lines = await poll(server, created["task_id"])
    shown = of_kind(lines, "shown")
    bars = [one["progress"] for one in shown]
    assert all(isinstance(bar, int) for bar in bars)
    assert bars == sorted(bars)
    assert MACHINE_WORDS.isdisjoint(one["stage"] for one in shown)
    assert of_kind(lines, "completed") == [{"kind": "completed", "progress": 100, "stage": "Done"}]
    assert {one["status"] for one in shown[:-1]} <= {"processing"}
    assert (await task(api, created["task_id"])).status == 404
    assert (await api.get(created["task_id"])).body["status"] == "completed", "the other ways know it as before"


@pytest.mark.parametrize("route", ["/api/uploads", "/api/files/upload"])
async def test_every_intake_route_returns_the_task_of_its_first_file(api: Api, route: str) -> None:
    form = aiohttp.FormData()
    for name, content in (("notes.txt", b"text"), ("a.gif", GIF), ("b.gif", GIF)):
        form.add_field("files", content, filename=name)
    body = (await api.request("POST", route, data=form)).body
    ids = body.get("upload_ids") or [one["uploadId"] for one in body["uploads"] if "error" not in one]
    assert (len(ids), body["task_id"]) == (2, ids[0])


async def test_reservation_returns_its_task_before_any_bytes(api: Api) -> None:
    body = (await api.reserve(("clip.mp4", 100))).body
    assert (await task(api, body["task_id"])).body == {
        "progress": 0,
        "stage": "Waiting for the file",
        "status": "processing",
        "task_id": body["uploadId"],
        "error": None,
    }


async def test_task_counts_its_attempts_and_has_the_last_error_after_the_last_one(
    server: RunningServer, api: Api, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("die")
    task_id = await api.accepted(shelf.clip())
    lines = await poll(server, task_id, milliseconds=100)
    shown = of_kind(lines, "shown")
    waiting = [one for one in shown if one["progress"] == -1]
    assert list(dict.fromkeys(one["stage"] for one in waiting)) == ["Retrying... (1/3)", "Retrying... (2/3)"]
    assert {one["status"] for one in waiting} == {"processing"}
    assert waiting[0]["text"] == "Retrying... (1/3) (-1% complete)"
    last_error = (await api.get(task_id)).body["error"]["message"]
    assert last_error
    assert of_kind(lines, "failed") == [{"kind": "failed", "alert": f"Maximum retries exceeded: {last_error}"}]


async def test_permanent_failure_is_reported_as_it_is(api: Api, shelf: Shelf) -> None:
    task_id = await api.accepted(truncate(shelf.image(), 0.5))
    end = await api.finished(task_id)
    body = (await task(api, task_id)).body
    assert (body["status"], body["error"]) == ("error", end["error"]["message"])
    assert "retries" not in body["error"]


async def test_unknown_task_is_not_found_by_its_name(server: RunningServer, api: Api) -> None:
    for name in (NOBODYS, "task-123", "x" * 300, "..%2f..", "%00"):
        reply = await task(api, name)
        assert (reply.status, set(reply.body)) == (404, {"detail"})
    assert (await task(api, NOBODYS)).body == {"detail": f"Task {NOBODYS} not found"}
    lines = await poll(server, NOBODYS)
    assert of_kind(lines, "shown")[-1]["why"] == "HTTP 404"
    assert of_kind(lines, "failed") == [{"kind": "failed", "alert": "Failed to track progress"}]


async def test_cleanup_has_the_same_response_twice_and_for_an_unknown_task(api: Api, shelf: Shelf) -> None:
    task_id = await api.accepted(shelf.image())
    await api.finished(task_id)
    for name in (task_id, task_id, NOBODYS, NOBODYS, "task-123"):
        reply = await task(api, name, "DELETE")
        assert (reply.status, reply.body) == (200, {"status": "cleaned"})
        assert (await task(api, name)).body == {"detail": f"Task {name} not found"}


async def test_running_task_continues_hidden_after_its_cleanup(api: Api, shelf: Shelf, fake: FakeFfmpeg) -> None:
    fake.behave("busy")
    task_id = await api.accepted(shelf.clip())
    await api.until(task_id, lambda message: message["stage"] == "compressing")
    for _ in range(2):
        assert (await task(api, task_id, "DELETE")).body == {"status": "cleaned"}
        assert (await task(api, task_id)).status == 404
    fake.heal()
    assert (await api.finished(task_id))["status"] == "completed"
    assert (await task(api, task_id)).status == 404, "its end does not bring it back"


async def test_dismissed_task_is_a_new_one_after_a_retry(api: Api) -> None:
    task_id, _ = await api.reserved("picture.png", 100)
    await task(api, task_id, "DELETE")
    await api.cancel(task_id)
    assert (await task(api, task_id)).status == 404
    assert (await api.retry(task_id)).status == 200
    assert (await task(api, task_id)).body["status"] == "processing"


async def test_errors_have_the_format_of_the_dialect(server: RunningServer, api: Api, bob: Api) -> None:
    task_id, _ = await api.reserved("clip.mp4", 100)
    async with Api(server) as anybody:
        for method in ("GET", "DELETE"):
            refused = await task(anybody, task_id, method)
            assert (refused.refusal, refused.body) == ((401, "UNAUTHENTICATED"), {"detail": "A token is required."})
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            forbidden = await task(bob, task_id, method)
            assert (forbidden.refusal, forbidden.body) == (
                (403, "FORBIDDEN"),
                {"detail": "This upload belongs to another user."},
            )
    wrong = await task(api, task_id, "PUT")
    assert (wrong.status, wrong.body) == (405, {"detail": "This address does not accept that method."})
    assert (await task(api, task_id)).status == 200
    assert server.error_lines() == []
