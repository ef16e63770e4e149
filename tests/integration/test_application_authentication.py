"""Authentication by the application's own function, with a session cookie, on every surface."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from roomcast import CallerRequest, Rejected, Viewer
from roomcast.extensions.registry import Extensions
from roomcast.rooms import handlers

from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.raw_socket import RawSocket
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher, refused

SESSIONS = {"s-ada": Viewer("ada"), "s-bob": Viewer("bob"), "s-root": Viewer("root", admin=True)}
ADA, ROOT = {"Cookie": "theme=dark; sessionid=s-ada"}, {"Cookie": "sessionid=s-root"}
HOUR = 3600.0
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


class Sessions:
    """An application's session store; `odd` is returned or raised for the session of that name."""

    def __init__(self) -> None:
        self.requests: list[CallerRequest] = []
        self.odd: dict[str, Any] = {}

    async def who(self, request: CallerRequest) -> Any:
        self.requests.append(request)
        session = request.cookies.get("sessionid") or (request.auth or {}).get("session", "")
        odd = self.odd.get(session)
        if isinstance(odd, BaseException):
            raise odd
        return odd if session in self.odd else SESSIONS.get(session)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def extensions(sessions: Sessions) -> Extensions:
    added = Extensions()
    added.authenticate(sessions.who)
    return added


async def test_session_cookie_authenticates_requests_sockets_and_streams(
    server: AppServer, sessions: Sessions, api: Api
) -> None:
    assert (await api.list()).refusal == (401, "UNAUTHENTICATED")
    reply = await api.request("POST", "/api/uploads", json={"files": [{"filename": "a.mp4"}]}, headers=ADA)
    assert reply.status == 201
    upload_id = reply.body["uploadId"]
    assert (await api.request("GET", f"/api/uploads/{upload_id}", headers=ADA)).status == 200
    other = {"Cookie": "sessionid=s-bob"}
    for path in (f"/api/uploads/{upload_id}", f"/api/uploads/{upload_id}/events", f"/api/tus/{upload_id}"):
        method = "HEAD" if "tus" in path else "GET"
        tus = {"Tus-Resumable": "1.0.0"} if "tus" in path else {}
        assert (await api.request(method, path, headers={**other, **tus})).status == 403, path
        assert (await api.request(method, path, headers=tus)).status == 401, path
    async with Watcher(server.url, headers={**ADA}) as watcher:
        assert (await watcher.join(upload_id))["ok"]
    async with Watcher(server.url, auth={"session": "s-bob"}) as watcher:
        assert (await watcher.join(upload_id))["error"]["code"] == "FORBIDDEN"
    assert (await refused(server.url))["code"] == "UNAUTHENTICATED"
    assert {request.surface for request in sessions.requests} == {"http", "socket"}


async def test_function_gets_the_request_of_both_surfaces_in_one_form(
    server: AppServer, sessions: Sessions, api: Api
) -> None:
    await api.request("GET", "/api/uploads?limit=3&limit=4", headers={**ADA, "X-Tenant": "north"})
    async with Watcher(server.url, auth={"session": "s-bob"}, headers={"X-Tenant": "south"}):
        pass
    http, socket = sessions.requests
    assert (http.surface, http.method, http.path, http.auth) == ("http", "GET", "/api/uploads", None)
    assert (http.query["limit"], http.headers["x-tenant"], http.remote) == ("3", "north", "127.0.0.1")
    assert http.cookies == {"theme": "dark", "sessionid": "s-ada"}
    assert (socket.surface, socket.method, socket.path) == ("socket", "GET", "/socket.io/")
    assert (socket.auth, socket.headers["X-TENANT"]) == ({"session": "s-bob"}, "south")
    assert (socket.query["EIO"], socket.remote, socket.cookies) == ("4", "127.0.0.1", {})


async def test_admin_of_the_application_is_an_admin_here(server: AppServer, api: Api) -> None:
    for path in ("/api/admin/overview", "/metrics", "/admin"):
        assert (await api.request("GET", path, headers=ROOT)).status == 200, path
        assert (await api.request("GET", path, headers=ADA)).status == 403, path
        assert (await api.request("GET", path)).status == 401, path
    assert (await api.request("GET", "/api/config")).body["openMode"] is False


async def test_change_of_another_sites_page_is_refused_although_the_browser_sends_the_cookie(
    server: AppServer, sessions: Sessions, api: Api
) -> None:
    reserve = {"json": {"files": [{"filename": "a.mp4"}]}}
    foreign = await api.request("POST", "/api/uploads", **reserve, headers={**ADA, **FOREIGN})
    assert foreign.refusal == (403, "FORBIDDEN")
    basic = {"Authorization": "Basic YWRhOnB3"}
    assert (await api.request("POST", "/api/uploads", **reserve, headers={**basic, **FOREIGN})).status == 403
    assert all("Cookie" not in one.headers and "Authorization" not in one.headers for one in sessions.requests)
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert (await api.request("POST", "/api/uploads", **reserve, headers={**ADA, **own})).status == 201
    handshake = "/socket.io/?transport=polling&EIO=4"
    assert (await api.request("GET", handshake, headers={**ADA, **FOREIGN})).status == 403


ODD: list[Any] = [
    "ada",
    True,
    {"user": "ada"},
    Viewer(7),  # type: ignore[arg-type]
    Viewer(""),
    Viewer("a/b"),
    Viewer("x" * 201),
    Viewer("ada", admin="yes"),  # type: ignore[arg-type]
    Viewer("ada", expires_at=float("nan")),
    Viewer("ada", expires_at=float("inf")),
    Viewer("ada", expires_at="tomorrow"),  # type: ignore[arg-type]
    KeyError("sessionid"),
    asyncio.CancelledError(),
    SystemExit(1),
]


async def test_nonsense_and_errors_let_nobody_in_and_are_named_in_the_log(
    server: AppServer, sessions: Sessions, api: Api, log: list[dict[str, Any]]
) -> None:
    sessions.odd = {str(number): odd for number, odd in enumerate(ODD)}
    for number in sessions.odd:
        log.clear()
        reply = await api.request("GET", "/api/uploads", headers={"Cookie": f"sessionid={number}"})
        assert reply.refusal == (503, "HOOK_FAILED"), sessions.odd[number]
        (failure,) = log
        assert (failure["event"], failure["function"]) == ("function_failed", f"{__name__}.Sessions.who")
    assert (await refused(server.url, auth={"session": "0"}))["code"] == "HOOK_FAILED"
    log.clear()


async def test_function_may_reject_with_a_code_of_its_own_and_name_the_end_of_a_session(
    server: AppServer, sessions: Sessions, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.odd |= {
        "suspended": Rejected("ACCOUNT_SUSPENDED", "Your account is suspended."),
        "over": Viewer("ada", expires_at=time.time() - 1),
        "endless": Viewer("ada", expires_at=10**400),  # no float has this value
    }
    reply = await api.request("GET", "/api/uploads", headers={"Cookie": "sessionid=suspended"})
    assert (reply.status, reply.body["error"]) == (
        422,
        {"code": "ACCOUNT_SUSPENDED", "message": "Your account is suspended."},
    )
    assert (await refused(server.url, auth={"session": "suspended"}))["code"] == "ACCOUNT_SUSPENDED"
    assert (await refused(server.url, auth={"session": "over"}))["code"] == "UNAUTHENTICATED"
    assert (await api.request("GET", "/api/uploads", headers={"Cookie": "sessionid=endless"})).status == 200
    sessions.odd["brief"] = Viewer("ada", expires_at=time.time() + HOUR)
    monkeypatch.setattr(handlers, "time", SimpleNamespace(time=lambda: time.time() + HOUR))
    async with RawSocket(server.port) as socket:  # python-socketio's client may miss an end so soon after the beginning
        await socket.upgrade()
        await socket.receive_text()
        await socket.send_text('40{"session":"brief"}')
        assert (await socket.receive_text()).startswith('40{"sid":')
        assert await socket.receive_text() == "41"
        assert await socket.wait_closed()


async def test_tokens_are_accepted_beside_the_function_where_there_is_a_key(
    serve: ServeApp, extensions: Extensions
) -> None:
    server = await serve(extensions=extensions, JWT_SECRET=SECRET)
    async with Api(server, token("carol")) as carol, Api(server) as anybody:
        assert (await carol.list()).status == 200
        assert (await anybody.request("GET", "/api/uploads", headers=ADA)).status == 200
        assert (await anybody.list()).refusal == (401, "UNAUTHENTICATED")
    async with Api(server, "garbage") as stranger:
        assert (await stranger.list()).refusal == (401, "UNAUTHENTICATED")
