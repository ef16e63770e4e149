"""Cases of the Socket.IO protocol: revision 5 of github.com/socketio/socket.io-protocol, its sections "Connection to a
namespace", "Disconnection from a namespace", "Sending and receiving data", "Acknowledgement" and "Packet encoding"; and
what no client may do to a server by packets that the protocol does not provide for."""

from __future__ import annotations

import json

from tests.support.protocol.client import CLOSED, Cases, Client, Wire
from tests.support.protocol.engine_cases import HEARTBEAT
from tests.support.protocol.server import LARGEST_BYTES

SOCKET = Cases()


# --- connection to a namespace ---------------------------------------------------------------------------------------


async def _connects(client: Client, packet: str, response: str, greeting: str) -> None:
    async with client.open_websocket() as websocket:
        await websocket.send(packet)
        connected = await websocket.receive()
        assert connected.startswith(response)
        assert isinstance(json.loads(connected.removeprefix(response))["sid"], str)
        assert await websocket.receive() == greeting


@SOCKET
async def main_namespace_accepts_a_client(client: Client) -> None:
    await _connects(client, "40", "40", '42["auth",{}]')


@SOCKET
async def main_namespace_gets_the_auth_payload(client: Client) -> None:
    await _connects(client, '40{"token":"123"}', "40", '42["auth",{"token":"123"}]')


@SOCKET
async def custom_namespace_accepts_a_client(client: Client) -> None:
    await _connects(client, "40/custom,", "40/custom,", '42/custom,["auth",{}]')


@SOCKET
async def custom_namespace_gets_the_auth_payload(client: Client) -> None:
    await _connects(client, '40/custom,{"token":"abc"}', "40/custom,", '42/custom,["auth",{"token":"abc"}]')


@SOCKET
async def two_namespaces_share_a_connection(client: Client) -> None:
    async with client.connected() as websocket:
        await websocket.send("40/custom,")
        assert (await websocket.receive()).startswith("40/custom,")
        assert await websocket.receive() == '42/custom,["auth",{}]'
        await websocket.send('42/custom,["message",1]', '42["message",2]')
        assert await websocket.receive() == '42/custom,["message-back",1]'
        assert await websocket.receive() == '42["message-back",2]'


@SOCKET
async def unknown_namespace_is_refused(client: Client) -> None:
    async with client.open_websocket() as websocket:
        await websocket.send("40/random,")
        refusal = await websocket.receive()
        assert refusal.startswith("44/random,")
        assert json.loads(refusal.removeprefix("44/random,"))


@SOCKET
async def invalid_first_packet_ends_the_connection(client: Client) -> None:
    async with client.open_websocket() as websocket:
        await websocket.send("4abc")
        await websocket.closed()


@HEARTBEAT
async def client_in_no_namespace_is_disconnected(client: Client) -> None:
    async with client.open_websocket() as websocket:
        await websocket.closed()


@SOCKET
async def event_before_connecting_calls_no_handler(client: Client) -> None:
    async with client.open_websocket() as websocket:
        await websocket.send('42["message",1]', "40")
        received = await websocket.receive()
        assert received is CLOSED or received.startswith('40{"sid"')


# --- disconnection, data, acknowledgement, packet encoding -----------------------------------------------------------


@SOCKET
async def client_that_leaves_a_namespace_stays_in_the_main_one(client: Client) -> None:
    async with client.connected() as websocket:
        await websocket.send("40/custom,")
        assert (await websocket.receive()).startswith("40/custom,")
        assert await websocket.receive() == '42/custom,["auth",{}]'
        await websocket.send("41/custom,", '42["message","still here"]')
        assert await websocket.receive() == '42["message-back","still here"]'


@SOCKET
async def event_after_leaving_the_main_namespace_calls_no_handler(client: Client) -> None:
    async with client.connected() as websocket:
        await websocket.send("41", '42["message",1]', "40/custom,")
        received = await websocket.receive()
        assert received is CLOSED or received.startswith('40/custom,{"sid"')


@SOCKET
async def event_is_echoed(client: Client) -> None:
    async with client.connected() as websocket:
        await websocket.send('42["message",1,"2",{"3":[true]}]')
        assert await websocket.receive() == '42["message-back",1,"2",{"3":[true]}]'


@SOCKET
async def event_with_attachments_is_echoed(client: Client) -> None:
    placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
    async with client.connected() as websocket:
        await websocket.send(f'452-["message",{placeholders}]', bytes([1, 2, 3]), bytes([4, 5, 6]))
        assert await websocket.receive() == f'452-["message-back",{placeholders}]'
        assert [await websocket.receive(), await websocket.receive()] == [bytes([1, 2, 3]), bytes([4, 5, 6])]


@SOCKET
async def event_is_acknowledged(client: Client) -> None:
    async with client.connected() as websocket:
        await websocket.send('42456["message-with-ack",1,"2",{"3":[false]}]')
        assert await websocket.receive() == '43456[1,"2",{"3":[false]}]'


@SOCKET
async def event_with_attachments_is_acknowledged(client: Client) -> None:
    placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
    async with client.connected() as websocket:
        await websocket.send(f'452-789["message-with-ack",{placeholders}]', bytes([1, 2, 3]), bytes([4, 5, 6]))
        assert await websocket.receive() == f"462-789[{placeholders}]"
        assert [await websocket.receive(), await websocket.receive()] == [bytes([1, 2, 3]), bytes([4, 5, 6])]


async def _ends_connection(client: Client, *packets: str | bytes) -> None:
    async with client.connected() as websocket:
        await websocket.send_until_closed(*packets)


@SOCKET
async def unknown_packet_type_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, "4abc")


@SOCKET
async def event_that_is_not_a_list_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, "42{}")


@SOCKET
async def event_that_is_not_json_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, "42abc")


@SOCKET
async def attachment_without_an_event_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, bytes([1, 2, 3]))


@SOCKET
async def text_instead_of_an_attachment_ends_the_connection(client: Client) -> None:
    async with client.connected() as websocket:
        await websocket.send('451-["message",{"_placeholder":true,"num":0}]', '42["message",1]')
        await websocket.closed()


# --- what a client must not do ---------------------------------------------------------------------------------------


async def _calls_nothing(client: Client, *packets: str | bytes) -> None:
    """Check that the connection ends, or continues as if the packets had not been sent."""
    async with client.watched() as websocket:
        await websocket.send(*packets, '42/watched,["good",1]')
        assert await websocket.receive() in (CLOSED, '42/watched,["called","any",["good","sid",1]]')


@SOCKET
async def event_named_like_the_catch_all_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '42/watched,["*","somebody",1]')


@SOCKET
async def event_named_connect_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '42/watched,["connect","forged","forged"]')


@SOCKET
async def event_named_disconnect_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '42/watched,["disconnect","forged"]')


@SOCKET
async def reserved_name_with_an_attachment_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '451-/watched,["connect","forged",{"_placeholder":true,"num":0}]', b"\0")


@SOCKET
async def event_name_in_an_attachment_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '451-/watched,[{"_placeholder":true,"num":0},"forged"]', b"connect")


async def _is_called(websocket: Wire, number: int) -> None:
    """Let the server make its call with this number, and answer it."""
    await websocket.send('42/watched,["ask-me"]')
    assert await websocket.receive() == f'42/watched,{number}["question"]'
    await websocket.send(f'43/watched,{number}["yes"]')
    assert await websocket.receive() == '42/watched,["answer","yes"]'


@SOCKET
async def unknown_acknowledgement_is_ignored(client: Client) -> None:
    async with client.watched() as websocket:
        await _is_called(websocket, 1)
        await websocket.send('43/watched,1["again"]', "43/watched,99999[]")
        await _is_called(websocket, 2)


@SOCKET
async def acknowledgement_of_call_zero_is_ignored_or_ends_the_connection(client: Client) -> None:
    async with client.watched() as websocket:
        await _is_called(websocket, 1)
        await websocket.send("43/watched,0[]", '42/watched,["ask-me"]')
        assert await websocket.receive() in (CLOSED, '42/watched,2["question"]')


@SOCKET
async def too_many_attachments_end_the_connection(client: Client) -> None:
    await _ends_connection(client, '452000000000-["message"]')


@SOCKET
async def too_large_attachments_end_the_connection(client: Client) -> None:
    attachment = bytes(LARGEST_BYTES * 3 // 4)
    await _ends_connection(client, '4540-["message",{"_placeholder":true,"num":39}]', *[attachment] * 39)


@SOCKET
async def placeholder_without_an_attachment_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, '451-["message",{"_placeholder":true,"num":7}]', b"\0")


@SOCKET
async def placeholder_without_a_number_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, '451-["message",{"_placeholder":true,"num":"0"}]', b"\0")


@SOCKET
async def event_whose_name_is_a_list_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, '42[["message"],1]')


@SOCKET
async def event_whose_name_is_an_object_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, '42[{"message":1},1]')


@SOCKET
async def event_without_a_name_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, "42[]")


@SOCKET
async def event_without_data_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, "42")


@SOCKET
async def acknowledgement_that_is_not_a_list_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, "431{}")


@SOCKET
async def deeply_nested_event_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, "42" + "[" * (LARGEST_BYTES // 2))


@SOCKET
async def event_with_nan_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, '42["message",NaN]')


@SOCKET
async def error_packet_from_a_client_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, '44{"message":"no"}')


@SOCKET
async def too_long_acknowledgement_id_ends_the_connection(client: Client) -> None:
    await _ends_connection(client, "42" + "9" * 200 + '["message"]')
