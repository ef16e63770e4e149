"""Signed URL paths."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.upload.errors import Forbidden
from server.upload.signing import UrlSigner

SECRET = b"0123456789abcdef"


def parts(url: str) -> tuple[str, str, str]:
    split = urlsplit(url)
    query = parse_qs(split.query)
    return unquote(split.path), query["expires"][0], query["signature"][0]


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="?#"), min_size=1))
def test_what_was_signed_holds_until_it_expires(name: str) -> None:
    now = [1000.0]
    signer = UrlSigner(SECRET, seconds=100, clock=lambda: now[0])
    path, expires, signature = parts(signer.sign(f"/media/{name}"))
    signer.check(path, expires, signature)
    now[0] += 100
    signer.check(path, expires, signature)
    now[0] += 100
    with pytest.raises(Forbidden, match="expired"):
        signer.check(path, expires, signature)


@pytest.mark.parametrize(
    ("path", "expires", "signature"),
    [
        ("/media/b", None, None),
        (None, "9999999999", None),
        (None, None, "0" * 64),
        (None, None, ""),
        (None, None, "é"),
        (None, "", None),
        (None, "-1", None),
        (None, "1e9", None),
        (None, "٣", None),
        (None, "9" * 400, None),
    ],
)
def test_anything_else_does_not(path: str | None, expires: str | None, signature: str | None) -> None:
    signer = UrlSigner(SECRET, seconds=100)
    good = parts(signer.sign("/media/a"))
    with pytest.raises(Forbidden, match="not valid"):
        signer.check(
            path or good[0], good[1] if expires is None else expires, good[2] if signature is None else signature
        )


def test_another_secret_does_not() -> None:
    signed = parts(UrlSigner(SECRET, seconds=100).sign("/media/a"))
    with pytest.raises(Forbidden):
        UrlSigner(b"another", seconds=100).check(*signed)


def test_a_url_stays_the_same_for_a_while() -> None:
    now = [1000.0]
    signer = UrlSigner(SECRET, seconds=100, clock=lambda: now[0])
    first = signer.sign("/media/a")
    now[0] += 1
    assert signer.sign("/media/a") == first
