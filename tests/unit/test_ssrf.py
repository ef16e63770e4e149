"""The addresses that webhooks may connect to: public ones only, in whatever notation."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.assemblies.webhooks.ssrf import NotPublic, is_public, public_socket

NOT_PUBLIC_V4 = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.0", "192.0.0.1", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.192",
    "192.0.0.255", "192.88.99.1", "168.63.129.16", "100.100.100.200",
    "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
NOT_PUBLIC_V6 = [
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fd00:ec2::254", "fec0::1", "feff::1", "ff02::1",
    "ff0e::1", "2001:db8::1", "100::1", "::127.0.0.1", "::10.0.0.1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1",
    "64:ff9b::169.254.169.254", "64:ff9b::192.0.0.192", "64:ff9b:1::8.8.8.8", "2002:a9fe:a9fe::1", "2002:808:808::1",
    "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "3ffe::1", "3fff::1", "5f00::1", "4000::1", "e000::1",
    "2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:192.0.0.192",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "192.0.1.1", "168.63.129.17", "2606:4700:4700::1111", "2001:200::1",
    "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00:1450::5efe:8.8.8.8",
]  # fmt: skip

ADDRESSES_V4 = st.integers(0, 2**32 - 1).map(IPv4Address)

MAPPED, NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")


def dressed(address: IPv4Address) -> list[IPv6Address]:
    """An IPv4 address in every IPv6 dress from which packets find their way back to it."""
    bits = int(address)
    return [
        IPv6Address(0xFFFF << 32 | bits),  # mapped
        IPv6Address(bits),  # compatible
        IPv6Address(0x2002 << 112 | bits << 80),  # 6to4
        IPv6Address(0x64FF9B << 96 | bits),  # NAT64
        IPv6Address(0x20010000 << 96 | bits ^ 0xFFFFFFFF),  # Teredo, which turns the bits of the client around
    ]


@pytest.mark.parametrize("address", NOT_PUBLIC_V4 + NOT_PUBLIC_V6)
def test_an_address_outside_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_public(address)


@given(st.sampled_from(NOT_PUBLIC_V4).map(IPv4Address) | ADDRESSES_V4.filter(lambda address: address.is_private))
def test_a_private_address_inside_an_ipv6_address_is_refused(address: IPv4Address) -> None:
    assert [other for other in dressed(address) if is_public(str(other))] == []


@given(ADDRESSES_V4)
def test_another_notation_of_an_address_is_checked_the_same(address: IPv4Address) -> None:
    mapped, *_ = dressed(address)
    assert (
        is_public(str(mapped)) == is_public(str(IPv6Address(0x64FF9B << 96 | int(address)))) == is_public(str(address))
    )


@given(ADDRESSES_V4 | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_every_address_that_python_calls_private_is_refused(address: IPv4Address | IPv6Address) -> None:
    inner = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    merely_written = isinstance(address, IPv6Address) and (address in MAPPED or address in NAT64)
    assert merely_written or not (inner and is_public(str(address)))


def test_the_address_of_the_connection_is_checked() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    with pytest.raises(NotPublic):
        public_socket((*info, ("127.0.0.1", 80)))
    public_socket((*info, ("1.1.1.1", 80))).close()
