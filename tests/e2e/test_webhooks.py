"""Webhooks end to end: every outcome is delivered, whatever happens to the server or to the receiver."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve, Shelf
from tests.e2e.conftest import HeldServer
from tests.support.harness import Api, Reply, RunningServer, eventually
from tests.support.receiver import SECRET, Receiver
from tests.support.tokens import SECRET as JWT_SECRET
from tests.support.tokens import token

TEMPLATE = "told"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest.fixture
def environment(receiver: Receiver, tmp_path: Path) -> dict[str, str]:
    """A server's, with a template that tells the receiver."""
    path = tmp_path / "templates.toml"
    path.write_text(
        f'[templates.{TEMPLATE}]\nkind = "image"\nwebhook_url = "{receiver.url}"\nwebhook_secret_env = "HOOK_SECRET"\n'
    )
    return {"ROOMCAST_TEMPLATES": str(path), "HOOK_SECRET": SECRET, "ROOMCAST_WEBHOOK_PRIVATE": "1"}


@pytest.fixture
def hurried(tmp_path: Path, environment: dict[str, str]) -> Iterator[RunningServer]:
    """A server that soon retries failed attempts, and those of a process that died."""
    hurry = {
        "roomcast.assemblies.delivery.BACKOFF": 0.5,
        "roomcast.assemblies.webhooks.deliverer.LEASE_SECONDS": 2.0,
    }
    with HeldServer(tmp_path, **environment, HURRY=json.dumps(hurry)).server as server:
        yield server


async def deliveries(api: Api, assembly_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.request("GET", f"/api/assemblies/{assembly_id}/deliveries")).body[
        "deliveries"
    ]
    return found


async def settled(api: Api, assembly_id: str, status: str) -> dict[str, Any]:
    """The assembly's only delivery, once it is `status`."""

    async def asked() -> dict[str, Any] | None:
        (one,) = await deliveries(api, assembly_id)
        return one if one["status"] == status else None

    found: dict[str, Any] = await eventually(asked, what=f"a delivery that is {status}")
    return found


async def replay(api: Api, assembly_id: str, delivery_id: str) -> Reply:
    return await api.request("POST", f"/api/assemblies/{assembly_id}/deliveries/{delivery_id}/replay")


def without_links(status: dict[str, Any]) -> dict[str, Any]:
    results = {step: [{**result, "ssl_url": ""} for result in results] for step, results in status["results"].items()}
    return {**status, "results": results}


async def test_an_ended_assembly_is_delivered_with_valid_signatures(
    serve: Serve, shelf: Shelf, receiver: Receiver, environment: dict[str, str]
) -> None:
    async with Api(serve(**environment, ROOMCAST_PUBLIC_URL="https://films.example")) as api:
        reply = await api.upload(shelf.image("one.png"), shelf.image("two.png", size=(60, 40)), template=TEMPLATE)
        (received,) = await receiver.until(1)
        received.check_signatures()
        assert received.headers["Content-Type"] == "application/json"
        assembly_id = reply.body["assemblyId"]
        asked = (await api.request("GET", "/api/transflow/status", params={"assemblyId": assembly_id})).body
        assert without_links(received.status) == without_links(asked)
        assert received.status["ok"] == "ASSEMBLY_COMPLETED"
        results = [result for step in received.status["results"].values() for result in step]
        assert results
        assert all(result["ssl_url"].startswith("https://films.example/media/") for result in results)
        delivery = await settled(api, assembly_id, "delivered")
        assert delivery["id"] == received.delivery
        assert [attempt["status"] for attempt in delivery["attempts"]] == [200]
        assert delivery["nextAttemptAt"] is None


async def test_uploads_under_templates_without_a_webhook_are_not_delivered(
    serve: Serve, shelf: Shelf, receiver: Receiver, environment: dict[str, str]
) -> None:
    async with Api(serve(**environment)) as api:
        await api.finished(await api.accepted(shelf.image(size=(60, 40)), template="image"))
        await api.accepted(shelf.image(), template=TEMPLATE)
        (received,) = await receiver.until(1)
        assert received.status["template_id"] == TEMPLATE


async def test_an_outcome_that_a_retry_changed_is_delivered_again(
    serve: Serve, shelf: Shelf, receiver: Receiver, environment: dict[str, str]
) -> None:
    picture = shelf.image()
    md5 = hashlib.md5(picture.read_bytes(), usedforsecurity=False).hexdigest()
    async with Api(serve(**environment)) as api:
        wanted = {"type": TEMPLATE, "files": [{"filename": picture.name, "md5": md5}]}
        reserved = (await api.request("POST", "/api/uploads", json=wanted)).body
        await api.cancel(reserved["uploadId"])
        (cancelled,) = await receiver.until(1)
        assert (cancelled.status["error_code"], "ok" in cancelled.status) == ("CANCELLED", False)
        assert cancelled.status["error"] == "Cancelled."
        await api.retry(reserved["uploadId"])
        await api.put(reserved["uploads"][0]["contentUrl"], picture.read_bytes())
        _, completed = await receiver.until(2)
        assert completed.status["ok"] == "ASSEMBLY_COMPLETED"
        assert completed.delivery != cancelled.delivery
        assert completed.status["assembly_id"] == cancelled.status["assembly_id"] == reserved["assemblyId"]
        log = await deliveries(api, reserved["assemblyId"])
        assert [one["id"] for one in log] == [completed.delivery, cancelled.delivery], "newest first"


async def test_a_failing_receiver_is_sent_the_delivery_until_it_accepts(
    hurried: RunningServer, shelf: Shelf, receiver: Receiver
) -> None:
    receiver.answer = receiver.fail_once
    async with Api(hurried) as api:
        assembly_id = (await api.upload(shelf.image(), template=TEMPLATE)).body["assemblyId"]
        first, second = await receiver.until(2)
        assert first.delivery == second.delivery
        delivery = await settled(api, assembly_id, "delivered")
        assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 200]


async def test_kill_9_between_the_end_and_the_delivery_loses_nothing(
    hurried: RunningServer, shelf: Shelf, receiver: Receiver
) -> None:
    receiver.answer = receiver.hang
    async with Api(hurried) as api:
        assembly_id = (await api.upload(shelf.image(), template=TEMPLATE)).body["assemblyId"]
        await receiver.until(1)
        hurried.kill()
        receiver.answer = receiver.thank
        hurried.restart()
        await settled(api, assembly_id, "delivered")
        assert len(receiver.received) >= 2, "the killed server had sent it, and the other has sent it again"
        assert len({one.delivery for one in receiver.received}) == 1, "the receiver can tell that it is the same"
        receiver.received[-1].check_signatures()


async def test_an_outcome_that_no_server_noticed_is_delivered_after_a_restart(
    serve: Serve, shelf: Shelf, receiver: Receiver, environment: dict[str, str]
) -> None:
    """The upload ends under a server that has no webhook; the finalizer of the next one, which has it, delivers."""
    hooks = Path(environment["ROOMCAST_TEMPLATES"])
    templates = hooks.read_text()
    hooks.write_text(f'[templates.{TEMPLATE}]\nkind = "image"\n')
    server = serve(**environment)
    async with Api(server) as api:
        wanted = {"type": TEMPLATE, "files": [{"filename": "picture.png"}, {"filename": "never.png"}]}
        reserved = (await api.request("POST", "/api/uploads", json=wanted)).body
        await api.put(reserved["uploads"][0]["contentUrl"], shelf.image().read_bytes())
        await api.finished(reserved["uploadId"])
    server.kill()
    hooks.write_text(templates)
    server.restart()
    async with Api(server) as api:  # no connection of which it has not noticed yet that it is closed
        await api.cancel(reserved["uploads"][1]["uploadId"])
        (received,) = await receiver.until(1)
        assert [upload["name"] for upload in received.status["uploads"]] == ["picture.png"]


async def test_a_replay_is_the_same_delivery_once_more(
    serve: Serve, shelf: Shelf, receiver: Receiver, environment: dict[str, str]
) -> None:
    async with Api(serve(**environment)) as api:
        assembly_id = (await api.upload(shelf.image(), template=TEMPLATE)).body["assemblyId"]
        await receiver.until(1)
        delivery = await settled(api, assembly_id, "delivered")
        again = await replay(api, assembly_id, delivery["id"])
        assert (again.status, again.body["status"]) == (202, "pending")
        first, second = await receiver.until(2)
        assert first.delivery == second.delivery
        assert len((await settled(api, assembly_id, "delivered"))["attempts"]) == 2
        assert (await replay(api, assembly_id, "delivery_0")).refusal == (404, "NOT_FOUND")
        assert (await replay(api, "0" * 64, delivery["id"])).refusal == (404, "NOT_FOUND")


async def test_private_addresses_are_refused_unless_allowed(
    serve: Serve, shelf: Shelf, receiver: Receiver, environment: dict[str, str]
) -> None:
    async with Api(serve(**{**environment, "ROOMCAST_WEBHOOK_PRIVATE": "0"})) as api:
        assembly_id = (await api.upload(shelf.image(), template=TEMPLATE)).body["assemblyId"]

        async def tried() -> Any:
            found = await deliveries(api, assembly_id)
            return found and found[0]["attempts"]

        (attempt,) = await eventually(tried, what="an attempt")
        assert (attempt["status"], attempt["error"]) == (None, "The receiver's address is not on the public Internet.")
        assert receiver.received == []


async def test_only_the_owner_reads_the_log_and_replays(
    serve: Serve, shelf: Shelf, receiver: Receiver, environment: dict[str, str]
) -> None:
    server = serve(**environment, JWT_SECRET=JWT_SECRET)
    async with Api(server, token("ada")) as ada, Api(server, token("bob")) as bob, Api(server) as nobody:
        assembly_id = (await ada.upload(shelf.image(), template=TEMPLATE)).body["assemblyId"]
        await receiver.until(1)
        delivery = await settled(ada, assembly_id, "delivered")
        for other, refusal in ((bob, (404, "NOT_FOUND")), (nobody, (401, "UNAUTHENTICATED"))):
            reply = await other.request("GET", f"/api/assemblies/{assembly_id}/deliveries")
            assert reply.refusal == refusal
            assert (await replay(other, assembly_id, delivery["id"])).refusal == refusal
        async with Api(server, token("root", admin=True)) as admin:
            assert (await replay(admin, assembly_id, delivery["id"])).status == 202
        await receiver.until(2)


async def test_a_template_whose_secret_is_not_set_is_refused_at_start(
    serve: Serve, environment: dict[str, str]
) -> None:
    del environment["HOOK_SECRET"]
    with pytest.raises(AssertionError, match="webhook_secret_env, HOOK_SECRET, is not set"):
        serve(**environment)
