"""Authentication of sockets and requests, and access to uploads; every route is tested in `test_every_route.py`."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from roomcast.http.streams import streams

from tests.conftest import Shelf
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.streams import StreamWatcher
from tests.support.tokens import BAD_TOKENS, SECRET, signed_with, token, unsigned
from tests.support.watchers import NodeWatcher, Watcher, refused

NOBODYS = "upload_" + "0" * 32
CALLS = ["join-upload", "leave-upload", "cancel-upload", "retry-upload"]


@pytest.fixture
def settings() -> dict[str, str]:
    return {"JWT_SECRET": SECRET}


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_invalid_token_is_refused_by_the_socket(server: AppServer, bad: str | None) -> None:
    for auth in ({"token": bad}, None) if bad is None else ({"token": bad},):
        data = await refused(server.url, auth=auth)
        assert data["code"] == "UNAUTHENTICATED"
        assert data["message"]


@pytest.mark.node
async def test_javascript_client_gets_the_reason_of_a_refusal(server: AppServer, node: None) -> None:
    async with NodeWatcher(server.url, auth={"token": "garbage"}) as watcher:
        assert watcher.refusals[0]["data"]["code"] == "UNAUTHENTICATED"


async def test_upload_of_another_viewer_cannot_be_joined_cancelled_or_retried(server: AppServer, alice: Api) -> None:
    upload_id, _ = await alice.reserved("clip.mp4", 100)
    async with Watcher(server.url, auth={"token": token("bob")}) as watcher:
        for call in ("join-upload", "cancel-upload", "retry-upload"):
            answer = await watcher.call(call, upload_id)
            assert answer["ok"] is False
            assert answer["error"]["code"] == "FORBIDDEN", call
        assert (await alice.cancel(upload_id)).status == 200
        assert await watcher.call("join-upload", upload_id) != {}
        assert watcher.received == []


CLIPS = """
[templates.clip]
kind = "image"
[templates.clip1]
kind = "image"
"""
MD5 = "0123456789abcdef" * 2


async def assembly(api: Api, template: str) -> tuple[str, str]:
    """Reserve one file, and return the ids of its upload and of its assembly."""
    wanted = {"files": [{"filename": "holiday.png", "size": 100, "md5": MD5}], "type": template}
    reply = await api.request("POST", "/api/uploads", json=wanted)
    assert reply.status == 201, reply.body
    return reply.body["uploadId"], reply.body["assemblyId"]


async def streamed(server: AppServer, user: str, assembly_id: str) -> str:
    """Return what the stream of an assembly begins with."""
    url = f"{server.url}/api/transflow/stream?uploadId={assembly_id}"
    headers = {"Authorization": f"Bearer {token(user)}"}
    async with StreamWatcher(url, headers=headers) as stream:
        await stream.wait_until(lambda: bool(stream.received))
        return str(stream.received)


async def test_users_who_share_an_assembly_id_get_their_own_assembly(serve: ServeApp, tmp_path: Path) -> None:
    templates = tmp_path / "templates.toml"
    templates.write_text(CLIPS)
    server = await serve(JWT_SECRET=SECRET, ROOMCAST_TEMPLATES=str(templates))
    async with Api(server, token("12")) as victim, Api(server, token("2")) as attacker:
        hers, shared = await assembly(victim, "clip")
        his, same = await assembly(attacker, "clip1")
        assert same == shared
        for api, user, template, upload_id in ((victim, "12", "clip", hers), (attacker, "2", "clip1", his)):
            body = (await api.request("GET", f"/api/transflow/status?assemblyId={shared}")).body
            assert (body["user"], body["template_id"]) == ({"userId": user}, template)
            async with Watcher(server.url, auth={"token": token(user)}) as watcher:
                joined = await watcher.call("join-assembly", shared)
                assert [state["uploadId"] for state in joined["states"]] == [upload_id]
            assert upload_id in await streamed(server, user, shared)
    async with Api(server, token("3")) as third:
        assert (await third.request("GET", f"/api/transflow/status?assemblyId={shared}")).status == 403


async def test_assembly_of_another_viewer_is_as_unknown_as_none(server: AppServer, alice: Api, bob: Api) -> None:
    """Who knows a user, a template and a file can compute the id."""
    _, hers = await assembly(alice, "auto")
    answers = []
    for wanted in (hers, "0" * 64):
        replies = [
            await bob.request("GET", f"/api/assemblies/{wanted}/deliveries"),
            await bob.request("POST", f"/api/assemblies/{wanted}/deliveries/delivery_{'0' * 32}/replay"),
        ]
        async with Watcher(server.url, auth={"token": token("bob")}) as watcher:
            acks = [await watcher.call(call, wanted) for call in ("join-assembly", "leave-assembly")]
        answers.append([*((reply.status, reply.body) for reply in replies), *acks])
    assert answers[0] == answers[1]
    assert answers[0][0] == (404, {"error": {"code": "NOT_FOUND", "message": "There is no such assembly."}})
    assert (await alice.request("GET", f"/api/assemblies/{hers}/deliveries")).status == 200


async def test_list_has_only_the_viewers_uploads(alice: Api, bob: Api) -> None:
    hers, _ = await alice.reserved("hers.mp4", 100)
    his, _ = await bob.reserved("his.mp4", 100)
    listed = {message["uploadId"] for message in (await bob.list()).body["uploads"]}
    assert his in listed
    assert hers not in listed


async def test_calls_about_an_unknown_upload_are_not_found(server: AppServer) -> None:
    async with Watcher(server.url, auth={"token": token("alice")}) as watcher:
        for call in ("join-upload", "cancel-upload", "retry-upload"):
            answer = await watcher.call(call, NOBODYS)
            assert answer["error"]["code"] == "NOT_FOUND", call


async def test_token_is_accepted_as_header_cookie_and_handshake_auth(server: AppServer, alice: Api) -> None:
    upload_id, _ = await alice.reserved("clip.mp4", 100)
    good = token("alice")
    async with Api(server) as anybody:
        for headers in ({"Authorization": f"Bearer {good}"}, {"Cookie": f"roomcast_token={good}"}):
            reply = await anybody.request("GET", f"/api/uploads/{upload_id}", headers=headers)
            assert reply.status == 200, headers
    places: list[dict[str, Any]] = [
        {"auth": {"token": good}},
        {"headers": {"Authorization": f"Bearer {good}"}},
        {"headers": {"Cookie": f"roomcast_token={good}"}},
    ]
    for place in places:
        async with Watcher(server.url, **place) as watcher:
            assert (await watcher.join(upload_id))["ok"] is True, place


async def test_admin_reads_and_cancels_the_uploads_of_others(server: AppServer, alice: Api) -> None:
    upload_id, _ = await alice.reserved("clip.mp4", 100)
    for claim, status in (({"admin": True}, 200), ({"admin": "true"}, 403), ({"admin": 1}, 403)):
        async with Api(server, token("root", **claim)) as somebody:
            assert (await somebody.get(upload_id)).status == status, claim
    async with Api(server, token("root", admin=True)) as admin:
        assert (await admin.cancel(upload_id)).status == 200


async def test_media_link_needs_no_token_and_is_given_only_to_the_owner(
    server: AppServer, alice: Api, bob: Api, shelf: Shelf
) -> None:
    upload_id = await alice.accepted(shelf.image())
    url = (await alice.finished(upload_id))["element"]["url"]
    async with Api(server) as anybody:
        assert (await anybody.request("GET", url)).status == 200
        _, media, _, *key = url.split("/")
        assert (await anybody.request("GET", "/".join(["", media, "no.grant", *key]))).refusal == (403, "FORBIDDEN")
    assert (await bob.get(upload_id)).status == 403


async def test_metrics_are_for_admins(server: AppServer) -> None:
    readers = {None: 401, "garbage": 401, token("root", seconds=-60, admin=True): 401, token("alice"): 403}
    for reader, status in readers.items():
        async with Api(server, reader) as somebody:
            assert (await somebody.request("GET", "/metrics")).status == status
    async with Api(server, token("root", admin=True)) as admin:
        reply = await admin.request("GET", "/metrics")
        assert (reply.status, b"roomcast_queue_depth 0.0" in reply.content) == (200, True)


async def test_public_routes_need_no_token(server: AppServer) -> None:
    async with Api(server) as anybody:
        assert await anybody.healthy()
        assert (await anybody.request("GET", "/progress-demo")).status == 200


async def test_stream_ends_when_its_token_expires(
    server: AppServer, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, _ = await alice.reserved("clip.mp4", 100)
    url = f"{server.url}/api/uploads/{upload_id}/events"
    monkeypatch.setattr(streams, "time", SimpleNamespace(time=lambda: time.time() + 3600))
    async with StreamWatcher(url, headers={"Authorization": f"Bearer {token('alice', seconds=3600)}"}) as stream:
        assert stream.status == 200
        await stream.closed()


@pytest.mark.parametrize("family", ["RS256", "ES256"])
async def test_token_is_verified_with_a_public_key(serve: ServeApp, family: str) -> None:
    key = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        if family == "RS256"
        else ec.generate_private_key(ec.SECP256R1())
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = {"sub": "alice", "exp": time.time() + 3600, "aud": ["roomcast"], "iss": "https://idp.example"}
    server = await serve(JWT_PUBLIC_KEY=public.decode(), JWT_AUDIENCE="roomcast", JWT_ISSUER="https://idp.example")
    bad = [
        signed_with(public, "alice"),
        signed_with(public.strip(), "alice"),
        unsigned("alice"),
        token("alice"),
        jwt.encode({**claims, "exp": time.time() - 60}, key, algorithm=family),
        jwt.encode({**claims, "aud": "some-other-app", "admin": True}, key, algorithm=family),
        jwt.encode({**claims, "iss": "https://other.example", "admin": True}, key, algorithm=family),
    ]
    for wrong in bad:
        async with Api(server, wrong) as client:
            assert (await client.list()).refusal == (401, "UNAUTHENTICATED")
        assert (await refused(server.url, auth={"token": wrong}))["code"] == "UNAUTHENTICATED"
    async with Api(server, jwt.encode(claims, key, algorithm=family)) as client:
        assert (await client.list()).status == 200
