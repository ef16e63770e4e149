"""Cases of the Engine.IO protocol: revision 4 of github.com/socketio/engine.io-protocol, its sections "Handshake",
"Heartbeat", "Upgrade", "Message", "Transports" and "Packet encoding"."""

from __future__ import annotations

import asyncio
import json

from tests.support.protocol.client import SEPARATOR, Cases, Client
from tests.support.protocol.server import LARGEST_BYTES, PING_SECONDS, PONG_SECONDS

KEYS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}

ENGINE = Cases()
HEARTBEAT = Cases()


def _is_handshake(packet: str, upgrades: list[str]) -> None:
    assert packet[0] == "0"
    handshake = json.loads(packet[1:])
    assert handshake.keys() >= KEYS
    assert isinstance(handshake["sid"], str)
    assert handshake["upgrades"] == upgrades
    intervals = round(handshake["pingInterval"]), round(handshake["pingTimeout"])
    assert intervals == (round(PING_SECONDS["engine"] * 1000), round(PONG_SECONDS["engine"] * 1000))
    assert handshake["maxPayload"] == LARGEST_BYTES


# --- handshake -------------------------------------------------------------------------------------------------------


@ENGINE
async def polling_get_opens_a_session(client: Client) -> None:
    status, text = await client.request(EIO="4", transport="polling")
    assert status == 200
    _is_handshake(text, ["websocket"])


@ENGINE
async def polling_without_a_version_is_refused(client: Client) -> None:
    assert (await client.request(transport="polling"))[0] == 400


@ENGINE
async def polling_with_an_unknown_version_is_refused(client: Client) -> None:
    assert (await client.request(EIO="abc", transport="polling"))[0] == 400


@ENGINE
async def polling_without_a_transport_is_refused(client: Client) -> None:
    assert (await client.request(EIO="4"))[0] == 400


@ENGINE
async def polling_with_an_unknown_transport_is_refused(client: Client) -> None:
    assert (await client.request(EIO="4", transport="abc"))[0] == 400


@ENGINE
async def post_without_a_session_is_refused(client: Client) -> None:
    assert (await client.request("POST", "", EIO="4", transport="polling"))[0] == 400


@ENGINE
async def put_is_refused(client: Client) -> None:
    assert (await client.request("PUT", "", EIO="4", transport="polling"))[0] in (400, 405)


@ENGINE
async def poll_of_an_unknown_session_is_refused(client: Client) -> None:
    assert (await client.poll("unknown"))[0] == 400


@ENGINE
async def websocket_opens_a_session(client: Client) -> None:
    async with client.websocket(EIO="4", transport="websocket") as websocket:
        _is_handshake(await websocket.receive(), [])


@ENGINE
async def websocket_without_a_version_is_refused(client: Client) -> None:
    await client.assert_refused(transport="websocket")


@ENGINE
async def websocket_with_an_unknown_version_is_refused(client: Client) -> None:
    await client.assert_refused(EIO="abc", transport="websocket")


@ENGINE
async def websocket_with_an_unknown_transport_is_refused(client: Client) -> None:
    await client.assert_refused(EIO="4", transport="abc")


@ENGINE
async def websocket_for_an_unknown_session_is_refused(client: Client) -> None:
    await client.assert_refused(EIO="4", transport="websocket", sid="unknown")


# --- message, transports, packet encoding ----------------------------------------------------------------------------


@ENGINE
async def text_is_echoed_by_polling(client: Client) -> None:
    sid = await client.open_polling()
    await client.post(sid, "4hello")
    assert await client.poll_packets(sid) == ["4hello"]


@ENGINE
async def several_texts_are_echoed_by_polling(client: Client) -> None:
    sid = await client.open_polling()
    packets = ["4test1", "4test2", "4test3"]
    await client.post(sid, SEPARATOR.join(packets))
    assert await client.poll_packets(sid, 3) == packets


@ENGINE
async def text_and_bytes_are_echoed_by_polling(client: Client) -> None:
    sid = await client.open_polling()
    packets = ["4hello", "bAQIDBA=="]
    await client.post(sid, SEPARATOR.join(packets))
    assert await client.poll_packets(sid, 2) == packets


@ENGINE
async def non_ascii_text_is_echoed_by_polling(client: Client) -> None:
    sid = await client.open_polling()
    await client.post(sid, "4é€😀".encode())
    assert await client.poll_packets(sid) == ["4é€😀"]


@ENGINE
async def invalid_packet_ends_a_polling_session(client: Client) -> None:
    sid = await client.open_polling()
    assert (await client.poll(sid, "abc"))[0] == 400
    assert (await client.poll(sid))[0] == 400


@ENGINE
async def too_large_payload_is_refused(client: Client) -> None:
    sid = await client.open_polling()
    assert (await client.poll(sid, "4" + "x" * LARGEST_BYTES))[0] in (400, 413)


@ENGINE
async def concurrent_polls_end_the_session(client: Client) -> None:
    sid = await client.open_polling()
    answers = await asyncio.gather(client.poll(sid), client.poll(sid))
    assert max(status for status, _ in answers) in (400, 500)
    assert (await client.poll(sid))[0] == 400


@ENGINE
async def text_is_echoed_over_a_websocket(client: Client) -> None:
    async with client.open_websocket() as websocket:
        await websocket.send("4hello")
        assert await websocket.receive() == "4hello"


@ENGINE
async def bytes_are_echoed_over_a_websocket(client: Client) -> None:
    async with client.open_websocket() as websocket:
        await websocket.send(bytes([1, 2, 3, 4]))
        assert await websocket.receive() == bytes([1, 2, 3, 4])


@ENGINE
async def many_messages_are_echoed_in_order_over_a_websocket(client: Client) -> None:
    async with client.open_websocket() as websocket:
        packets: list[str | bytes] = [f"4{number}" if number % 3 else bytes([number]) for number in range(100)]
        await websocket.send(*packets)
        assert [await websocket.receive() for _ in packets] == packets


@ENGINE
async def invalid_packet_ends_a_websocket(client: Client) -> None:
    async with client.open_websocket() as websocket:
        await websocket.send("abc")
        await websocket.closed()


# --- heartbeat -------------------------------------------------------------------------------------------------------


@HEARTBEAT
async def polling_client_that_answers_pings_stays_connected(client: Client) -> None:
    sid = await client.open_polling()
    for _ in range(2):
        assert await client.poll(sid) == (200, "2")
        await client.post(sid, "3")


@HEARTBEAT
async def polling_client_that_answers_no_ping_is_disconnected(client: Client) -> None:
    sid = await client.open_polling()
    assert await client.poll(sid) == (200, "2")
    while (await client.poll(sid))[0] == 200:
        pass


@HEARTBEAT
async def websocket_client_that_answers_pings_stays_connected(client: Client) -> None:
    async with client.open_websocket() as websocket:
        for _ in range(2):
            assert await websocket.receive(ignored=()) == "2"
            await websocket.send("3")


@HEARTBEAT
async def websocket_client_that_answers_no_ping_is_disconnected(client: Client) -> None:
    async with client.open_websocket() as websocket:
        assert await websocket.receive(ignored=()) == "2"
        await websocket.closed()


# --- close, upgrade --------------------------------------------------------------------------------------------------


@ENGINE
async def close_packet_ends_a_polling_session(client: Client) -> None:
    sid = await client.open_polling()
    poll = await client.waiting_poll(sid)
    await client.post_after_a_poll(sid, "1")
    assert await poll == (200, "6")
    assert (await client.poll(sid))[0] == 400


@ENGINE
async def close_packet_ends_a_websocket(client: Client) -> None:
    async with client.open_websocket() as websocket:
        await websocket.send("1")
        await websocket.closed()


@ENGINE
async def polling_session_upgrades_to_a_websocket(client: Client) -> None:
    async with client.upgrading() as (sid, websocket):
        assert await client.poll(sid) == (200, "6")
        await websocket.send("5", "4hello")
        assert await websocket.receive() == "4hello"


@ENGINE
async def upgrade_ends_the_waiting_poll(client: Client) -> None:
    sid = await client.open_polling()
    poll = await client.waiting_poll(sid)
    async with client.websocket(EIO="4", transport="websocket", sid=sid) as websocket:
        await websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        assert await poll == (200, "6")
        await websocket.send("5", "4hello")
        assert await websocket.receive() == "4hello"


@ENGINE
async def poll_of_an_upgraded_session_is_refused(client: Client) -> None:
    async with client.upgrading() as (sid, websocket):
        await websocket.send("5", "4hello")
        assert await websocket.receive() == "4hello"
        assert (await client.poll(sid))[0] == 400


@ENGINE
async def second_websocket_of_an_upgraded_session_is_refused(client: Client) -> None:
    async with client.upgrading() as (sid, websocket):
        await websocket.send("5", "4hello")
        assert await websocket.receive() == "4hello"
        await client.assert_refused(EIO="4", transport="websocket", sid=sid)
