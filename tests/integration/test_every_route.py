"""Every route refuses invalid credentials and malformed requests. The routes are those of the server's own document, so
that none can be forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from roomcast.http.operations import FORM, JSON

from tests.support.app import AppServer
from tests.support.harness import Api, Reply
from tests.support.routes import Call, Document, calls
from tests.support.tokens import BAD_TOKENS, SECRET, token

Table = Callable[[dict[str, str]], list["Call"]]
NOBODYS = {"upload": "upload_" + "0" * 32, "assembly": "0" * 64}
WRONG = "no such value, surely"


@pytest.fixture
def settings() -> dict[str, str]:
    return {"JWT_SECRET": SECRET}


def owned(call: Call) -> bool:
    """Return whether a call is about an upload or an assembly, which have an owner. Administrators' calls are not."""
    if call.path.startswith("/api/admin/"):
        return False
    named = any(one["name"] in ("assemblyId", "uploadId") for one in call.operation.get("parameters", []))
    return bool(call.operation["security"]) and (named or bool(call.path_values))


async def reserved(api: Api, name: str) -> dict[str, str]:
    """Return the ids of a new reservation and of its assembly."""
    md5 = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    files = [{"filename": f"{name}.mp4", "size": 100, "md5": md5}]
    body = (await api.request("POST", "/api/uploads", json={"files": files})).body
    return {"upload": body["uploadId"], "assembly": body["assemblyId"]}


@pytest.fixture(scope="module")
def known() -> list[Document]:
    """Cache the document, which is the same for all servers of the module."""
    return []


@pytest.fixture
async def table(server: AppServer, known: list[Document]) -> Table:
    """Return what makes all calls about an upload and an assembly."""
    if not known:
        async with Api(server) as anybody:
            known.append((await anybody.request("GET", "/openapi.json")).body)
    return lambda about: list(calls(known[0], about["upload"], about["assembly"]))


def refused(call: Call, reply: Reply, status: int, code: str, to: str = "") -> None:
    expected = (status, None if call.method == "HEAD" else code)
    assert reply.refusal == expected, f"{call} {to}: {reply.refusal}, {reply.content[:200]!r}"


async def test_invalid_token_is_refused_by_every_guarded_route(server: AppServer, alice: Api, table: Table) -> None:
    hers = await reserved(alice, "held")
    guarded = [call for call in table(hers) if call.operation["security"]]
    assert len(guarded) > 30
    for name, bad in BAD_TOKENS.items():
        async with Api(server, bad) as anybody:
            for call in guarded:
                refused(call, await call.by(anybody), 401, "UNAUTHENTICATED", name)
    assert (await alice.get(hers["upload"])).body["stage"] == "receiving"


async def test_public_routes_contain_no_user_data(server: AppServer, alice: Api, table: Table) -> None:
    hers = await reserved(alice, "open")
    async with Api(server) as anybody:
        for call in [call for call in table(hers) if not call.operation["security"]]:
            if call.path == "/socket.io/":
                continue  # that needs a token when it is said who is there
            reply = await call.by(anybody)
            assert hers["upload"].encode() not in reply.content, call
            assert (reply.status == 401) <= (call.path == "/admin"), call


async def test_upload_of_another_viewer_is_forbidden(alice: Api, bob: Api, table: Table) -> None:
    hers = await reserved(alice, "hers")
    calls = [call for call in table(hers) if owned(call)]
    assert len(calls) > 15
    for call in calls:
        reply = await call.by(bob)
        if call.path.startswith("/api/assemblies/"):  # whose id can be computed, so that 403 would say that it exists
            refused(call, reply, 404, "NOT_FOUND")
        else:
            refused(call, reply, 403, "FORBIDDEN")
        assert b"alice" not in reply.content
    assert (await alice.get(hers["upload"])).body["stage"] == "receiving"


async def test_unknown_upload_is_not_found(alice: Api, table: Table) -> None:
    calls = [call for call in table(NOBODYS) if owned(call)]
    silent = [call for call in calls if "404" not in call.operation["responses"]]
    assert [str(call) for call in silent] == ["DELETE /api/progress/{task_id}"], "what is gone need not be cleaned up"
    for call in calls:
        if call not in silent:
            refused(call, await call.by(alice), 404, "NOT_FOUND")


async def test_admin_routes_are_forbidden_to_others(bob: Api, table: Table) -> None:
    admins = [call for call in table(NOBODYS) if "admin" in call.path or call.path == "/metrics"]
    guarded = [call for call in admins if call.operation["security"]]
    assert guarded
    for call in guarded:
        refused(call, await call.by(bob), 403, "FORBIDDEN")


def malformed(call: Call) -> Iterator[tuple[str, Call]]:
    """The call with one query parameter or header out of its form, whose name comes with it."""
    for one in call.operation.get("parameters", []):
        name, schema = one["name"], one["schema"]
        values = [WRONG] if {"pattern", "enum", "const", "anyOf"} & schema.keys() else []
        values += [str(schema["minimum"] - 1), str(schema["maximum"] + 1), WRONG] if "maximum" in schema else []
        for value in values if name != "EIO" else ():
            if one["in"] == "query":
                yield name, replace(call, query={**call.query, name: value})
            if one["in"] == "header":
                yield name, replace(call, headers={**call.headers, name: value})


async def test_malformed_parameter_is_refused(server: AppServer, table: Table) -> None:
    async with Api(server, token("root", admin=True)) as admin:
        pieces = await admin.request(
            "POST", "/api/tus/", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1048576"}
        )
        about = {"upload": pieces.headers["Location"].rpartition("/")[2], "assembly": NOBODYS["assembly"]}
        tried = set()
        for call in table(about):
            for name, wrong in malformed(call):
                tried.add(name)
                reply = await wrong.by(admin)
                status = {"Tus-Resumable": 412, "X-HTTP-Method-Override": 405}.get(name, 400)
                refused(call, reply, status, "MALFORMED")
        assert tried >= {"status", "limit", "Last-Event-ID", "Tus-Resumable", "Upload-Offset", "Upload-Checksum"}


async def test_malformed_body_is_refused(server: AppServer, alice: Api, table: Table) -> None:
    hers = await reserved(alice, "malformed")
    for call in [call for call in table(hers) if not call.path.startswith("/api/admin/")]:  # they refuse her first
        media = call.headers.get("Content-Type", "")
        if media == JSON:
            for body in (b"{", b"[]", b"\xff", b'{"files": 1}'):
                refused(call, await call.sending(media, body).by(alice), 400, "MALFORMED")
        if media.startswith((JSON, FORM)):
            for other in ("text/plain", f"{FORM}; boundary=frontier", FORM):
                refused(call, await call.sending(other, b"no form").by(alice), 400, "MALFORMED")
    assert server.error_lines() == []
