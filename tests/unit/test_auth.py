"""Authentication by token: which tokens are accepted, and which user ids are valid."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from multidict import CIMultiDict, CIMultiDictProxy
from roomcast.auth.tokens import Tokens, sign_token
from roomcast.credentials import CallerRequest, bearer, parse_cookies
from roomcast.errors import Forbidden, Malformed, Unauthenticated
from roomcast.origins import OriginPolicy, PageHeaders
from roomcast.services.authentication import Authenticator
from roomcast.settings.auth import AuthSettings
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer

ISSUER = "https://idp.example/"
MEANT = {"aud": "roomcast", "iss": ISSUER}
SECRET = "a secret that is long enough for HS256, or so one hopes"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "ada", "exp": int(time.time()) + 60, **changes}


NO_PAGE = PageHeaders(None, ())


class OneCall:
    """An authenticator that is called in an event loop of its own, with a token as a Socket.IO client sends it."""

    def __init__(self, settings: AuthSettings) -> None:
        tokens = Tokens(settings) if settings.has_tokens else None
        self._authenticator = Authenticator(OriginPolicy(), tokens=tokens, cookie="roomcast_token", loopback=True)

    def viewer(self, token: str | None) -> Viewer:
        headers = CIMultiDictProxy(CIMultiDict[str]())
        request = CallerRequest("socket", "GET", "/socket.io/", headers, {}, "127.0.0.1", {"token": token})
        return asyncio.run(self._authenticator.viewer(request, NO_PAGE, safe=False))


def authenticator_of(**values: str) -> OneCall:
    if "jwt_public_key" in values:
        values = {"jwt_audience": "roomcast", "jwt_issuer": ISSUER, **values}
    return OneCall(AuthSettings.model_validate(values))


def test_open_mode_lets_everybody_in_as_anonymous() -> None:
    authenticator = authenticator_of()
    assert authenticator.viewer(None) == authenticator.viewer("junk") == Viewer("anonymous")


def test_token_signed_with_the_secret_is_accepted() -> None:
    authenticator = authenticator_of(jwt_secret=SECRET)
    viewer = authenticator.viewer(jwt.encode(claims(admin=True), SECRET, "HS256"))
    assert (viewer.user, viewer.admin) == ("ada", True)
    assert viewer.expires_at is not None


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")])
def test_token_is_verified_with_the_public_key(key: Any, algorithm: str) -> None:
    authenticator = authenticator_of(jwt_public_key=pem(key).replace("\n", "\\n"))
    assert authenticator.viewer(jwt.encode(claims(**MEANT), key, algorithm)).user == "ada"
    other = "ES256" if algorithm == "RS256" else "RS256"
    with pytest.raises(Unauthenticated):
        authenticator.viewer(jwt.encode(claims(**MEANT), EC_KEY if other == "ES256" else RSA_KEY, other))


def hs256_with_the_public_key() -> str:
    """What an attacker makes who hopes that the token chooses the algorithm."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    signed = (
        part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + b"." + part(json.dumps(claims(**MEANT)).encode())
    )
    signature = hmac.new(pem(RSA_KEY).encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + part(signature)).decode()


def test_algorithm_named_by_the_token_is_ignored() -> None:
    authenticator = authenticator_of(jwt_public_key=pem(RSA_KEY))
    with pytest.raises(Unauthenticated):
        authenticator.viewer(hs256_with_the_public_key())


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"aud": ["other", "roomcast"]}, True),
        ({"aud": "some-other-app"}, False),
        ({"aud": ["some-other-app", "third"]}, False),
        ({"aud": []}, False),
        ({"aud": ""}, False),
        ({"aud": None}, False),
        ({"aud": 7}, False),
        ({"aud": "Roomcast"}, False),
        ({"aud": "roomcast "}, False),
        ({"iss": "https://idp.example"}, False),
        ({"iss": "https://evil.example/"}, False),
        ({"iss": None}, False),
        ({"iss": [ISSUER]}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("family", ["HS256", "ES256"])
def test_token_for_another_application_or_by_another_issuer_is_refused(
    changes: dict[str, Any], good: bool, family: str
) -> None:
    key: Any = SECRET if family == "HS256" else EC_KEY
    setting = {"jwt_secret": SECRET} if family == "HS256" else {"jwt_public_key": pem(EC_KEY)}
    authenticator = authenticator_of(**setting, jwt_audience="roomcast", jwt_issuer=ISSUER)
    sent = {name: value for name, value in claims(admin=True, **{**MEANT, **changes}).items() if value is not None}
    # The library refuses to encode an issuer that is no text.
    encoded = jwt.api_jws.encode(json.dumps(sent).encode(), key, family)
    if good:
        assert authenticator.viewer(encoded).admin
    else:
        with pytest.raises(Unauthenticated):
            authenticator.viewer(encoded)


def test_audience_of_a_token_is_free_where_no_setting_names_it() -> None:
    assert authenticator_of(jwt_secret=SECRET).viewer(jwt.encode(claims(aud="any"), SECRET, "HS256")).user == "ada"


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "junk",
        "a.b.c",
        jwt.encode(claims(), "", "none"),
        jwt.encode(claims(), "another secret, also long enough to be one", "HS256"),
        jwt.encode(claims(exp=1), SECRET, "HS256"),
        jwt.encode({"sub": "ada"}, SECRET, "HS256"),
        jwt.encode({"exp": 9999999999}, SECRET, "HS256"),
        jwt.encode(claims(sub=""), SECRET, "HS256"),
        jwt.encode(claims(sub=7), SECRET, "HS256"),
        jwt.encode(claims(nbf=9999999999), SECRET, "HS256"),
        jwt.encode(claims(), SECRET + SECRET, "HS512"),
    ],
    ids=lambda token: type(token).__name__,  # tokens tell the time; names of tests must not
)
def test_invalid_token_is_refused(token: str | None) -> None:
    with pytest.raises(Unauthenticated):
        authenticator_of(jwt_secret=SECRET).viewer(token)


@pytest.mark.parametrize(
    "user",
    [
        "../../etc/<script>alert(1)</script>", "a/b", "a\\b", ".", "..", "   ", "ada\n", "ada\x00", "\x7f", "ada\u202e",
        "ada\u200b", "\u2028", "\ud800", "x" * 201, "x" * 4000,
    ],
    ids=ascii,
)  # fmt: skip
def test_invalid_user_id_is_refused(user: str) -> None:
    with pytest.raises(Unauthenticated, match=r"user id|`sub` claim"):
        authenticator_of(jwt_secret=SECRET).viewer(jwt.encode(claims(sub=user), SECRET, "HS256"))


@pytest.mark.parametrize(
    "user", ["auth0|5f0c", "ada@films.example", "urn:user:7", "Ådá 名前", "x" * 200, "a..b", "..."]
)
def test_valid_user_id_is_unchanged(user: str) -> None:
    assert authenticator_of(jwt_secret=SECRET).viewer(jwt.encode(claims(sub=user), SECRET, "HS256")).user == user


def test_viewer_accesses_own_uploads_only_unless_admin() -> None:
    upload = Upload("id", "ada", "auto", "film.mp4", "e", 0, 0)
    Viewer("ada").check_owns(upload)
    Viewer("bob", admin=True).check_owns(upload)
    with pytest.raises(Forbidden):
        Viewer("bob").check_owns(upload)


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("Bearer", None), ("", None)],
)
def test_bearer_token_is_read_from_the_header(header: str, token: str | None) -> None:
    assert bearer({"Authorization": header}) == token


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ('a="quoted"', {"a": "quoted"}),
        ("a=first; a=second", {"a": "first"}),
        ("junk; a=b=c;;", {"a": "b=c"}),
    ],
)
def test_cookies_are_read_from_the_header(header: str, cookies: dict[str, str]) -> None:
    assert parse_cookies(header) == cookies


def test_signed_token_names_its_user_and_is_accepted() -> None:
    settings = AuthSettings(jwt_secret=SECRET, jwt_audience="roomcast", jwt_issuer=ISSUER)
    for admin in (False, True):
        viewer = OneCall(settings).viewer(sign_token(settings, "ada", admin=admin, seconds=60))
        assert (viewer.user, viewer.admin) == ("ada", admin)
    with pytest.raises(Unauthenticated, match="user id"):
        sign_token(settings, "a/b", admin=False, seconds=60)
    with pytest.raises(Malformed, match="JWT_SECRET is not set"):
        sign_token(AuthSettings(), "ada", admin=False, seconds=60)
