"""Signed URLs of results."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import Forbidden
from roomcast.media.url_signer import UrlSigner

SECRET = b"0123456789abcdef"
NAMES = st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1)


def parts(url: str) -> tuple[str, str, str]:
    """A URL's grant, upload id and name."""
    _, media, grant, upload_id, name = url.split("/")
    assert media == "media"
    return grant, unquote(upload_id), unquote(name)


@given(NAMES, NAMES)
def test_signed_url_is_valid_until_it_expires(upload_id: str, name: str) -> None:
    now = [1000.0]
    signer = UrlSigner(SECRET, seconds=100, clock=lambda: now[0])
    grant, *key = parts(signer.url(f"{upload_id}/{name}"))
    assert key == [upload_id, name]
    assert grant.partition(".")[0] == str(signer.expires_at())
    signer.verify(grant, upload_id)
    now[0] += 100
    signer.verify(grant, upload_id)
    now[0] += 100
    with pytest.raises(Forbidden, match="expired"):
        signer.verify(grant, upload_id)


@pytest.mark.parametrize("base", ["https://films.example/roomcast", "https://films.example/roomcast/"])
def test_url_begins_with_the_public_address_if_there_is_one(base: str) -> None:
    signer, without = (UrlSigner(SECRET, seconds=100, base=one, clock=lambda: 1000.0) for one in (base, ""))
    path = without.url("upload_a/video.mp4")
    assert path.startswith("/media/")
    assert signer.url("upload_a/video.mp4") == f"https://films.example/roomcast{path}"


def test_signature_is_valid_for_its_folder_and_no_other() -> None:
    signer = UrlSigner(SECRET, seconds=100)
    playlist, segment = (parts(signer.url(f"upload_a/{name}")) for name in ("hls.m3u8", "hls-720-00001.m4s"))
    assert playlist[0] == segment[0]
    for other in ("upload_b", "upload_", "upload_aa", ""):
        with pytest.raises(Forbidden, match="not valid"):
            signer.verify(playlist[0], other)


@pytest.mark.parametrize(
    ("expires", "signature"),
    [
        ("9999999999", None),
        (None, "0" * 64),
        (None, ""),
        (None, "é"),
        ("", None),
        ("-1", None),
        ("1e9", None),
        ("٣", None),
        ("9" * 400, None),
    ],
)
def test_altered_signature_is_refused(expires: str | None, signature: str | None) -> None:
    signer = UrlSigner(SECRET, seconds=100)
    grant, upload_id, _ = parts(signer.url("upload_a/video.mp4"))
    signer.verify(grant, upload_id)
    good = grant.split(".")
    forged = f"{good[0] if expires is None else expires}.{good[1] if signature is None else signature}"
    for grant in (forged, good[0], good[1], "", ".", f"{good[0]}.{good[1]}.{good[1]}"):
        with pytest.raises(Forbidden, match="not valid"):
            signer.verify(grant, upload_id)


def test_signature_of_another_secret_is_refused() -> None:
    grant, upload_id, _ = parts(UrlSigner(SECRET, seconds=100).url("upload_a/video.mp4"))
    with pytest.raises(Forbidden):
        UrlSigner(b"another", seconds=100).verify(grant, upload_id)


def test_url_stays_the_same_for_a_quarter_of_its_validity() -> None:
    now = [1000.0]
    signer = UrlSigner(SECRET, seconds=100, clock=lambda: now[0])
    first = signer.url("upload_a/video.mp4")
    now[0] += 1
    assert signer.url("upload_a/video.mp4") == first


def test_url_can_be_valid_longer_than_others() -> None:
    now = 1_000_000.0
    signer = UrlSigner(SECRET, seconds=3600, clock=lambda: now)
    grants = [signer.url("films/1/hls.m3u8", longer=longer).split("/")[2] for longer in (0, 10_800.5)]
    now += 3600 + 10_800
    later = UrlSigner(SECRET, seconds=3600, clock=lambda: now)
    with pytest.raises(Forbidden, match="expired"):
        later.verify(grants[0], "films/1")
    later.verify(grants[1], "films/1")
