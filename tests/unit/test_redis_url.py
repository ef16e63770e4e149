"""The URLs of Redis, and the one of a Redis that sentinels watch."""

from __future__ import annotations

import pytest
from roomcast.errors import RoomcastError
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_url import SentinelAddress, check_redis_url, is_sentinel_url, parse_sentinel_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (
            "redis+sentinel://one/films",
            SentinelAddress("films", ("redis://one:26379",), "redis://master/0"),
        ),
        (
            "redis+sentinel://:p%40ss@one:1,two,[::1]:3/my%20films/2",
            SentinelAddress(
                "my films", ("redis://one:1", "redis://two:26379", "redis://[::1]:3"), "redis://:p%40ss@master/2"
            ),
        ),
        (
            "rediss+sentinel://ada:secret@one:1/films/0?sentinel_password=a%2Fb&socket_keepalive=yes",
            SentinelAddress("films", ("rediss://:a%2Fb@one:1",), "rediss://ada:secret@master/0?socket_keepalive=yes"),
        ),
        (
            "redis+sentinel://one/films?sentinel_username=eve&sentinel_password=x",
            SentinelAddress("films", ("redis://eve:x@one:26379",), "redis://master/0"),
        ),
    ],
)
def test_sentinel_url_is_parsed(url: str, address: SentinelAddress) -> None:
    assert is_sentinel_url(url)
    assert parse_sentinel_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://",
        "redis+sentinel://one",
        "redis+sentinel://one/",
        "redis+sentinel://one:0/films",
        "redis+sentinel://one:70000/films",
        "redis+sentinel://one:x/films",
        "redis+sentinel://one,/films",
        "redis+sentinel://one/films/zero",
        "redis+sentinel://one/films/0/1",
    ],
)
def test_invalid_sentinel_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"sentinel.*\.$"):
        parse_sentinel_url(url)


@pytest.mark.parametrize(
    "url",
    ["redis://one/0", "rediss://one/0", "unix:///run/redis.sock"],
)
def test_other_urls_are_not_those_of_sentinels(url: str) -> None:
    assert not is_sentinel_url(url)
    assert check_redis_url(url) == url


@pytest.mark.parametrize(
    "url", ["http://one", "redis:one", "redis://one:x/0", "redis://one:70000", "redis+sentinel://one"]
)
def test_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(The|A) .*\.$"):
        check_redis_url(url)


@pytest.mark.parametrize("query", ["films=1", "socket_timeout=soon&password=hush"])
async def test_option_that_the_client_does_not_accept_is_a_sentence_without_its_value(query: str) -> None:
    with pytest.raises(RoomcastError) as refused:
        connect(f"redis://127.0.0.1/0?{query}")
    names = {"films=1": "films"}.get(query, "socket_timeout, password")
    reason = "REDIS_URL has options after the question mark that redis-py does not accept: "
    assert refused.value.message == f"{reason}{names}."
