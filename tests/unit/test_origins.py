"""The origin policy: which origins are allowed, their response headers, and the settings that are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from roomcast import settings
from roomcast.origins import OriginPolicy, check_origins, own_hosts
from roomcast.settings import SettingsError

Client = TestClient[web.Request, web.Application]
Connect = Callable[[web.Application], Awaitable[Client]]

SHOP, EVIL, OWN = "https://shop.example", "https://evil.example", "https://roomcast.example"
HOST = "roomcast.example"
EVERY, NAMED, NONE = OriginPolicy(["*"]), OriginPolicy([SHOP]), OriginPolicy()


@pytest.mark.parametrize(
    ("policy", "origin", "allowed", "cookie"),
    [
        (NONE, None, True, True),
        (NONE, OWN, True, True),
        (NONE, SHOP, False, False),
        (NONE, "null", False, False),
        (NONE, "", False, False),
        (NAMED, None, True, True),
        (NAMED, OWN, True, True),
        (NAMED, SHOP, True, True),
        (NAMED, "http://shop.example", False, False),
        (NAMED, "https://shop.example:8443", False, False),
        (NAMED, EVIL, False, False),
        (NAMED, "null", False, False),
        (EVERY, None, True, True),
        (EVERY, OWN, True, True),
        (EVERY, SHOP, True, False),
        (EVERY, "null", True, False),
        (EVERY, "*", True, False),
        (EVERY, "", True, False),
    ],
)
def test_origin_is_allowed_and_its_cookie_accepted(
    policy: OriginPolicy, origin: str | None, allowed: bool, cookie: bool
) -> None:
    assert policy.allows(origin, HOST) is allowed
    assert policy.accepts_cookie(origin, HOST) is cookie


def test_origin_without_a_host_is_not_the_servers_own() -> None:
    assert not NONE.accepts_cookie("null", "")


def test_response_headers_name_a_listed_origin_and_allow_credentials() -> None:
    assert NAMED.response_headers(SHOP) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": SHOP,
        "Access-Control-Allow-Credentials": "true",
    }


@pytest.mark.parametrize("origin", [None, OWN, EVIL])
def test_response_headers_for_an_unlisted_origin_only_vary(origin: str | None) -> None:
    assert NAMED.response_headers(origin) == {"Vary": "Origin"}
    assert NONE.response_headers(origin) == {}


@pytest.mark.parametrize("origin", [None, OWN, EVIL, "null"])
def test_response_headers_of_the_wildcard_are_the_same_for_every_origin_and_allow_no_credentials(
    origin: str | None,
) -> None:
    assert EVERY.response_headers(origin) == {"Access-Control-Allow-Origin": "*"}


def test_own_hosts_are_those_of_the_request_and_of_the_proxy() -> None:
    assert own_hosts({"Host": "10.0.0.1:8000", "X-Forwarded-Host": "roomcast.example, inner"}) == [
        "10.0.0.1:8000",
        "roomcast.example",
    ]
    assert own_hosts({}) == []


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example",
        "http://localhost:5173",
        "http://[::1]:3000",
        "https://xn--mller-kva.example",
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnop",
    ],
)
def test_origin_as_browsers_send_it_is_accepted(origin: str) -> None:
    check_origins([origin, "https://other.example"])


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("shop.example", "An example is"),
        ("//shop.example", "An example is"),
        ("https://", "An example is"),
        ("https://shop.example/", "Write https://shop.example."),
        ("https://shop.example/app", "Write https://shop.example."),
        ("https://shop.example?x=1", "Write https://shop.example."),
        ("https://user@shop.example", "Write https://shop.example."),
        ("https://Shop.example", "Write https://shop.example."),
        ("HTTPS://shop.example", "Write https://shop.example."),
        ("https://shop.example:443", "Write https://shop.example."),
        ("http://shop.example:080", "Write http://shop.example."),
        ("https://müller.example", "Write https://xn--mller-kva.example."),
        ("https://shop.example:99999", "An example is"),
        ("https://*.shop.example", "An example is"),
        ("https://shop example", "An example is"),
        ("null", "An example is"),
        ("", "An example is"),
    ],
)
def test_origin_that_no_browser_sends_is_refused_with_a_correction(written: str, hint: str) -> None:
    with pytest.raises(ValueError, match="is not an origin as browsers send it") as refused:
        check_origins([SHOP, written])
    assert repr(written) in str(refused.value)
    assert hint in str(refused.value)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        settings.load_settings()
    return str(refused.value)


def test_wrong_origin_refuses_the_start_and_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(monkeypatch, ROOMCAST_CORS_ORIGINS="https://a.example, https://b.example/")
    assert message.startswith(
        "ROOMCAST_CORS_ORIGINS: The entry 'https://b.example/' is not an origin as browsers send it"
    )


@pytest.mark.parametrize("written", ["*, https://a.example", "https://a.example,*"])
def test_wildcard_beside_an_origin_refuses_the_start(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    assert "ROOMCAST_CORS_ORIGINS: The entry * allows every origin" in refusal(
        monkeypatch, ROOMCAST_CORS_ORIGINS=written
    )


def test_wildcard_with_a_configured_cookie_refuses_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(monkeypatch, ROOMCAST_CORS_ORIGINS="*", ROOMCAST_COOKIE="session")
    assert message.startswith("ROOMCAST_CORS_ORIGINS=* and ROOMCAST_COOKIE: any site could use the cookies")
    monkeypatch.delenv("ROOMCAST_COOKIE")
    assert settings.load_settings().sockets.cors_origins == ["*"]
