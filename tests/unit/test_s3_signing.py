"""Presigned URLs of a bucket's objects: their signatures, their lifetime, and how long they stay the same."""

from __future__ import annotations

import datetime as dt
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from roomcast.media.s3.signing import MAX_URL_SECONDS, S3UrlSigner, Signature, presign

DATE = 1_700_000_000
BASE = "https://films.s3.eu-central-1.amazonaws.com"


def test_url_has_the_signature_of_amazon_s_own_example() -> None:
    """From "Authenticating Requests: Using Query Parameters" in the reference of Amazon S3's API."""
    credentials = ReadOnlyCredentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None)
    signature = Signature(credentials, "us-east-1", 1_369_353_600, 86400)
    assert presign("GET", "https://examplebucket.s3.amazonaws.com", "test.txt", signature) == (
        "https://examplebucket.s3.amazonaws.com/test.txt"
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize("token", [None, "to/ken+="])
@pytest.mark.parametrize("query", [{}, {"partNumber": "7", "uploadId": "a b/~+c"}])
def test_url_is_the_one_that_botocore_makes_at_that_date(
    token: str | None, query: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = dt.datetime.fromtimestamp(DATE, dt.UTC)
    request = AWSRequest("PUT", f"{BASE}/media/upload_x/a%20%C3%BC%2Bfilm~1.mp4", params=dict(query))
    signer = botocore.auth.S3SigV4QueryAuth(Credentials("AKIA", "se/cret", token), "s3", "eu-central-1", 900)
    with monkeypatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
        signer.add_auth(request)
    signature = Signature(ReadOnlyCredentials("AKIA", "se/cret", token), "eu-central-1", DATE, 900)
    assert presign("PUT", BASE, "media/upload_x/a ü+film~1.mp4", signature, query=query) == request.url


def signer(now: float, seconds: int = 100, access_key: str = "A") -> S3UrlSigner:
    credentials = ReadOnlyCredentials(access_key, "s", None)
    return S3UrlSigner("http://127.0.0.1:9/films", "us-east-1", lambda: credentials, seconds, lambda: now)


def test_url_stays_the_same_for_a_quarter_of_its_lifetime() -> None:
    assert signer(1000.0).get("media/x/v.mp4") == signer(1024.9).get("media/x/v.mp4")
    assert signer(1000.0).get("media/x/v.mp4") != signer(1025.0).get("media/x/v.mp4")


@pytest.mark.parametrize("now", [1000.0, 1012.3, 1024.9])
def test_expiry_is_that_of_the_urls_that_are_made_now(now: float) -> None:
    fields = parse_qs(urlsplit(signer(now).get("k")).query)
    date = dt.datetime.strptime(fields["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z").timestamp()
    assert signer(now).expires_at() == date + int(fields["X-Amz-Expires"][0])
    assert signer(now).expires_at() >= now + 100


def test_url_changes_with_the_credentials() -> None:
    assert signer(1000.0).get("k") != signer(1000.0, access_key="B").get("k")


@pytest.mark.parametrize("now", [1000.0, 1012.3, 1024.9])
def test_url_is_valid_for_as_long_as_promised(now: float) -> None:
    (expires,) = parse_qs(urlsplit(signer(now).get("k")).query)["X-Amz-Expires"]
    assert 1000 + int(expires) >= now + 100


def test_url_is_valid_no_longer_than_the_protocol_allows() -> None:
    (expires,) = parse_qs(urlsplit(signer(1000.0, MAX_URL_SECONDS).get("k")).query)["X-Amz-Expires"]
    assert int(expires) == MAX_URL_SECONDS


def test_url_of_a_part_fixes_the_part_s_size() -> None:
    query = parse_qs(urlsplit(signer(1000.0).put_part("k", "id", 3, 77)).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
    assert (query["partNumber"], query["uploadId"]) == (["3"], ["id"])
    assert signer(1000.0).put_part("k", "id", 3, 77) != signer(1000.0).put_part("k", "id", 3, 78)


def test_url_may_name_the_disposition_of_its_response() -> None:
    url = urlsplit(signer(1000.0).get("k", "attachment; filename*=UTF-8''%C3%BC.mp4"))
    assert parse_qs(url.query)["response-content-disposition"] == ["attachment; filename*=UTF-8''%C3%BC.mp4"]
