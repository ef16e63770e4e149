"""`ROOMCAST_AUTH_URL`, `ROOMCAST_CREATE_URL` and `JWT_JWKS_URL`: an application that is asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from roomcast import json_requests
from roomcast.extensions.registry import Extensions
from roomcast.settings.settings import SettingsError

from tests.integration.conftest import ServeApp
from tests.support.harness import Api
from tests.support.watchers import Watcher, refused

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shop:
    """The application: `answer` is its response to whatever it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.answer: Answer = self.sessions
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(app)

    async def __aenter__(self) -> Shop:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def url(self, path: str) -> str:
        return str(self._server.make_url(path))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, dict(request.headers), body))
        return await self.answer(request)

    async def sessions(self, request: web.Request) -> web.StreamResponse:
        """Know a cookie or a bearer token by its user."""
        user = request.cookies.get("sid") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        if user in ("", "nobody"):
            return web.Response(status=401)
        return web.json_response({"user": user, "admin": user == "root", "expires": time.time() + 3600})


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with Shop() as running:
        yield running


def cookie(user: str) -> dict[str, str]:
    return {"Cookie": f"sid={user}"}


async def test_application_is_asked_who_calls_with_cookies_and_authorization(shop: Shop, serve: ServeApp) -> None:
    server = await serve(ROOMCAST_AUTH_URL=shop.url("/who"), HOST="0.0.0.0")
    async with Api(server) as api:
        assert (await api.request("GET", "/api/uploads", headers=cookie("ada"))).status == 200
        assert (await api.request("GET", "/api/uploads", headers={"Authorization": "Bearer bob"})).status == 200
        assert (await api.request("GET", "/metrics", headers=cookie("root"))).status == 200
        assert (await api.request("GET", "/metrics", headers=cookie("ada"))).status == 403
        assert (await api.request("GET", "/api/uploads", headers=cookie("nobody"))).refusal == (401, "UNAUTHENTICATED")
        async with Watcher(server.url, auth={"token": "carol"}):
            pass
        assert (await refused(server.url, auth={"token": "nobody"}))["code"] == "UNAUTHENTICATED"
        asked = len(shop.asked)
        assert (await api.list()).refusal == (401, "UNAUTHENTICATED")  # without credentials nobody is asked
        foreign = {**cookie("ada"), "Origin": "https://evil.example"}
        reply = await api.request("POST", "/api/uploads", json={"files": [{"filename": "a.mp4"}]}, headers=foreign)
        assert reply.refusal == (403, "FORBIDDEN")
        assert len(shop.asked) == asked
    method, headers, body = shop.asked[0]
    assert (method, headers["Cookie"], body) == ("GET", "sid=ada", None)
    assert "Authorization" not in headers


async def test_answer_is_used_again_and_simultaneous_requests_ask_once(shop: Shop, serve: ServeApp) -> None:
    server = await serve(ROOMCAST_AUTH_URL=shop.url("/who"))
    async with Api(server) as api:
        replies = await asyncio.gather(*(api.request("GET", "/api/uploads", headers=cookie("ada")) for _ in range(8)))
        assert {reply.status for reply in replies} == {200}
        assert (await api.request("GET", "/api/uploads", headers=cookie("ada"))).status == 200
    assert len(shop.asked) == 1


def text(body: str, *, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "/elsewhere"})

    return answer


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while request.transport and not request.transport.is_closing():
        await response.write(b" " * 65536)
    return response


BAD: dict[str, Answer] = {
    "no JSON": text("<html>"),
    "no object": text('["ada"]'),
    "no user": text("{}"),
    "user that is a number": text('{"user": 7}'),
    "user that is a path": text('{"user": "../etc"}'),
    "admin that is text": text('{"user": "ada", "admin": "yes"}'),
    "expires that is text": text('{"user": "ada", "expires": "soon"}'),
    "huge number": text('{"user": "ada", "expires": 1e400}'),
    "redirect": text('{"user": "ada"}', status=302),
    "error": text('{"user": "ada"}', status=500),
    "not found": text('{"user": "ada"}', status=404),
    "nothing": text("", status=204),
    "endless": endless,
    "never": never,
}


async def test_wrong_late_and_endless_answers_let_nobody_in(
    shop: Shop, serve: ServeApp, log: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = json_requests.JsonRequests.__init__
    monkeypatch.setattr(
        json_requests.JsonRequests, "__init__", lambda self, url: original(self, url, seconds=1.0, max_bytes=65536)
    )
    server = await serve(ROOMCAST_AUTH_URL=shop.url("/who"), ROOMCAST_CREATE_URL=shop.url("/create"))
    async with Api(server) as api:
        for name, answer in BAD.items():
            shop.answer = answer
            reply = await api.request("GET", "/api/uploads", headers=cookie(name.replace(" ", "-")))
            assert reply.refusal == (503, "HOOK_FAILED"), name
            assert {entry["function"].rpartition(".")[2] for entry in log if entry["event"] == "function_failed"} == {
                "UrlAuthentication"
            }, name
            log.clear()
        assert "/elsewhere" not in str(shop.asked)

        async def first_auth_then(request: web.Request) -> web.StreamResponse:
            return await (shop.sessions(request) if request.path == "/who" else create(request))

        for name in ("no JSON", "no object", "redirect", "error", "not found", "endless", "never"):
            create = BAD[name]
            shop.answer = first_auth_then
            files = {"files": [{"filename": "a.mp4"}]}
            reply = await api.request("POST", "/api/uploads", json=files, headers=cookie("ada"))
            assert reply.refusal == (503, "HOOK_FAILED"), name
            log.clear()
    down = await serve(ROOMCAST_AUTH_URL="http://127.0.0.1:1/who")
    async with Api(down) as api:
        assert (await api.request("GET", "/api/uploads", headers=cookie("ada"))).refusal == (503, "HOOK_FAILED")
    log.clear()


async def test_application_is_asked_about_new_uploads(shop: Shop, serve: ServeApp) -> None:
    answers: list[web.Response] = [
        web.Response(status=204),
        web.json_response({"template": "image", "metadata": {"a": 1}, "maxBytes": 10, "prefix": "t/7", "more": 1}),
        web.json_response({"error": {"code": "TOO_POOR", "message": "Buy more."}}, status=402),
        web.Response(status=403),
        web.json_response({"error": {"code": "not a code", "message": "x"}}, status=403),
        web.json_response({"template": "unknown"}),
    ]

    async def answer(request: web.Request) -> web.StreamResponse:
        return await shop.sessions(request) if request.path == "/who" else answers.pop(0)

    shop.answer = answer
    server = await serve(ROOMCAST_AUTH_URL=shop.url("/who"), ROOMCAST_CREATE_URL=shop.url("/create"))
    async with Api(server) as api:
        wanted = {"files": [{"filename": "a.png", "size": 5, "metadata": {"b": 2}}]}
        replies = [
            await api.request("POST", "/api/uploads", json=wanted, headers=cookie("ada")) for _ in range(len(answers))
        ]
    assert [reply.status for reply in replies] == [201, 201, 422, 422, 503, 503]
    assert replies[1].body["state"]["metadata"] == {"a": 1}
    assert replies[1].body["element"]["type"] == "image"
    assert replies[2].body["error"] == {"code": "TOO_POOR", "message": "Buy more."}
    assert replies[3].refusal == (422, "NOT_ALLOWED")
    method, headers, body = next(one for one in shop.asked if one[2])
    assert (method, headers["Cookie"], body["user"], body["admin"]) == ("POST", "sid=ada", "ada", False)
    assert (body["intake"], body["filename"], body["size"], body["metadata"]) == (
        "reservation",
        "a.png",
        5,
        {"b": 2},
    )


async def test_url_and_function_that_both_authenticate_refuse_the_start(serve: ServeApp) -> None:
    extensions = Extensions()
    extensions.authenticate(lambda request: None)
    with pytest.raises(SettingsError, match=r"ROOMCAST_AUTH_URL: .* already"):
        await serve(extensions=extensions, ROOMCAST_AUTH_URL="http://127.0.0.1:1/who")


async def test_tokens_are_verified_with_the_keys_of_a_url_which_rotate(
    shop: Shop, serve: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomcast.auth.jwks.UNKNOWN_SECONDS", 0.0)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new")}
    listed = ["old"]

    async def answer(_: web.Request) -> web.Response:
        entries = [
            {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(keys[name].public_key())), "kid": name} for name in listed
        ]
        return web.json_response({"keys": entries})

    def signed(name: str, **claims: Any) -> str:
        full = {"sub": "ada", "exp": time.time() + 3600, "aud": "roomcast", "iss": "https://idp.example", **claims}
        return jwt.encode(full, keys[name], "ES256", headers={"kid": name})

    shop.answer = answer
    server = await serve(JWT_JWKS_URL=shop.url("/keys"), JWT_AUDIENCE="roomcast", JWT_ISSUER="https://idp.example")

    async def status(token: str) -> int:
        async with Api(server, token) as api:
            return (await api.list()).status

    assert [await status(signed("old")), await status(signed("old"))] == [200, 200]
    assert len(shop.asked) == 1
    assert await status(signed("old", aud="another")) == 401
    assert await status(signed("new")) == 401
    listed[:] = ["new"]
    assert await status(signed("new")) == 200
    assert await status(signed("old")) == 401
    assert await status("garbage") == 401
