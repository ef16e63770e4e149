"""Webhook requests to a real receiver: limits of time and size, refused addresses, repeated attempts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from roomcast.assemblies.delivery import (
    GIVE_UP_SECONDS,
    Delivery,
    reset_delivery,
)
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.assemblies.webhooks.deliverer import Deliverer
from roomcast.assemblies.webhooks.sender import Sender
from roomcast.errors import NotFound
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.templates import Template, Templates, Webhook

from tests.support.deliveries import delivery
from tests.support.ledgers import Clock
from tests.support.receiver import SECRET, Receiver

KEY = SECRET.encode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    sender = Sender(private=True, seconds=60.0)
    yield sender
    await sender.close()


async def test_the_exact_body_is_received_with_its_headers(receiver: Receiver, sender: Sender) -> None:
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b'{"a": 1}')
    assert (attempt.status, attempt.error, attempt.delivered) == (200, None, True)
    (received,) = receiver.received
    assert received.body == b'{"a": 1}'
    assert received.headers["Content-Type"] == "application/json"
    assert received.delivery == "delivery_1"
    received.check_signatures()


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 500, 503])
async def test_a_response_other_than_2xx_is_a_failed_attempt(receiver: Receiver, sender: Sender, status: int) -> None:

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": receiver.url + "/elsewhere"})

    receiver.answer = answer
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b"{}")
    assert (attempt.status, attempt.delivered) == (status, False)
    assert len(receiver.received) == 1, "a redirect was followed"


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
    assert receiver.received == []


async def test_a_refused_address_is_named_as_the_error(receiver: Receiver) -> None:
    sender = Sender(private=False)
    attempt = await sender.send(Webhook(receiver.url, KEY), "delivery_1", b"{}")
    await sender.close()
    assert attempt.error == "The receiver's address is not on the public Internet."


async def test_an_unknown_host_name_is_a_failed_attempt(sender: Sender) -> None:
    attempt = await sender.send(Webhook("http://no-such-host.invalid/", KEY), "delivery_1", b"{}")
    assert (attempt.status, attempt.error) == (None, "The receiver's host name could not be resolved.")


class Scene:
    """A deliverer over real records, in a time of its own."""

    def __init__(self, path: Path, clock: Clock, url: str, *, secret: bytes = KEY) -> None:
        self.clock = clock
        self.ledger = SqliteLedger(path)
        self.records = SqliteRecordStore(self.ledger.database, "deliveries", Delivery, clock=clock)
        templates = Templates(
            {"auto": Template(name="auto", webhook_url=url, webhook_secret=SecretStr(secret.decode()))} if url else {}
        )
        self.sender = Sender(private=True, seconds=60.0, clock=clock)
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
    assert len(receiver.received) == len(now.attempts) == scene.counted("failed")
    assert {received.delivery for received in receiver.received} == {first.id}
    await scene.tried()
    assert len(receiver.received) == len(now.attempts), "a dead one is not sent again"
    receiver.answer = receiver.thank
    await scene.records.update(first.id, lambda one: reset_delivery(one, scene.clock()))
    await scene.tried()
    assert (await scene.records.get(first.id)).status == "delivered"


async def test_an_ended_delivery_is_deleted_after_its_retention(scene: Scene) -> None:
    first = delivery(scene.clock)
    await scene.records.add(first)
    await scene.tried()
    delivered = await scene.records.get(first.id)
    assert delivered.status == "delivered"
    assert delivered.due_at is not None
    assert delivered.due_at >= scene.clock.now + 100.0
    scene.clock.now = delivered.due_at
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
