"""Presigned URLs: the same as botocore's, and the same for a while."""

from __future__ import annotations

import datetime as dt
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from roomcast.media.s3.signing import LONGEST_SECONDS, Keys, S3UrlSigner, presign

MADE = 1_700_000_000
URL = "https://films.s3.eu-central-1.amazonaws.com/media/upload_x/a%20%C3%BC%2Bfilm~1.mp4"


@pytest.mark.parametrize("token", [None, "to/ken+="])
@pytest.mark.parametrize("query", [{}, {"partNumber": "7", "uploadId": "a b/~+c"}])
def test_a_url_is_the_one_that_botocore_makes(
    token: str | None, query: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = dt.datetime.fromtimestamp(MADE, dt.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
    request = AWSRequest("PUT", URL, params=dict(query))
    signer = botocore.auth.S3SigV4QueryAuth(Credentials("AKIA", "se/cret", token), "s3", "eu-central-1", 900)
    signer.add_auth(request)
    theirs = request.prepare().url
    ours = presign(
        "PUT", URL, query, {}, keys=Keys("AKIA", "se/cret", token), region="eu-central-1", made=MADE, seconds=900
    )
    assert parse_qs(urlsplit(ours).query) == parse_qs(urlsplit(theirs).query)
    assert urlsplit(ours)._replace(query="") == urlsplit(theirs)._replace(query="")


def signer(now: float, seconds: int = 100) -> S3UrlSigner:
    return S3UrlSigner("http://127.0.0.1:9/films", "us-east-1", lambda: Keys("A", "s", None), seconds, lambda: now)


def test_a_url_stays_the_same_for_a_quarter_of_its_life() -> None:
    assert signer(1000.0).get("media/x/v.mp4") == signer(1024.9).get("media/x/v.mp4")
    assert signer(1000.0).get("media/x/v.mp4") != signer(1025.0).get("media/x/v.mp4")


@pytest.mark.parametrize("now", [1000.0, 1012.3, 1024.9])
def test_a_url_lives_as_long_as_was_promised(now: float) -> None:
    (expires,) = parse_qs(urlsplit(signer(now).get("k")).query)["X-Amz-Expires"]
    assert 1000 + int(expires) >= now + 100


def test_no_url_lives_longer_than_the_protocol_allows() -> None:
    (expires,) = parse_qs(urlsplit(signer(1000.0, LONGEST_SECONDS).get("k")).query)["X-Amz-Expires"]
    assert int(expires) == LONGEST_SECONDS


def test_the_url_of_a_part_fixes_its_size() -> None:
    query = parse_qs(urlsplit(signer(1000.0).put_part("k", "id", 3, 77)).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
    assert (query["partNumber"], query["uploadId"]) == (["3"], ["id"])
    assert signer(1000.0).put_part("k", "id", 3, 77) != signer(1000.0).put_part("k", "id", 3, 78)
