"""Authentication and CORS of a server: which requests cookies and tokens authenticate, and preflight requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from roomcast.auth.tokens import Tokens
from roomcast.forwarded import TrustedProxies
from roomcast.http.errors import errors_as_json
from roomcast.http.middleware import authentication, cors
from roomcast.http.responses import VIEWER
from roomcast.origins import OriginPolicy
from roomcast.services.authentication import Authenticator
from roomcast.settings.auth import AuthSettings

from tests.support.tokens import SECRET, token

Client = TestClient[web.Request, web.Application]
Connect = Callable[[web.Application], Awaitable[Client]]

SHOP, EVIL, OWN = "https://shop.example", "https://evil.example", "https://roomcast.example"
HOST = "roomcast.example"
PROXIES = TrustedProxies(["127.0.0.1"])


async def guarded(origins: list[str], aiohttp_client: Connect, folder: Path) -> Client:
    """Return a client of a server that answers with the name of its viewer."""
    policy = OriginPolicy(origins)
    preflight, add_headers = cors(policy)
    tokens = Tokens(AuthSettings(jwt_secret=SECRET))
    authenticator = Authenticator(policy, tokens=tokens, cookie="roomcast_token", loopback=True)
    viewers = authentication(authenticator, PROXIES)
    app = web.Application(middlewares=[preflight, errors_as_json, viewers])

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request[VIEWER].user, headers={"Vary": "Accept"})

    app.router.add_route("GET", "/api/x", answer)
    app.router.add_route("POST", "/api/x", answer)
    app.on_response_prepare.append(add_headers)
    return await aiohttp_client(app)


Clients = Callable[[list[str]], Awaitable[Client]]


@pytest.fixture
def client(aiohttp_client: Connect, tmp_path: Path) -> Clients:
    return lambda origins: guarded(origins, aiohttp_client, tmp_path)


COOKIE = {"Cookie": f"roomcast_token={token('ada')}"}


@pytest.mark.parametrize(
    ("origins", "method", "origin", "status"),
    [
        ([], "GET", EVIL, 200),
        ([], "POST", EVIL, 403),
        ([], "POST", OWN, 200),
        ([], "POST", None, 200),
        ([SHOP], "POST", SHOP, 200),
        ([SHOP], "POST", EVIL, 403),
        (["*"], "POST", OWN, 200),
        (["*"], "POST", None, 200),
        (["*"], "GET", SHOP, 401),
        (["*"], "POST", SHOP, 401),
        (["*"], "POST", "null", 401),
    ],
)
async def test_cookie_authenticates_own_pages_and_named_origins_only(
    client: Clients, origins: list[str], method: str, origin: str | None, status: int
) -> None:
    api = await client(origins)
    headers = {"Host": HOST, **COOKIE, **({"Origin": origin} if origin else {})}
    async with api.request(method, "/api/x", headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("origins", "method", "headers", "status"),
    [
        ([], "POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ([], "POST", {"Sec-Fetch-Site": "same-site"}, 403),
        ([], "GET", {"Sec-Fetch-Site": "cross-site"}, 200),
        ([], "POST", {"Sec-Fetch-Site": "none"}, 200),
        ([], "POST", {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example"}, 200),
        ([], "POST", {"Sec-Fetch-Site": "cross-site", "Origin": OWN}, 403),
        ([], "POST", {"Origin": "http://roomcast.example", "X-Forwarded-Proto": "https"}, 403),
        ([], "POST", {"Origin": OWN, "X-Forwarded-Proto": "https"}, 200),
        ([SHOP], "POST", {"Sec-Fetch-Site": "cross-site", "Origin": SHOP}, 200),
        (["*"], "POST", {"Sec-Fetch-Site": "cross-site"}, 401),
    ],
)
async def test_cookie_authenticates_pages_of_which_the_browser_says_that_they_are_our_own(
    client: Clients, origins: list[str], method: str, headers: dict[str, str], status: int
) -> None:
    api = await client(origins)
    async with api.request(method, "/api/x", headers={"Host": HOST, **COOKIE, **headers}) as answer:
        assert answer.status == status


async def test_cookie_authenticates_the_page_behind_a_proxy(client: Clients) -> None:
    api = await client([])
    headers = {"Host": "10.0.0.1", "X-Forwarded-Host": HOST, "Origin": OWN, **COOKIE}
    async with api.post("/api/x", headers=headers) as answer:
        assert answer.status == 200


async def test_token_authenticates_any_origin_under_the_wildcard_despite_a_cookie(
    client: Clients,
) -> None:
    api = await client(["*"])
    headers = {"Host": HOST, "Origin": SHOP, "Authorization": f"Bearer {token('bob')}", **COOKIE}
    async with api.post("/api/x", headers=headers) as answer:
        assert (answer.status, await answer.text()) == (200, "bob")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Upload-Offset" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    ("origins", "origin", "status", "allow", "credentials"),
    [
        (["*"], SHOP, 204, "*", None),
        (["*"], "null", 204, "*", None),
        ([SHOP], SHOP, 204, SHOP, "true"),
        ([SHOP], EVIL, 401, None, None),
        ([], SHOP, 401, None, None),
    ],
)
async def test_preflight_is_answered_for_allowed_origins_only(
    client: Clients, origins: list[str], origin: str, status: int, allow: str | None, credentials: str | None
) -> None:
    api = await client(origins)
    asking = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    async with api.options("/api/x", headers={"Origin": origin, **asking}) as answer:
        assert answer.status == status
        assert answer.headers.get("Access-Control-Allow-Origin") == allow
        assert answer.headers.get("Access-Control-Allow-Credentials") == credentials
        if allow:
            allowed = answer.headers["Access-Control-Allow-Headers"]
            assert {"Authorization", "Content-Type", "Upload-Offset", "Tus-Resumable"} <= set(allowed.split(", "))
            assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]


async def test_error_can_be_read_by_a_page_of_an_allowed_origin(client: Clients) -> None:
    api = await client(["*"])
    async with api.get("/api/x", headers={"Origin": SHOP}) as answer:
        assert answer.status == 401
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
