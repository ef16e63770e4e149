"""Check the metadata of uploads: a JSON object that an application attaches, and gets back with every message. Pure."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import orjson

from roomcast.errors import InvalidMetadata, format_limit

MAX_BYTES = 4096
"""The size of the metadata as compact JSON in UTF-8."""

MAX_DEPTH = 16
"""How deep objects and lists may be nested; the outermost object is level 1."""

MAX_TEXT_BYTES = 8 * MAX_BYTES
"""The length of the JSON text that is parsed: it may have spaces and escapes."""

_TEXT_CONTROLS = frozenset("\t\n\r")
"""The control characters that values may have."""


def parse_metadata(text: str | bytes) -> dict[str, Any]:
    """Parse the JSON text of a form field or a header. Raise `InvalidMetadata`."""
    if len(text) > MAX_TEXT_BYTES:
        raise _too_large()
    try:
        # Not by orjson, which makes a float of an integer of more than 64 bits.
        value = json.loads(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidMetadata("The metadata is not valid JSON.") from error
    return check_metadata(value)


def check_metadata(value: Any) -> dict[str, Any]:
    """Return the metadata as it is stored; raise `InvalidMetadata` if it is none.

    It is an object of at most `MAX_BYTES`, nested at most `MAX_DEPTH` deep, whose keys have no control characters.
    Values have none but tabs and line breaks. Integers have at most 64 bits, and numbers are finite.
    """
    if not isinstance(value, dict):
        raise InvalidMetadata("The metadata must be a JSON object.")
    _check(value, 1)
    try:
        text = orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise InvalidMetadata("The metadata has a value that JSON cannot represent.") from error
    if len(text) > MAX_BYTES:
        raise _too_large()
    checked: dict[str, Any] = orjson.loads(text)
    return checked


def _check(value: Any, depth: int) -> None:
    match value:
        case dict() | list() if depth > MAX_DEPTH:
            raise InvalidMetadata(f"The metadata is nested deeper than {MAX_DEPTH} levels.")
        case dict():
            for key, one in value.items():
                if not isinstance(key, str) or _has_control(key, allowed=frozenset()):
                    raise InvalidMetadata("A key of the metadata has a control character.")
                _check(one, depth + 1)
        case list():
            for one in value:
                _check(one, depth + 1)
        case str() if _has_control(value, allowed=_TEXT_CONTROLS):
            raise InvalidMetadata("A value of the metadata has a control character.")
        case float() if not -float("inf") < value < float("inf"):
            raise InvalidMetadata("The metadata has a number that is not finite.")


def _has_control(text: str, *, allowed: frozenset[str]) -> bool:
    return any(unicodedata.category(char) == "Cc" and char not in allowed for char in text)


def _too_large() -> InvalidMetadata:
    return InvalidMetadata(
        f"The metadata is larger than the limit of {format_limit(MAX_BYTES)}.", details={"maxBytes": MAX_BYTES}
    )
