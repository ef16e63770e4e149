"""`roomcast doctor` through real proxies: it names each wrong setting, and finds nothing where all are right."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from roomcast.cli.doctor.diagnosis import diagnose
from roomcast.client.errors import NETWORK, ClientError
from roomcast.errors import Code
from roomcast.http.diagnostics import routes

from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.certificates import authority
from tests.support.harness import Api
from tests.support.ports import free_port
from tests.support.proxies import FILES, deployed, running_program, running_proxy
from tests.support.tokens import SECRET, token

SETTINGS = {"JWT_SECRET": SECRET, "ROOMCAST_CORS_ORIGINS": "https://shop.example"}
WAIT_SECONDS = 2
CUT_SECONDS = 4
"""When proxies cut off requests: every other request must be answered earlier, also on a busy machine."""

CONCURRENT = 8

UNTRUSTED = "a proxy that the server does not trust"
NGINX = {
    "body_buffered": [("proxy_request_buffering off;", "proxy_request_buffering on;")],
    "body_limited": [("client_max_body_size 0;", "client_max_body_size 1m;")],
    "response_buffered": [
        ("proxy_http_version 1.1;", "proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering;")
    ],
    "stream_compressed": [
        ("client_max", "gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/event-stream; client_max")
    ],
    "websocket_blocked": [("proxy_set_header Upgrade $http_upgrade;", "")],
    "request_cut": [("client_max", f"proxy_read_timeout {CUT_SECONDS}s; client_max")],
    "cors_incomplete": [("client_max", "proxy_hide_header Access-Control-Expose-Headers; client_max")],
    "scheme_wrong": [("X-Forwarded-Proto $scheme", "X-Forwarded-Proto https")],
    "host_wrong": [("Host $http_host;", "Host backend.internal;")],
    "range_removed": [("client_max", 'proxy_set_header Range ""; client_max')],
    "credentials_removed": [("client_max", 'proxy_set_header Cookie ""; client_max')],
    "headers_removed": [("client_max", 'proxy_set_header Upload-Offset ""; client_max')],
    "method_blocked": [("client_max", "limit_except GET POST OPTIONS { deny all; } client_max")],
    "responses_cached range_removed headers_removed": [
        ("client_max", "proxy_cache one; proxy_cache_valid 1m; proxy_ignore_headers Cache-Control; client_max")
    ],
    "redirected": [("proxy_pass http://", "return 301 https://films.example.com; #")],
}  # fmt: skip
"""For each problem, or some that come together, what is replaced in the configuration of nginx."""

CADDY = {
    "body_buffered": "buffer_requests",
    "response_buffered websocket_blocked": "buffer_responses",
    "range_removed": "header_up -Range",
    "credentials_removed": "header_up -Authorization",
    "websocket_blocked": "header_up -Upgrade",
}


class Case(NamedTuple):
    """A way to a server, and the codes of what is wrong with it."""

    name: str
    url: str
    expected: set[str]
    clock_offset: float = 0.0


def nginx_block(port: int, backend: str, changes: list[tuple[str, str]]) -> str:
    """Return a server of nginx as `deploy/nginx.conf` has it, but without TLS and with these changes."""
    text = "\n".join(line for line in deployed("nginx").splitlines() if "ssl_certificate" not in line)
    for old, new in [("listen 443 ssl", f"listen 127.0.0.1:{port}"), ("127.0.0.1:8000", backend), *changes]:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as running:
        yield running


def nginx_cases(server: AppServer, suspicious: AppServer, folder: Path, stack: ExitStack) -> list[Case]:
    good, other = f"127.0.0.1:{server.port}", f"127.0.0.1:{suspicious.port}"
    gzip = ("client_max", "gzip on; gzip_min_length 1; gzip_proxied any; gzip_types application/json; client_max")
    servers = [(name, good, changes, "", set(name.split())) for name, changes in NGINX.items()]
    servers += [
        (UNTRUSTED, other, [], "", {"proxy_not_trusted"}),
        ("a right clock and a wrong one", good, [], "", set()),
        ("compressed JSON", good, [gzip], "", set()),
        ("a prefix that is removed", good, [("location /", "location /films/"), (good, f"{good}/")], "/films",
         {"prefix_wrong"}),
        ("a prefix that is passed on", good, [], "/films", {"prefix_wrong"}),
    ]  # fmt: skip
    ports = [free_port() for _ in servers]
    blocks = [nginx_block(port, one[1], one[2]) for port, one in zip(ports, servers, strict=True)]
    cache = f"proxy_cache_path {folder / 'nginx_cache'} keys_zone=one:1m;\n"
    stack.enter_context(running_program("nginx", folder / "nginx", cache + "\n".join(blocks), *ports))
    cases = [
        Case(f"nginx: {name}", f"http://127.0.0.1:{port}{prefix}", expected)
        for port, (name, _, _, prefix, expected) in zip(ports, servers, strict=True)
    ]
    (clock,) = [case for case in cases if "clock" in case.name]
    return [*cases, clock._replace(name="nginx: clock_off", expected={"clock_off"}, clock_offset=-90.0)]


def haproxy_cases(server: AppServer, twin: AppServer, folder: Path, stack: ExitStack) -> list[Case]:
    cut, round_robin, sticky = ports = [free_port() for _ in range(3)]
    cookies = "cookie roomcast insert indirect nocache\n"
    config = "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout tunnel 1h\n"
    for port, timeout, options in (
        (cut, f"timeout server {CUT_SECONDS}s\n", ""),
        (round_robin, "", ""),
        (sticky, "", cookies),
    ):
        backends = [server] if port == cut else [server, twin]
        config += f"listen p{port}\n bind 127.0.0.1:{port}\n option forwardfor\n {timeout} {options}"
        config += " http-request set-header X-Forwarded-Proto http\n"
        for number, backend in enumerate(backends):
            config += f" server s{number} 127.0.0.1:{backend.port}{f' cookie s{number}' if options else ''}\n"
    stack.enter_context(running_program("haproxy", folder / "haproxy", config, *ports))
    return [
        Case("HAProxy: request_cut", f"http://127.0.0.1:{cut}", {"request_cut"}),
        Case("HAProxy: round robin", f"http://127.0.0.1:{round_robin}", {"polling_not_sticky"}),
        Case("HAProxy: bound by a cookie", f"http://127.0.0.1:{sticky}", set()),
    ]


def caddy_cases(server: AppServer, folder: Path, stack: ExitStack) -> list[Case]:
    ports = [free_port() for _ in range(len(CADDY) + 1)]
    config = ""
    for port, line in zip(ports, [*CADDY.values(), ""], strict=True):
        limit = "" if line else "request_body {\n max_size 1MB\n}\n"
        config += f"http://127.0.0.1:{port} {{\n{limit}reverse_proxy 127.0.0.1:{server.port} {{\n{line}\n}}\n}}\n"
    stack.enter_context(running_program("caddy", folder / "caddy", config, *ports))
    expected = [*CADDY, "body_limited"]
    return [
        Case(f"Caddy: {name}", f"http://127.0.0.1:{port}", set(name.split()))
        for name, port in zip(expected, ports, strict=True)
    ]


async def codes(case: Case, tls: ssl.SSLContext | None = None) -> set[str]:
    diagnosis = await diagnose(
        case.url,
        token=token("alice"),
        wait_seconds=3 * CUT_SECONDS if "request_cut" in case.expected else WAIT_SECONDS,
        tls=tls,
        clock=lambda: time.time() + case.clock_offset,
    )
    assert all(finding.evidence.endswith(".") for finding in diagnosis.findings)
    return {finding.misconfiguration.value for finding in diagnosis.findings}


async def wrong(cases: list[Case], tls: ssl.SSLContext | None = None) -> dict[str, tuple[set[str], set[str]]]:
    """Return, for each case that is not diagnosed as expected, what was expected and what was found."""
    slots = asyncio.Semaphore(CONCURRENT)

    async def one(case: Case) -> set[str]:
        async with slots:
            return await codes(case, tls)

    found = await asyncio.gather(*(one(case) for case in cases))
    return {case.name: (case.expected, got) for case, got in zip(cases, found, strict=True) if got != case.expected}


async def test_every_wrong_setting_is_named_and_no_right_one(
    serve: ServeApp, tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_MAX_CONCURRENT", 100)
    server, twin = await serve(**SETTINGS), await serve(**SETTINGS)
    suspicious = await serve(**SETTINGS, ROOMCAST_TRUSTED_PROXIES="10.9.9.9")
    cases = [
        Case("no proxy", server.url, set()),
        *nginx_cases(server, suspicious, tmp_path, stack),
        *haproxy_cases(server, twin, tmp_path, stack),
        *caddy_cases(server, tmp_path, stack),
    ]
    assert await wrong(cases) == {}
    assert len(set().union(*(case.expected for case in cases))) >= 18
    async with Api(server, token("alice")) as alice:
        assert (await alice.list()).body["uploads"] == []


async def test_configurations_of_the_folder_deploy_have_no_findings(
    serve: ServeApp, tmp_path: Path, stack: ExitStack
) -> None:
    server = await serve(**SETTINGS)
    folder = tmp_path / "certificates"
    folder.mkdir()
    signer = authority(folder)
    certificate, tls = signer.sign(folder), ssl.create_default_context(cafile=str(signer.certificate.path))
    for name in FILES:
        url = stack.enter_context(running_proxy(name, tmp_path / name, certificate, server.port))
        assert await wrong([Case(name, url, set())], tls) == {}


async def test_server_that_cannot_be_diagnosed_is_an_error(serve: ServeApp) -> None:
    server = await serve(**SETTINGS)
    for url, sent, code in (
        (f"http://127.0.0.1:{free_port()}", None, NETWORK),
        (f"{server.url}", None, Code.UNAUTHENTICATED),
        (f"{server.url}", "garbage", Code.UNAUTHENTICATED),
    ):
        with pytest.raises(ClientError) as raised:
            await diagnose(url, token=sent, wait_seconds=1)
        assert raised.value.code == code
    with pytest.raises(ValueError, match="must begin with http"):
        await diagnose("films.example.com")
