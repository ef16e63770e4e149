"""Remember for all S3 clients and for moto what each new client or request would find out again."""

from __future__ import annotations

import functools
import inspect
from types import SimpleNamespace
from typing import Any

from aiobotocore import httpsession
from botocore import hooks, useragent
from botocore.hooks import EventAliaser
from botocore.loaders import JSONFileLoader, Loader
from botocore.utils import EVENT_ALIASES
from moto import backends

LIBRARY = SimpleNamespace(
    load_file=JSONFileLoader.load_file,
    list_services=Loader.list_available_services,
    cert_path=httpsession.get_cert_path,
    new_aliaser=EventAliaser.__init__,
    accepts_kwargs=hooks.accepts_kwargs,
    sanitize=useragent.sanitize_user_agent_string_component,
    moto_modules=backends.list_of_moto_modules,
)
"""The functions of the libraries that are replaced."""

EVENT_NAMES: dict[str, str] = {}
"""The present names of hundreds of events, by their earlier ones."""


@functools.cache
def load_file(path: str) -> Any:
    """What boto knows of a service: a megabyte of JSON, which each new client would read and parse."""
    return LIBRARY.load_file(JSONFileLoader(), path)


@functools.cache
def list_services(type_name: str) -> Any:
    """The services that boto has files of, for which each new client would search four hundred folders."""
    return LIBRARY.list_services(Loader(), type_name)


def cert_path(verify: Any) -> str | None:
    """The certificates to trust, if a test says which. Without, it speaks plain HTTP: each new client would read all of
    certifi's."""
    return verify if isinstance(verify, str) else None


def new_aliaser(aliaser: EventAliaser, emitter: Any, event_aliases: Any = None) -> None:
    LIBRARY.new_aliaser(aliaser, emitter, event_aliases)
    if event_aliases in (None, EVENT_ALIASES):
        aliaser._alias_name_cache = EVENT_NAMES


def accepts_kwargs(function: Any) -> bool:
    """Whether a function takes any keywords, of which each new client would ask hundreds by their signature."""
    if hasattr(function, "__code__"):
        return bool(function.__code__.co_flags & inspect.CO_VARKEYWORDS)
    return bool(LIBRARY.accepts_kwargs(function))


@functools.cache
def moto_modules() -> frozenset[str]:
    """The names of moto's services. For each request, it would list 150 folders and ask the disk of each."""
    return frozenset(LIBRARY.moto_modules())


def install() -> None:
    """Replace the functions of the libraries."""
    JSONFileLoader.load_file = lambda _, path: load_file(path)
    Loader.list_available_services = lambda _, type_name: list_services(type_name)
    httpsession.get_cert_path = cert_path
    EventAliaser.__init__ = new_aliaser
    hooks.accepts_kwargs = accepts_kwargs
    # Each request would clean the same names of versions four dozen times.
    useragent.sanitize_user_agent_string_component = functools.cache(LIBRARY.sanitize)
    backends.list_of_moto_modules = moto_modules
