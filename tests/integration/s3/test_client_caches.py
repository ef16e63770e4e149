"""What the S3 clients of tests remember is what the libraries would find out, and they do ask for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore import hooks, useragent
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.utils import EVENT_ALIASES
from moto import backends

from tests.support.s3_client_caches import (
    EVENT_NAMES,
    LIBRARY,
    accepts_kwargs,
    cert_path,
    list_services,
    load_file,
    moto_modules,
)
from tests.support.s3_server import S3Server


def test_second_client_finds_everything_remembered(server: S3Server) -> None:
    caches: tuple[Any, ...] = (load_file, list_services, useragent.sanitize_user_agent_string_component)
    list_buckets(server)
    before, names = [cache.cache_info() for cache in caches], dict(EVENT_NAMES)
    list_buckets(server)
    after = [cache.cache_info() for cache in caches]
    assert [info.misses for info in after] == [info.misses for info in before]
    assert all(now.hits > then.hits for now, then in zip(after, before, strict=True))
    assert names == EVENT_NAMES != {}
    assert moto_modules.cache_info().hits


def list_buckets(server: S3Server) -> None:
    """Make a request with a client that has a session of its own, as each media store has."""
    session = boto3.session.Session("S3RVER", "S3RVER", region_name="us-east-1")
    with closing(session.client("s3", endpoint_url=server.url)) as client:
        client.list_buckets()


def test_files_and_services_are_those_of_the_library() -> None:
    path = str(Path(botocore.__file__).parent / "data" / "partitions")
    assert load_file(path) == LIBRARY.load_file(botocore.loaders.JSONFileLoader(), path) is not None
    assert list_services("service-2") == LIBRARY.list_services(botocore.loaders.Loader(), "service-2") != []
    assert moto_modules() == frozenset(LIBRARY.moto_modules()) == frozenset(backends.list_of_moto_modules())


def test_certificates_of_a_test_are_those_of_the_library() -> None:
    assert cert_path("/certificate.pem") == LIBRARY.cert_path("/certificate.pem") == "/certificate.pem"
    assert cert_path(True) is None, "none of certifi's"


def test_names_of_events_are_those_of_the_library() -> None:
    own = object.__new__(EventAliaser)
    LIBRARY.new_aliaser(own, HierarchicalEmitter())
    shared = EventAliaser(HierarchicalEmitter())
    assert shared._alias_name_cache is EVENT_NAMES
    for service in ("s3", *list(EVENT_ALIASES)[::50]):
        name = f"before-call.{service}.OfThisTest"
        assert shared._alias_event_name(name) == own._alias_event_name(name)


def plain(one: object, *, two: object = None) -> None: ...
def with_keywords(**keywords: object) -> None: ...
def with_both(*arguments: object, **keywords: object) -> None: ...


class Handlers:
    def plain(self, one: object) -> None: ...
    def with_keywords(self, **keywords: object) -> None: ...
    def __call__(self, **keywords: object) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        *(plain, with_keywords, with_both, lambda **_: None, lambda *_: None),
        *(Handlers().plain, Handlers().with_keywords, Handlers(), Handlers),
        *(functools.partial(plain, 1), functools.partial(with_keywords, one=1)),
    ],
)
def test_functions_take_keywords_as_the_library_finds(function: Callable[..., Any]) -> None:
    assert hooks.accepts_kwargs is accepts_kwargs
    assert accepts_kwargs(function) == bool(LIBRARY.accepts_kwargs(function))
