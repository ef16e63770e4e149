"""What Socket.IO asks of a server: revision 5 of github.com/socketio/socket.io-protocol, its sections "Connection to a
namespace", "Disconnection from a namespace", "Sending and receiving data", "Acknowledgement" and "Packet encoding"; and
what no client may do to a server by packets that the protocol does not provide for."""

from __future__ import annotations

import json

from tests.e2e.protocol_client import GONE, Cases, Client, Wire
from tests.e2e.protocol_engine import HEARTBEAT
from tests.e2e.protocol_server import LARGEST_BYTES

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


@HEARTBEAT
async def who_never_connects_is_closed(client: Client) -> None:
    async with client.engine() as wire:
        await wire.closed()


@SOCKET
async def an_event_before_the_connection_is_answered_by_nothing(client: Client) -> None:
    async with client.engine() as wire:
        await wire.say('42["message",1]', "40")
        heard = await wire.hear()
        assert heard is GONE or heard.startswith('40{"sid"')


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
        await wire.say("41", '42["message",1]', "40/custom,")
        heard = await wire.hear()
        assert heard is GONE or heard.startswith('40/custom,{"sid"')


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


async def _ends(client: Client, *packets: str | bytes) -> None:
    async with client.connected() as wire:
        await wire.refuses(*packets)


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


# --- what a client must not do ---------------------------------------------------------------------------------------


async def _calls_nothing(client: Client, *packets: str | bytes) -> None:
    """The connection ends, or goes on as if these had not been sent."""
    async with client.watched() as wire:
        await wire.say(*packets, '42/watched,["good",1]')
        assert await wire.hear() in (GONE, '42/watched,["called","any",["good","sid",1]]')


@SOCKET
async def an_event_of_the_catch_all_s_name_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '42/watched,["*","somebody",1]')


@SOCKET
async def an_event_named_connect_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '42/watched,["connect","forged","forged"]')


@SOCKET
async def an_event_named_disconnect_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '42/watched,["disconnect","forged"]')


@SOCKET
async def a_reserved_name_with_an_attachment_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '451-/watched,["connect","forged",{"_placeholder":true,"num":0}]', b"\0")


@SOCKET
async def a_name_that_is_made_of_an_attachment_calls_no_handler(client: Client) -> None:
    await _calls_nothing(client, '451-/watched,[{"_placeholder":true,"num":0},"forged"]', b"connect")


async def _is_called(wire: Wire, number: int) -> None:
    """The server calls the client, for the time of this number, and gets its answer."""
    await wire.say('42/watched,["ask-me"]')
    assert await wire.hear() == f'42/watched,{number}["question"]'
    await wire.say(f'43/watched,{number}["yes"]')
    assert await wire.hear() == '42/watched,["answer","yes"]'


@SOCKET
async def an_unknown_acknowledgement_is_ignored(client: Client) -> None:
    async with client.watched() as wire:
        await _is_called(wire, 1)
        await wire.say('43/watched,1["again"]', "43/watched,99999[]")
        await _is_called(wire, 2)


@SOCKET
async def an_acknowledgement_of_call_zero_is_ignored_or_ends_the_connection(client: Client) -> None:
    async with client.watched() as wire:
        await _is_called(wire, 1)
        await wire.say("43/watched,0[]", '42/watched,["ask-me"]')
        assert await wire.hear() in (GONE, '42/watched,2["question"]')


@SOCKET
async def more_attachments_than_anybody_sends_end_the_connection(client: Client) -> None:
    await _ends(client, '452000000000-["message"]')


@SOCKET
async def attachments_that_are_too_large_together_end_the_connection(client: Client) -> None:
    attachment = bytes(LARGEST_BYTES * 3 // 4)
    await _ends(client, '4540-["message",{"_placeholder":true,"num":39}]', *[attachment] * 39)


@SOCKET
async def a_place_for_an_attachment_that_is_not_there_ends_the_connection(client: Client) -> None:
    await _ends(client, '451-["message",{"_placeholder":true,"num":7}]', b"\0")


@SOCKET
async def a_place_for_an_attachment_that_is_no_number_ends_the_connection(client: Client) -> None:
    await _ends(client, '451-["message",{"_placeholder":true,"num":"0"}]', b"\0")


@SOCKET
async def an_event_whose_name_is_a_list_ends_the_connection(client: Client) -> None:
    await _ends(client, '42[["message"],1]')


@SOCKET
async def an_event_whose_name_is_an_object_ends_the_connection(client: Client) -> None:
    await _ends(client, '42[{"message":1},1]')


@SOCKET
async def an_event_without_a_name_ends_the_connection(client: Client) -> None:
    await _ends(client, "42[]")


@SOCKET
async def an_event_of_nothing_ends_the_connection(client: Client) -> None:
    await _ends(client, "42")


@SOCKET
async def an_acknowledgement_that_is_no_list_ends_the_connection(client: Client) -> None:
    await _ends(client, "431{}")


@SOCKET
async def an_event_in_deep_brackets_ends_the_connection(client: Client) -> None:
    await _ends(client, "42" + "[" * (LARGEST_BYTES // 2))


@SOCKET
async def an_event_with_a_number_that_json_does_not_know_ends_the_connection(client: Client) -> None:
    await _ends(client, '42["message",NaN]')


@SOCKET
async def an_error_from_a_client_ends_the_connection(client: Client) -> None:
    await _ends(client, '44{"message":"no"}')


@SOCKET
async def an_acknowledgement_s_number_without_end_ends_the_connection(client: Client) -> None:
    await _ends(client, "42" + "9" * 200 + '["message"]')
