"""The keys of an identity provider: which are used, when they are fetched again, and what happens without them."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from roomcast.auth import jwks
from roomcast.auth.jwks import KeySet, read_keys
from roomcast.errors import HookFailed
from roomcast.json_requests import JsonResponse, NoAnswer, check_http_url

P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def entry(key: Any, **more: Any) -> dict[str, Any]:
    family = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else None
    text = (family or jwt.algorithms.ECAlgorithm).to_jwk(key)
    return {**json.loads(text), **more}


def test_algorithm_follows_from_the_type_of_a_key_alone() -> None:
    keys = read_keys(
        {"keys": [entry(P256.public_key(), kid="a", alg="none"), entry(RSA.public_key(), kid="b", alg="HS256")]}
    )
    assert {name: key.algorithm for name, key in keys.items()} == {"a": "ES256", "b": "RS256"}


def test_secrets_private_weak_and_unknown_keys_are_left_out() -> None:
    listed = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        entry(P256, kid="private"),
        entry(rsa.generate_private_key(65537, 1024).public_key(), kid="short"),  # noqa: S505
        entry(ec.generate_private_key(ec.SECP384R1()).public_key(), kid="p384"),
        entry(P256.public_key(), kid="encryption", use="enc"),
        {"kty": "RSA", "kid": "broken"},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": 7, "kid": "garbage"},
        "text",
        None,
    ]
    assert read_keys({"keys": listed}) == {}


@pytest.mark.parametrize("body", [None, [], {}, {"keys": None}, {"keys": "a"}, "text"])
def test_what_is_no_set_of_keys_is_refused(body: Any) -> None:
    with pytest.raises(NoAnswer):
        read_keys(body)


class Provider:
    """A URL that lists `keys`, or does not answer if that is None."""

    url = "https://idp.example/keys"

    def __init__(self, *keys: Any) -> None:
        self.keys: list[Any] | None = [entry(key.public_key(), kid=str(number)) for number, key in enumerate(keys)]
        self.asked = 0

    async def send(self, *_: Any) -> JsonResponse:
        self.asked += 1
        if self.keys is None:
            raise NoAnswer("It is down.")
        return JsonResponse(200, {"keys": self.keys})


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr("roomcast.auth.jwks.time.monotonic", lambda: clock[0])
    return clock


async def test_unknown_key_is_looked_for_once_in_a_while(now: list[float]) -> None:
    provider = Provider(P256)
    keys = KeySet(provider)  # type: ignore[arg-type]
    for _ in range(5):
        assert await keys.get("unknown") is None
    assert provider.asked == 1
    now[0] += jwks.UNKNOWN_SECONDS
    assert [await keys.get("unknown"), await keys.get("other")] == [None, None]
    assert provider.asked == 2


async def test_key_without_a_name_is_the_only_one(now: list[float]) -> None:
    assert await KeySet(Provider(P256)).get(None) is not None  # type: ignore[arg-type]
    assert await KeySet(Provider(P256, RSA)).get(None) is None  # type: ignore[arg-type]


async def test_keys_are_fetched_again_and_used_while_their_url_is_down_but_not_for_ever(now: list[float]) -> None:
    provider = Provider(P256)
    keys = KeySet(provider)  # type: ignore[arg-type]
    assert await keys.get("0") is not None
    provider.keys = None
    now[0] += jwks.REFRESH_SECONDS
    assert await keys.get("0") is not None
    asked = provider.asked
    assert await keys.get("0") is not None
    assert provider.asked == asked == 2
    now[0] += jwks.STALE_SECONDS
    with pytest.raises(HookFailed):
        await keys.get("0")


async def test_url_that_never_answered_lets_nobody_in_and_is_not_asked_at_every_request(now: list[float]) -> None:
    provider = Provider()
    provider.keys = None
    keys = KeySet(provider)  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(HookFailed):
            await keys.get("0")
    assert provider.asked == 1


@pytest.mark.parametrize("url", ["", "ftp://a", "//a", "http://", "https://u:p@a/", "https://a/#x", "http://a:0/", "a"])
def test_url_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="It must"):
        check_http_url(url)
