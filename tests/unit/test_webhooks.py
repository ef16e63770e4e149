"""Webhooks: allowed addresses, signatures, attempts, backoff and retention."""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from roomcast.assemblies.model import Submission, SubmittedFile
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.assemblies.webhooks.deliverer import Deliverer
from roomcast.assemblies.webhooks.delivery import (
    GIVE_UP_SECONDS,
    Attempt,
    Delivery,
    new_delivery,
    record_attempt,
    reset_delivery,
)
from roomcast.assemblies.webhooks.sender import Sender, signature_headers
from roomcast.assemblies.webhooks.ssrf import NotPublic, is_public, public_socket
from roomcast.errors import LeaseLost, NotFound
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.templates import Template, Templates, Webhook

from tests.integration.contract.ledgers import Clock, fresh
from tests.support.receiver import SECRET, Receiver

KEY = SECRET.encode()

NOT_PUBLIC_V4 = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
NOT_PUBLIC_V6 = ["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "100::1"]
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]

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


@given(st.binary(max_size=200), st.integers(0, 2**33))
def test_both_signatures_verify(body: bytes, now: int) -> None:
    sent = signature_headers(KEY, body, "delivery_1", now)
    assert sent["X-Transflow-Signature"] == "sha256=" + hmac.digest(KEY, body, "sha256").hex()
    time_part, signature = sent["X-Roomcast-Signature"].split(",")
    assert time_part == f"t={now}"
    timed = hmac.new(KEY, str(now).encode() + b"." + body, hashlib.sha256)
    assert signature == f"v1={timed.hexdigest()}"
    assert sent["X-Roomcast-Delivery"] == "delivery_1"


# One request


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    sender = Sender(private=True, seconds=1.0)
    yield sender
    await sender.close()


async def test_the_exact_body_is_received_with_its_headers(receiver: Receiver, sender: Sender) -> None:
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b'{"a": 1}')
    assert (attempt.status, attempt.error, attempt.delivered) == (200, None, True)
    (heard,) = receiver.heard
    assert heard.body == b'{"a": 1}'
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.delivery == "delivery_1"
    heard.check_signatures()


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 500, 503])
async def test_a_response_other_than_2xx_is_a_failed_attempt(receiver: Receiver, sender: Sender, status: int) -> None:

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": receiver.url + "/elsewhere"})

    receiver.answer = answer
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b"{}")
    assert (attempt.status, attempt.delivered) == (status, False)
    assert len(receiver.heard) == 1, "a redirect was followed"


async def test_a_receiver_that_does_not_respond_times_out(receiver: Receiver) -> None:

    receiver.answer = receiver.hang
    sender = Sender(private=True, seconds=0.2)
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b"{}")
    await sender.close()
    assert (attempt.status, attempt.error) == (None, "The receiver did not respond in time.")


async def test_a_lost_connection_is_a_failed_attempt(receiver: Receiver, sender: Sender) -> None:

    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    receiver.answer = hang_up
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b"{}")
    assert (attempt.status, attempt.error) == (None, "The connection to the receiver was lost.")


async def test_an_endless_response_is_cut_off(receiver: Receiver, sender: Sender) -> None:
    sent = 0

    async def talk(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 1 << 30:
            await response.write(bytes(1 << 20))
            sent += 1 << 20
        return response

    receiver.answer = talk
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b"{}")
    assert attempt.delivered
    assert sent < 1 << 26


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_no_notation_of_the_local_host_is_reached(receiver: Receiver, host: str) -> None:
    sender = Sender(private=False)
    attempt = await sender.send(Webhook(receiver.url.replace("127.0.0.1", host), KEY), "delivery_1", b"{}")
    await sender.close()
    assert (attempt.status, attempt.delivered) == (None, False)
    assert receiver.heard == []


async def test_a_refused_address_is_named_as_the_error(receiver: Receiver) -> None:
    sender = Sender(private=False)
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b"{}")
    await sender.close()
    assert attempt.error == "The receiver's address is not on the public Internet."


async def test_an_unknown_host_name_is_a_failed_attempt(sender: Sender) -> None:
    attempt = await sender.send(Webhook("http://no-such-host.invalid/", KEY), "delivery_1", b"{}")
    assert (attempt.status, attempt.error) == (None, "The receiver's host name could not be resolved.")


# When it is tried again, and when it is given up


def delivery(clock: Clock) -> Delivery:
    upload = fresh(clock)
    submission = Submission(
        id="submission_1",
        group="a" * 64,
        created_at=clock(),
        due_at=None,
        owner="ada",
        files=(SubmittedFile(upload.id, "file"),),
        closed=True,
    )
    return new_delivery(submission, [upload], {"ok": True}, clock())


def failure(clock: Clock) -> Attempt:
    return Attempt(clock(), 0.0, 500, None)


def test_the_same_outcome_has_the_same_delivery_id(clock: Clock) -> None:
    upload = fresh(clock)
    submission = Submission(
        id="s", group="a", created_at=0, due_at=None, owner="ada", files=(SubmittedFile(upload.id, "f"),), closed=True
    )
    first, later = (new_delivery(submission, [upload], {}, now) for now in (1.0, 2.0))
    assert first.id == later.id
    assert new_delivery(submission, [fresh(clock)], {}, 1.0).id != first.id


@given(st.lists(st.floats(0, 1), min_size=60, max_size=60))
def test_delays_double_up_to_an_hour_until_a_day_has_passed(jitters: list[float]) -> None:
    clock = Clock()
    one = delivery(clock)
    began, pauses = clock(), []
    for jitter in jitters:
        one = record_attempt(one, one, failure(clock), jitter=jitter, retention_seconds=100.0)
        assert one.due_at is not None
        if one.status == "dead":
            break
        pauses.append(one.due_at - clock())
        clock.now = one.due_at
    assert one.status == "dead"
    assert one.due_at == clock() + 100.0, "kept for a while, and then to be forgotten"
    assert clock() - began <= GIVE_UP_SECONDS
    assert clock() - began > GIVE_UP_SECONDS - 2 * 3600
    rounding = 1e-6
    for number, waited in enumerate(pauses):
        least = min(3600, 5 * 2**number)
        assert least - rounding <= waited <= least * 1.25 + rounding


def test_a_successful_attempt_completes_the_delivery(clock: Clock) -> None:
    one = delivery(clock)
    done = record_attempt(one, one, Attempt(clock(), 0.5, 204, None), jitter=0.0, retention_seconds=100.0)
    assert (done.status, len(done.attempts), done.due_at) == ("delivered", 1, clock() + 0.5 + 100.0)


def test_an_attempt_of_an_expired_claim_is_not_recorded(clock: Clock) -> None:
    taken = delivery(clock)
    taken_again = reset_delivery(taken, clock())
    with pytest.raises(LeaseLost):
        record_attempt(
            Delivery(**{**vars(taken_again), "revision": 2}), taken, failure(clock), jitter=0.0, retention_seconds=1.0
        )


def test_a_replay_starts_a_new_day_of_attempts(clock: Clock) -> None:
    one = delivery(clock)
    while one.status != "dead":
        one = record_attempt(one, one, failure(clock), jitter=0.0, retention_seconds=100.0)
        clock.now = one.due_at or 0.0
    again = reset_delivery(one, clock())
    assert (again.status, again.due_at, again.attempts) == ("pending", clock(), one.attempts)
    tried = record_attempt(again, again, failure(clock), jitter=0.0, retention_seconds=100.0)
    assert (tried.status, tried.due_at) == ("pending", clock() + 5), "it begins with short pauses again"


class Scene:
    """A deliverer over real records, in a time of its own."""

    def __init__(self, path: Path, clock: Clock, url: str, *, secret: bytes = KEY) -> None:
        self.clock = clock
        self.ledger = SqliteLedger(path)
        self.records = SqliteRecordStore(self.ledger.database, "deliveries", Delivery, clock=clock)
        templates = Templates(
            {"auto": Template(name="auto", webhook_url=url, webhook_secret=SecretStr(secret.decode()))} if url else {}
        )
        self.sender = Sender(private=True, clock=clock)
        self.registry = CollectorRegistry()
        self.deliverer = Deliverer(
            self.records, templates, self.sender, lambda body: body, retention_seconds=100.0, registry=self.registry
        )

    def counted(self, outcome: str) -> float | None:
        """What the metrics say of the attempts."""
        return self.registry.get_sample_value("roomcast_webhook_attempts_total", {"outcome": outcome})

    async def tried(self) -> None:
        """One try of whatever is due."""
        for one in await self.records.claim_due(limit=10, seconds=30.0):
            await self.deliverer.deliver(one)

    async def close(self) -> None:
        await self.sender.close()
        await self.ledger.close()


@pytest.fixture
async def scene(tmp_path: Path, clock: Clock, receiver: Receiver) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "records.sqlite3", clock, receiver.url)
    yield scene
    await scene.close()


async def test_a_delivery_is_dead_after_a_day_of_failures(scene: Scene, receiver: Receiver) -> None:
    receiver.answer = receiver.fail
    first = delivery(scene.clock)
    await scene.records.add(first)
    began = scene.clock()
    while (now := await scene.records.get(first.id)).status == "pending":
        assert now.due_at is not None
        scene.clock.now = now.due_at
        await scene.tried()
    assert now.status == "dead"
    assert scene.clock() - began <= GIVE_UP_SECONDS
    assert len(receiver.heard) == len(now.attempts) == scene.counted("failed")
    assert {heard.delivery for heard in receiver.heard} == {first.id}
    await scene.tried()
    assert len(receiver.heard) == len(now.attempts), "a dead one is not sent again"
    receiver.answer = receiver.thank
    await scene.records.update(first.id, lambda one: reset_delivery(one, scene.clock()))
    await scene.tried()
    assert (await scene.records.get(first.id)).status == "delivered"


async def test_an_ended_delivery_is_deleted_after_its_retention(scene: Scene) -> None:
    first = delivery(scene.clock)
    await scene.records.add(first)
    await scene.tried()
    assert (await scene.records.get(first.id)).status == "delivered"
    scene.clock.now += 101.0
    await scene.tried()
    with pytest.raises(NotFound):
        await scene.records.get(first.id)


async def test_a_template_without_a_webhook_fails_the_attempt(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    scene = Scene(tmp_path / "records.sqlite3", clock, "")
    first = delivery(clock)
    await scene.records.add(first)
    await scene.tried()
    (attempt,) = (await scene.records.get(first.id)).attempts
    assert attempt.error == "The template has no webhook any more."
    await scene.close()
