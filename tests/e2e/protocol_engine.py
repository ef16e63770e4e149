"""What Engine.IO asks of a server: revision 4 of github.com/socketio/engine.io-protocol, its sections "Handshake",
"Heartbeat", "Upgrade", "Message", "Transports" and "Packet encoding"."""

from __future__ import annotations

import asyncio
import json

from tests.e2e.protocol_client import SEPARATOR, Cases, Client
from tests.e2e.protocol_server import LARGEST_BYTES, PING_SECONDS, PONG_SECONDS

KEYS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}

ENGINE = Cases()
HEARTBEAT = Cases()


def _is_handshake(packet: str, upgrades: list[str]) -> None:
    assert packet[0] == "0"
    handshake = json.loads(packet[1:])
    assert handshake.keys() >= KEYS
    assert isinstance(handshake["sid"], str)
    assert handshake["upgrades"] == upgrades
    pauses = round(handshake["pingInterval"]), round(handshake["pingTimeout"])
    assert pauses == (round(PING_SECONDS["engine"] * 1000), round(PONG_SECONDS["engine"] * 1000))
    assert handshake["maxPayload"] == LARGEST_BYTES


# --- handshake -------------------------------------------------------------------------------------------------------


@ENGINE
async def polling_opens_a_session(client: Client) -> None:
    status, text = await client.ask(EIO="4", transport="polling")
    assert status == 200
    _is_handshake(text, ["websocket"])


@ENGINE
async def polling_without_a_version_is_refused(client: Client) -> None:
    assert (await client.ask(transport="polling"))[0] == 400


@ENGINE
async def polling_with_an_unknown_version_is_refused(client: Client) -> None:
    assert (await client.ask(EIO="abc", transport="polling"))[0] == 400


@ENGINE
async def polling_without_a_transport_is_refused(client: Client) -> None:
    assert (await client.ask(EIO="4"))[0] == 400


@ENGINE
async def polling_with_an_unknown_transport_is_refused(client: Client) -> None:
    assert (await client.ask(EIO="4", transport="abc"))[0] == 400


@ENGINE
async def a_post_opens_no_session(client: Client) -> None:
    assert (await client.ask("POST", "", EIO="4", transport="polling"))[0] == 400


@ENGINE
async def a_put_opens_no_session(client: Client) -> None:
    assert (await client.ask("PUT", "", EIO="4", transport="polling"))[0] in (400, 405)


@ENGINE
async def an_unknown_session_is_refused(client: Client) -> None:
    assert (await client.poll("unknown"))[0] == 400


@ENGINE
async def a_websocket_opens_a_session(client: Client) -> None:
    async with client.wire(EIO="4", transport="websocket") as wire:
        _is_handshake(await wire.hear(), [])


@ENGINE
async def a_websocket_without_a_version_is_refused(client: Client) -> None:
    await client.refused(transport="websocket")


@ENGINE
async def a_websocket_with_an_unknown_version_is_refused(client: Client) -> None:
    await client.refused(EIO="abc", transport="websocket")


@ENGINE
async def a_websocket_with_an_unknown_transport_is_refused(client: Client) -> None:
    await client.refused(EIO="4", transport="abc")


@ENGINE
async def a_websocket_for_an_unknown_session_is_refused(client: Client) -> None:
    await client.refused(EIO="4", transport="websocket", sid="unknown")


# --- message, transports, packet encoding ----------------------------------------------------------------------------


@ENGINE
async def polling_brings_a_text_back(client: Client) -> None:
    sid = await client.polling()
    await client.push(sid, "4hello")
    assert await client.polled(sid) == ["4hello"]


@ENGINE
async def polling_brings_several_texts_back(client: Client) -> None:
    sid = await client.polling()
    packets = ["4test1", "4test2", "4test3"]
    await client.push(sid, SEPARATOR.join(packets))
    assert await client.polled(sid, 3) == packets


@ENGINE
async def polling_brings_text_and_bytes_back(client: Client) -> None:
    sid = await client.polling()
    packets = ["4hello", "bAQIDBA=="]
    await client.push(sid, SEPARATOR.join(packets))
    assert await client.polled(sid, 2) == packets


@ENGINE
async def polling_brings_letters_of_every_kind_back(client: Client) -> None:
    sid = await client.polling()
    await client.push(sid, "4é€😀".encode())
    assert await client.polled(sid) == ["4é€😀"]


@ENGINE
async def what_is_no_packet_ends_a_polling_session(client: Client) -> None:
    sid = await client.polling()
    assert (await client.poll(sid, "abc"))[0] == 400
    assert (await client.poll(sid))[0] == 400


@ENGINE
async def a_payload_that_is_too_large_is_refused(client: Client) -> None:
    sid = await client.polling()
    assert (await client.poll(sid, "4" + "x" * LARGEST_BYTES))[0] in (400, 413)


@ENGINE
async def two_polls_at_once_end_a_session(client: Client) -> None:
    sid = await client.polling()
    answers = await asyncio.gather(client.poll(sid), client.poll(sid))
    assert max(status for status, _ in answers) in (400, 500)
    assert (await client.poll(sid))[0] == 400


@ENGINE
async def a_websocket_brings_a_text_back(client: Client) -> None:
    async with client.engine() as wire:
        await wire.say("4hello")
        assert await wire.hear() == "4hello"


@ENGINE
async def a_websocket_brings_bytes_back(client: Client) -> None:
    async with client.engine() as wire:
        await wire.say(bytes([1, 2, 3, 4]))
        assert await wire.hear() == bytes([1, 2, 3, 4])


@ENGINE
async def a_websocket_keeps_the_order_of_many(client: Client) -> None:
    async with client.engine() as wire:
        packets: list[str | bytes] = [f"4{number}" if number % 3 else bytes([number]) for number in range(100)]
        await wire.say(*packets)
        assert [await wire.hear() for _ in packets] == packets


@ENGINE
async def what_is_no_packet_ends_a_websocket(client: Client) -> None:
    async with client.engine() as wire:
        await wire.say("abc")
        await wire.closed()


# --- heartbeat -------------------------------------------------------------------------------------------------------


@HEARTBEAT
async def polling_is_pinged_as_long_as_it_answers(client: Client) -> None:
    sid = await client.polling()
    for _ in range(2):
        assert await client.poll(sid) == (200, "2")
        await client.push(sid, "3")


@HEARTBEAT
async def polling_that_answers_no_ping_is_over(client: Client) -> None:
    sid = await client.polling()
    assert await client.poll(sid) == (200, "2")
    while (await client.poll(sid))[0] == 200:
        pass


@HEARTBEAT
async def a_websocket_is_pinged_as_long_as_it_answers(client: Client) -> None:
    async with client.engine() as wire:
        for _ in range(2):
            assert await wire.hear(over=()) == "2"
            await wire.say("3")


@HEARTBEAT
async def a_websocket_that_answers_no_ping_is_closed(client: Client) -> None:
    async with client.engine() as wire:
        assert await wire.hear(over=()) == "2"
        await wire.closed()


# --- close, upgrade --------------------------------------------------------------------------------------------------


@ENGINE
async def a_polling_session_ends_when_its_client_says_so(client: Client) -> None:
    sid = await client.polling()
    poll = await client.waiting_poll(sid)
    await client.push(sid, "1")
    assert await poll == (200, "6")
    assert (await client.poll(sid))[0] == 400


@ENGINE
async def a_websocket_ends_when_its_client_says_so(client: Client) -> None:
    async with client.engine() as wire:
        await wire.say("1")
        await wire.closed()


@ENGINE
async def polling_becomes_a_websocket(client: Client) -> None:
    async with client.upgrading() as (sid, wire):
        assert await client.poll(sid) == (200, "6")
        await wire.say("5", "4hello")
        assert await wire.hear() == "4hello"


@ENGINE
async def a_poll_under_way_is_ended_by_the_upgrade(client: Client) -> None:
    sid = await client.polling()
    poll = await client.waiting_poll(sid)
    async with client.wire(EIO="4", transport="websocket", sid=sid) as wire:
        await wire.say("2probe")
        assert await wire.hear() == "3probe"
        assert await poll == (200, "6")
        await wire.say("5", "4hello")
        assert await wire.hear() == "4hello"


@ENGINE
async def a_session_that_was_upgraded_is_polled_no_more(client: Client) -> None:
    async with client.upgrading() as (sid, wire):
        await wire.say("5", "4hello")
        assert await wire.hear() == "4hello"
        assert (await client.poll(sid))[0] == 400


@ENGINE
async def a_session_that_was_upgraded_gets_no_second_websocket(client: Client) -> None:
    async with client.upgrading() as (sid, wire):
        await wire.say("5", "4hello")
        assert await wire.hear() == "4hello"
        await client.refused(EIO="4", transport="websocket", sid=sid)
