"""Forwarded headers: which peers may name a client, and what hostile ones change."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from roomcast.forwarded import ForwardedRequest, TrustedProxies, forwarded_elements, joined_headers
from roomcast.settings.server import ServerSettings

NEAR, FAR, CLIENT = "10.0.0.2", "192.168.7.7", "203.0.113.9"
PROXIES = TrustedProxies(["10.0.0.0/8", "192.168.7.7", "fd00::/8"])


def resolved(proxies: TrustedProxies, peer: str, *headers: tuple[str, str]) -> ForwardedRequest:
    return proxies.resolve(peer, joined_headers(CIMultiDict(headers)))


@pytest.mark.parametrize("peer", [NEAR, FAR, "::ffff:10.1.1.1", "fd00::7", "fd00::7%eth0"])
def test_headers_of_a_trusted_proxy_name_the_client_and_its_request(peer: str) -> None:
    sent = [
        ("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "HTTPS"), ("X-Forwarded-Host", "Films.example"),
        ("X-Forwarded-Prefix", "/media/"),
    ]  # fmt: skip
    assert resolved(PROXIES, peer, *sent) == ForwardedRequest(CLIENT, "https", "films.example", "/media")


@pytest.mark.parametrize("peer", [CLIENT, "11.0.0.2", "::1", "", "unix", "10.0.0.2.evil.example"])
@pytest.mark.parametrize("header", [("X-Forwarded-For", "198.51.100.1"), ("Forwarded", "for=198.51.100.1;proto=https")])
def test_headers_of_any_other_peer_change_nothing(peer: str, header: tuple[str, str]) -> None:
    assert resolved(PROXIES, peer, header, ("X-Forwarded-Prefix", "/x")) == ForwardedRequest(peer)


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (f"198.51.100.66, {CLIENT}", CLIENT),
        (f"198.51.100.66, {CLIENT}, {FAR}", CLIENT),
        (f"127.0.0.1, {CLIENT}, {FAR}, 10.9.9.9", CLIENT),
        (f"{CLIENT}:51234", CLIENT),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("2001:DB8::7", "2001:db8::7"),
        (f"{FAR}, 10.9.9.9", FAR),
        (f"garbage, {FAR}", FAR),
        (f"{CLIENT}, unknown", NEAR),
        (f"{CLIENT}, _hidden", NEAR),
        ("999.1.1.1", NEAR),
        ("", NEAR),
        (",,,", NEAR),
    ],
)
def test_client_is_the_last_address_that_is_no_trusted_proxy(chain: str, client: str) -> None:
    assert resolved(PROXIES, NEAR, ("X-Forwarded-For", chain)).address == client


def test_address_that_a_proxy_adds_in_a_header_of_its_own_counts_before_the_clients() -> None:
    sent = [("X-Forwarded-For", "198.51.100.66"), ("X-Forwarded-For", CLIENT)]
    assert resolved(PROXIES, NEAR, *sent).address == CLIENT


def test_asterisk_trusts_the_peer_and_nobody_behind_it() -> None:
    everybody = TrustedProxies(["*"])
    assert resolved(everybody, "", ("X-Forwarded-For", f"198.51.100.66, {CLIENT}")).address == CLIENT


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("for=192.0.2.60;proto=http;by=203.0.113.43", [{"for": "192.0.2.60", "proto": "http", "by": "203.0.113.43"}]),
        ('For="[2001:db8:cafe::17]:4711"', [{"for": "[2001:db8:cafe::17]:4711"}]),
        ("for=192.0.2.43, for=198.51.100.17", [{"for": "192.0.2.43"}, {"for": "198.51.100.17"}]),
        ('for="_a,b;c=d\\""; host=x', [{"for": '_a,b;c=d"', "host": "x"}]),
        ("", []),
        (";;, ,=", []),
        ('for="unclosed', []),
    ],
)
def test_forwarded_header_of_rfc_7239_is_parsed(value: str, elements: list[dict[str, str]]) -> None:
    assert forwarded_elements(value) == elements


def test_forwarded_header_counts_where_there_is_no_x_forwarded_one() -> None:
    forwarded = ("Forwarded", f'for=198.51.100.66, for="{CLIENT}:80";proto=https;host=films.example')
    assert resolved(PROXIES, NEAR, forwarded).address == CLIENT
    first = ("Forwarded", f"for={CLIENT};proto=https;host=films.example, for={FAR}")
    assert resolved(PROXIES, NEAR, first) == ForwardedRequest(CLIENT, "https", "films.example")
    assert resolved(PROXIES, NEAR, first, ("X-Forwarded-For", "198.51.100.7")) == ForwardedRequest("198.51.100.7")


@pytest.mark.parametrize("prefix", ["media", "//evil.example", "/a/../b", "/..", "/a b", "/a?b", "/a\\b", "/%2e", "/"])
def test_prefix_that_is_no_plain_path_is_ignored(prefix: str) -> None:
    assert resolved(PROXIES, NEAR, ("X-Forwarded-Prefix", prefix)).prefix == ""


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_header_leaves_an_address(chain: str, forwarded: str) -> None:
    found = resolved(PROXIES, NEAR, ("X-Forwarded-For", chain), ("Forwarded", forwarded))
    ipaddress.ip_address(found.address)
    ipaddress.ip_address(resolved(PROXIES, NEAR, ("Forwarded", forwarded)).address)


def test_setting_names_addresses_and_networks_and_refuses_other_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DYNO", raising=False)
    assert ServerSettings().trusted_proxies == ["127.0.0.0/8", "::1"]
    assert ServerSettings.model_validate({"trusted_proxies": "10.0.0.7, 10.1.0.0/16,"}).trusted_proxies == [
        "10.0.0.7",
        "10.1.0.0/16",
    ]
    for entry in ("proxy.example", "10.0.0.7/8", "10.0.0"):
        with pytest.raises(ValueError, match="neither an address nor a network"):
            ServerSettings(trusted_proxies=[entry])
    monkeypatch.setenv("DYNO", "web.1")
    assert ServerSettings().trusted_proxies == ["*"]
