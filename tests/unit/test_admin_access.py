"""Which requests count as coming from this machine."""

from __future__ import annotations

import pytest
from roomcast.http.admin.access import is_local_request

HERE = {"Host": "127.0.0.1:8000"}


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "app.localhost:8000"]
)
def test_request_from_this_machine_to_a_loopback_name_is_local(peer: str, host: str) -> None:
    assert is_local_request(peer, {"Host": host})
    assert is_local_request(peer, {"Host": host, "Origin": f"http://{host}"})


@pytest.mark.parametrize("peer", ["10.0.0.7", "192.168.0.2", "::ffff:10.0.0.7", "fe80::1", "2001:db8::1", "", None])
def test_request_from_another_address_is_not_local(peer: str | None) -> None:
    assert not is_local_request(peer, HERE)


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded", "forwarded", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Host", "X-Real-IP", "Via",
        "X-Original-Forwarded-For", "X-Client-IP", "Client-IP", "X-Cluster-Client-IP", "X-Originating-IP",
        "X-Remote-Addr", "X-ProxyUser-IP", "WL-Proxy-Client-IP", "Proxy-Client-IP", "Ali-CDN-Real-IP",
        "Incap-Client-IP",
        "CF-Connecting-IP", "CF-Ray", "CDN-Loop", "True-Client-IP", "Fastly-Client-IP", "Fly-Client-IP", "Fly-Region",
        "DO-Connecting-IP", "X-Envoy-External-Address", "X-Amz-Cf-Id", "X-Amzn-Trace-Id", "X-Azure-ClientIP",
        "X-AppEngine-User-IP", "X-Vercel-Id", "X-NF-Client-Connection-IP", "X-Sucuri-ClientIP", "X-ARR-SSL",
        "Tailscale-User-Login", "X-Cloud-Trace-Context", "X-Request-Start", "X-Scheme", "X-Original-Host",
    ],
)  # fmt: skip
def test_request_through_a_proxy_is_not_local(header: str) -> None:
    assert not is_local_request("127.0.0.1", {**HERE, header: "127.0.0.1"})


def test_what_a_browser_sends_besides_is_local() -> None:
    sent = [
        "Accept", "Accept-Language", "Cache-Control", "Cookie", "DNT", "Sec-Fetch-Site", "Sec-CH-UA-Platform",
        "Upgrade-Insecure-Requests", "User-Agent", "X-Requested-With", "Last-Event-ID", "Priority", "Range",
    ]  # fmt: skip
    assert is_local_request("127.0.0.1", {**HERE, **dict.fromkeys(sent, "1"), "Origin": "http://127.0.0.1:8000"})


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.7", "", "["],
)
def test_request_to_a_name_that_resolves_to_this_machine_is_not_local(host: str) -> None:
    assert not is_local_request("127.0.0.1", {"Host": host})


def test_request_without_a_host_is_not_local() -> None:
    assert not is_local_request("127.0.0.1", {})


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:3000", "https://127.0.0.1:8000"])
def test_request_of_another_sites_page_is_not_local(origin: str) -> None:
    assert not is_local_request("127.0.0.1", {**HERE, "Origin": origin})
