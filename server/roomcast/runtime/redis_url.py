"""The URLs of Redis. The one of a Redis that Sentinel watches has the form that other tools use:

    redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db][?sentinel_password=…]

The user and the password are those of Redis. The scheme `rediss+sentinel` is TLS to Redis and to the sentinels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

SENTINEL_PORT = 26379

_URL = re.compile(r"(rediss?)\+sentinel://(?:([^@/]*)@)?([^@/?#]+)/([^/?#]+)(?:/(\d+))?/?(?:\?([^#]*))?")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(\d{1,5}))?")
_DATABASE = re.compile(r"/?[0-9]{0,9}/?")
_CREDENTIALS = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True)
class SentinelAddress:
    """The parsed URL: `service` is the name of the master and `sentinels` are the URLs of the sentinels.

    `node` is the URL of the master itself, whose host is not the real one.
    """

    service: str
    sentinels: tuple[str, ...]
    node: str


def is_sentinel_url(url: str) -> bool:
    """Return whether the URL names sentinels, and not Redis itself."""
    return url.partition("://")[0].endswith("+sentinel")


def parse_sentinel_url(url: str) -> SentinelAddress:
    """Return the parts of a URL. Raise `ValueError` with a sentence if it is not valid."""
    found = _URL.fullmatch(url)
    if not found:
        raise ValueError("A URL of sentinels is like redis+sentinel://host:26379,host2:26379/mymaster/0.")
    scheme, user, hosts, service, db, query = found.groups()
    options = dict(parse_qsl(query or ""))
    name, password = (quote(options.pop(option, ""), safe="") for option in _CREDENTIALS)
    login = f"{name}:{password}@" if password else ""
    sentinels = []
    for host in hosts.split(","):
        address = _HOST.fullmatch(host)
        if not address or not 0 < int(address[2] or SENTINEL_PORT) < 65536:
            raise ValueError(f"The URL names {host!r}, which is not the host and port of a sentinel.")
        sentinels.append(f"{scheme}://{login}{address[1]}:{address[2] or SENTINEL_PORT}")
    rest = f"?{urlencode(options)}" if options else ""
    node = f"{scheme}://{f'{user}@' if user else ''}master/{db or 0}{rest}"
    return SentinelAddress(unquote(service), tuple(sentinels), node)


def redis_address(url: str) -> str:
    """Return where a valid URL of Redis leads, without the user and the password: `127.0.0.1:6379, database 0`,
    with `, TLS` at the end where it is used."""
    if is_sentinel_url(url):
        address = parse_sentinel_url(url)
        hosts = ", ".join(redis_address(sentinel).partition(",")[0] for sentinel in address.sentinels)
        return f"{hosts} (Sentinel), service {address.service}"
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or "localhost"
    tls = ", TLS" if parts.scheme == "rediss" else ""
    return f"{host}:{parts.port or 6379}, database {parts.path.strip('/') or '0'}{tls}"


def check_redis_url(url: str) -> str:
    """Return the URL. Raise `ValueError` with a sentence if it is not valid."""
    if is_sentinel_url(url):
        parse_sentinel_url(url)
        return url
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("The URL must begin with redis://, rediss://, unix:// or redis+sentinel://.")
    try:
        parts = urlsplit(url)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError as error:  # also UnicodeError, for a name that no host can have
        raise ValueError("The host and the port in the URL cannot be read.") from error
    if parts.scheme != "unix" and not _DATABASE.fullmatch(parts.path):
        raise ValueError("The path of the URL is the number of a database, as in redis://127.0.0.1:6379/0.")
    return url
