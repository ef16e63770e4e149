"""The S3 server of these tests; `proxy`, which fails on command, is before it."""

from __future__ import annotations

import pytest

from tests.support.s3_server import S3Server


@pytest.fixture(scope="module")
def server(s3_server: S3Server) -> S3Server:
    return s3_server
