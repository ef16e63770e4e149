"""What Socket.IO asks of a server: revision 5 of github.com/socketio/socket.io-protocol, its sections "Connection to a
namespace", "Disconnection from a namespace", "Sending and receiving data", "Acknowledgement" and "Packet encoding"."""

from __future__ import annotations

import json

from tests.e2e.protocol_client import GONE, Cases, Client

SOCKET = Cases()


# --- connection to a namespace ---------------------------------------------------------------------------------------


async def _connects(client: Client, packet: str, answer: str, greeting: str) -> None:
    async with client.engine() as wire:
        await wire.say(packet)
        connected = await wire.hear()
        assert connected.startswith(answer)
        assert isinstance(json.loads(connected.removeprefix(answer))["sid"], str)
        assert await wire.hear() == greeting


@SOCKET
async def the_main_namespace(client: Client) -> None:
    await _connects(client, "40", "40", '42["auth",{}]')


@SOCKET
async def the_main_namespace_with_a_payload(client: Client) -> None:
    await _connects(client, '40{"token":"123"}', "40", '42["auth",{"token":"123"}]')


@SOCKET
async def another_namespace(client: Client) -> None:
    await _connects(client, "40/custom,", "40/custom,", '42/custom,["auth",{}]')


@SOCKET
async def another_namespace_with_a_payload(client: Client) -> None:
    await _connects(client, '40/custom,{"token":"abc"}', "40/custom,", '42/custom,["auth",{"token":"abc"}]')


@SOCKET
async def two_namespaces_over_one_connection(client: Client) -> None:
    async with client.connected() as wire:
        await wire.say("40/custom,")
        assert (await wire.hear()).startswith("40/custom,")
        assert await wire.hear() == '42/custom,["auth",{}]'
        await wire.say('42/custom,["message",1]', '42["message",2]')
        assert await wire.hear() == '42/custom,["message-back",1]'
        assert await wire.hear() == '42["message-back",2]'


@SOCKET
async def an_unknown_namespace_is_refused(client: Client) -> None:
    async with client.engine() as wire:
        await wire.say("40/random,")
        refusal = await wire.hear()
        assert refusal.startswith("44/random,")
        assert json.loads(refusal.removeprefix("44/random,"))


@SOCKET
async def a_first_packet_that_is_none_ends_the_connection(client: Client) -> None:
    async with client.engine() as wire:
        await wire.say("4abc")
        await wire.closed()


@SOCKET
async def who_never_connects_is_closed(client: Client) -> None:
    async with client.engine() as wire:
        await wire.closed()


@SOCKET
async def an_event_before_the_connection_is_answered_by_nothing(client: Client) -> None:
    async with client.engine() as wire:
        await wire.say('42["message",1]')
        heard = await wire.hear()
        assert heard is GONE or not heard.startswith("42")


# --- disconnection, data, acknowledgement, packet encoding -----------------------------------------------------------


@SOCKET
async def leaving_another_namespace_leaves_the_main_one(client: Client) -> None:
    async with client.connected() as wire:
        await wire.say("40/custom,")
        assert (await wire.hear()).startswith("40/custom,")
        assert await wire.hear() == '42/custom,["auth",{}]'
        await wire.say("41/custom,", '42["message","still here"]')
        assert await wire.hear() == '42["message-back","still here"]'


@SOCKET
async def leaving_the_main_namespace_ends_it(client: Client) -> None:
    async with client.connected() as wire:
        await wire.say("41", '42["message",1]')
        await wire.closed()


@SOCKET
async def an_event_comes_back(client: Client) -> None:
    async with client.connected() as wire:
        await wire.say('42["message",1,"2",{"3":[true]}]')
        assert await wire.hear() == '42["message-back",1,"2",{"3":[true]}]'


@SOCKET
async def an_event_with_attachments_comes_back(client: Client) -> None:
    holes = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
    async with client.connected() as wire:
        await wire.say(f'452-["message",{holes}]', bytes([1, 2, 3]), bytes([4, 5, 6]))
        assert await wire.hear() == f'452-["message-back",{holes}]'
        assert [await wire.hear(), await wire.hear()] == [bytes([1, 2, 3]), bytes([4, 5, 6])]


@SOCKET
async def an_event_is_acknowledged(client: Client) -> None:
    async with client.connected() as wire:
        await wire.say('42456["message-with-ack",1,"2",{"3":[false]}]')
        assert await wire.hear() == '43456[1,"2",{"3":[false]}]'


@SOCKET
async def an_event_with_attachments_is_acknowledged(client: Client) -> None:
    holes = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
    async with client.connected() as wire:
        await wire.say(f'452-789["message-with-ack",{holes}]', bytes([1, 2, 3]), bytes([4, 5, 6]))
        assert await wire.hear() == f"462-789[{holes}]"
        assert [await wire.hear(), await wire.hear()] == [bytes([1, 2, 3]), bytes([4, 5, 6])]


async def _ends(client: Client, packet: str | bytes) -> None:
    async with client.connected() as wire:
        await wire.say(packet)
        await wire.closed()


@SOCKET
async def an_unknown_packet_type_ends_the_connection(client: Client) -> None:
    await _ends(client, "4abc")


@SOCKET
async def an_event_that_is_no_list_ends_the_connection(client: Client) -> None:
    await _ends(client, "42{}")


@SOCKET
async def an_event_that_is_no_json_ends_the_connection(client: Client) -> None:
    await _ends(client, "42abc")


@SOCKET
async def an_attachment_of_nothing_ends_the_connection(client: Client) -> None:
    await _ends(client, bytes([1, 2, 3]))


@SOCKET
async def a_text_in_place_of_an_attachment_ends_the_connection(client: Client) -> None:
    async with client.connected() as wire:
        await wire.say('451-["message",{"_placeholder":true,"num":0}]', '42["message",1]')
        await wire.closed()
