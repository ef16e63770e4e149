"""The origin policy: which origins are allowed, their response headers, and the settings that are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from roomcast.errors import Forbidden
from roomcast.forwarded import TrustedProxies
from roomcast.origins import OpenModeGuard, OriginPolicy, PageHeaders, check_origins, is_loopback_host
from roomcast.settings import settings
from roomcast.settings.settings import SettingsError

Client = TestClient[web.Request, web.Application]
Connect = Callable[[web.Application], Awaitable[Client]]

SHOP, EVIL, OWN = "https://shop.example", "https://evil.example", "https://roomcast.example"
HOST = "roomcast.example"
PROXIES, PROXY = TrustedProxies(["10.0.0.2"]), "10.0.0.2"
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
    page = PageHeaders(origin, (HOST,))
    assert policy.allows(page) is allowed
    assert policy.accepts_cookie(page) is cookie


def test_origin_without_a_host_is_not_the_servers_own() -> None:
    assert not NONE.accepts_cookie(PageHeaders("null", ("",)))


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


def test_page_headers_are_those_of_the_browser_and_of_the_first_proxy() -> None:
    sent = {
        "host": "10.0.0.1:8000",
        "x-forwarded-host": "Roomcast.example, inner",
        "x-forwarded-proto": "https, http",
        "origin": OWN,
        "sec-fetch-site": "same-origin",
    }
    expected = PageHeaders(OWN, ("10.0.0.1:8000", HOST), "https", "same-origin")
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in sent.items()}
    assert PageHeaders.read(sent.get, PROXY, PROXIES) == expected
    assert PageHeaders.of_environ({**environ, "REMOTE_ADDR": PROXY}, PROXIES) == expected
    assert PageHeaders.read(dict[str, str]().get, PROXY, PROXIES) == PageHeaders(None, ())
    assert PageHeaders.of_environ({}, PROXIES) == PageHeaders(None, ())


def test_page_headers_of_a_peer_that_is_no_trusted_proxy_permit_nothing() -> None:
    sent = {"host": "10.0.0.1:8000", "x-forwarded-host": "Roomcast.example", "x-forwarded-proto": "https"}
    page = PageHeaders.read({**sent, "origin": OWN}.get, "10.0.0.3", PROXIES)
    assert page == PageHeaders(OWN, ("10.0.0.1:8000",), None, None, HOST)
    assert not NONE.accepts_cookie(page)
    assert NONE.accepts_cookie(PageHeaders.read({**sent, "origin": OWN}.get, PROXY, PROXIES))


def test_open_mode_on_loopback_also_checks_the_host_that_an_unknown_proxy_names() -> None:
    for host, admitted in (("localhost", True), ("evil.example", False)):
        sent = {"host": "localhost:8000", "x-forwarded-host": host}
        page = PageHeaders.read(sent.get, "127.0.0.1", TrustedProxies())
        assert page.hosts == ("localhost:8000",)
        try:
            LOCAL.check(page, safe=True)
        except Forbidden:
            assert not admitted
        else:
            assert admitted


@pytest.mark.parametrize(
    ("origin", "scheme", "public_url", "own"),
    [
        ("https://roomcast.example", None, None, True),
        ("http://roomcast.example", None, None, True),
        ("http://roomcast.example", "https", None, False),
        ("http://roomcast.example", None, "https://roomcast.example", False),
        ("http://roomcast.example", "http", "https://roomcast.example", True),
        ("https://roomcast.example", "http", None, True),
        ("https://roomcast.example", "https", "https://roomcast.example/films", True),
        ("https://films.example", None, "https://films.example/roomcast", True),
        ("https://films.example", None, "https://FILMS.example:443/", True),
        ("http://films.example", None, "https://films.example", False),
        ("https://films.example:8443", None, "https://films.example", False),
        ("https://roomcast.example:8443", None, None, False),
        ("ftp://roomcast.example", None, None, False),
    ],
)
def test_page_is_the_servers_own_by_scheme_host_and_port(
    origin: str, scheme: str | None, public_url: str | None, own: bool
) -> None:
    policy = OriginPolicy(public_url=public_url)
    assert policy.accepts_cookie(PageHeaders(origin, (HOST,), scheme)) is own


@pytest.mark.parametrize(
    ("origin", "site", "read", "change"),
    [
        (None, None, True, True),
        (None, "none", True, True),
        (None, "same-origin", True, True),
        (None, "same-site", True, False),
        (None, "cross-site", True, False),
        (OWN, "cross-site", False, False),
        (OWN, "same-site", False, False),
        ("http://10.0.0.7:8080", "same-origin", True, True),
        (EVIL, "none", False, False),
        ("null", "cross-site", False, False),
        (SHOP, "cross-site", True, True),
        (SHOP, "same-site", True, True),
    ],
)
def test_browser_says_which_site_the_page_is_of(origin: str | None, site: str | None, read: bool, change: bool) -> None:
    page = PageHeaders(origin, (HOST,), None, site)
    assert NAMED.accepts_cookie(page) is read
    assert NAMED.accepts_cookie(page, safe=False) is change


LOOPBACK_HOSTS = [
    "localhost", "localhost:8000", "LocalHost:8000", "localhost.", "app.localhost", "a.b.localhost:80", "127.0.0.1",
    "127.0.0.1:8000", "127.255.255.254:1", "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]:8000", "[::ffff:127.0.0.1]:8000",
]  # fmt: skip
OTHER_HOSTS = [
    "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost",
    "localhost..", "0.0.0.0:8000", "10.0.0.7", "128.0.0.1", "[::]:8000", "[::2]", "::1", "[fe80::1]", "roomcast", "",
    " ", "[", "localhost:8000:1", "user@localhost", "localhost/evil.example", "127.0.0.1, evil.example", "localhost:x",
    "localhost\n", "evil.example#localhost",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK_HOSTS)
def test_loopback_host_is_this_machine(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", OTHER_HOSTS, ids=ascii)
def test_host_that_a_name_server_can_answer_for_is_not_this_machine(host: str) -> None:
    assert not is_loopback_host(host)


def admits(guard: OpenModeGuard, *, safe: bool, **headers: str) -> bool:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        guard.check(PageHeaders.read(sent.get, PROXY, PROXIES), safe=safe)
    except Forbidden:
        return False
    return True


LOCAL = OpenModeGuard(OriginPolicy([SHOP], public_url="https://films.example:8443/roomcast"), loopback=True)
SERVED = OpenModeGuard(OriginPolicy([SHOP]), loopback=False)
OPENED = OpenModeGuard(OriginPolicy(["*"]), loopback=True)


@pytest.mark.parametrize("host", [*LOOPBACK_HOSTS, "films.example", "films.example:8443", "Films.Example."])
def test_open_mode_on_loopback_answers_by_every_name_of_this_machine_and_of_its_public_url(host: str) -> None:
    for safe in (True, False):
        assert admits(LOCAL, safe=safe, host=host)
        assert admits(LOCAL, safe=safe, host=host, sec_fetch_site="same-origin")
    if not host.endswith("."):
        assert admits(LOCAL, safe=False, host=host, origin=f"http://{host.lower()}", sec_fetch_site="same-origin")


@pytest.mark.parametrize("host", [*OTHER_HOSTS, "films.example.evil.example", "other.films.example"], ids=ascii)
def test_open_mode_on_loopback_answers_by_no_other_name(host: str) -> None:
    for guard in (LOCAL, OPENED):
        for safe in (True, False):
            assert not admits(guard, safe=safe, host=host)
            assert not admits(guard, safe=safe, host=host, origin=f"http://{host}", sec_fetch_site="same-origin")
            if host and host == host.strip() and "," not in host:
                assert not admits(guard, safe=safe, host="localhost:8000", x_forwarded_host=host)
    assert not admits(LOCAL, safe=True)


@pytest.mark.parametrize(
    ("origin", "site", "read", "change"),
    [
        (None, None, True, True),
        (None, "none", True, True),
        (None, "same-origin", True, True),
        (None, "same-site", True, False),
        (None, "cross-site", True, False),
        ("http://localhost:8000", None, True, True),
        ("http://localhost:8000", "same-origin", True, True),
        ("http://localhost:5173", None, False, False),
        ("http://localhost:5173", "same-site", False, False),
        ("http://localhost:5173", "same-origin", True, True),
        ("http://127.0.0.1:8000", "cross-site", False, False),
        ("https://films.example:8443", None, True, True),
        ("https://films.example:8443", "same-origin", True, True),
        ("http://films.example:8443", None, False, False),
        ("http://evil.example", None, False, False),
        ("http://evil.example", "cross-site", False, False),
        ("http://evil.example", "same-origin", False, False),
        ("null", None, False, False),
        ("null", "cross-site", False, False),
        ("", None, False, False),
        (SHOP, None, True, True),
        (SHOP, "cross-site", True, True),
    ],
)
def test_open_mode_on_loopback_lets_pages_of_this_machine_and_of_listed_origins_call(
    origin: str | None, site: str | None, read: bool, change: bool
) -> None:
    headers = {"host": "localhost:8000", "origin": origin, "sec_fetch_site": site}
    sent = {name: value for name, value in headers.items() if value is not None}
    assert admits(LOCAL, safe=True, **sent) is read
    assert admits(LOCAL, safe=False, **sent) is change
    assert admits(OPENED, safe=False, **sent), "every origin was allowed"


@pytest.mark.parametrize(
    ("origin", "site", "change"),
    [
        (None, None, True),
        ("http://nas.local:8000", None, True),
        ("http://nas.local:8000", "same-origin", True),
        (None, "cross-site", False),
        (EVIL, None, False),
        (EVIL, "cross-site", False),
        ("http://nas.local:3000", "same-site", False),
        ("null", "cross-site", False),
        (SHOP, "cross-site", True),
    ],
)
def test_open_mode_on_a_network_refuses_pages_of_other_origins_under_whatever_name_it_has(
    origin: str | None, site: str | None, change: bool
) -> None:
    headers = {"host": "nas.local:8000", "origin": origin, "sec_fetch_site": site}
    assert admits(SERVED, safe=False, **{name: value for name, value in headers.items() if value is not None}) is change


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
