"""Serialise JSON exactly as JavaScript serialises it after parsing. Pure.

When a receiver in JavaScript checks a signature, it often has no longer the bytes but a parsed body, which it
serialises again: `JSON.stringify(req.body)`. So the signed bytes must equal `JSON.stringify(JSON.parse(body))`
(ECMAScript, "SerializeJSONProperty" and "Number::toString"):

- every number is a double: 3 instead of 3.0, 1e+22 instead of 1e22, 0 instead of -0, null for what is too large;
- a key that is an array index precedes the others, in ascending order;
- two halves of a surrogate pair are one character; a half without the other is escaped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_LARGEST_INDEX = 2**32 - 2
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_ESCAPED = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def encode_json(value: Any) -> bytes:
    """Return `value`, which must be JSON, in UTF-8 as `JSON.stringify(JSON.parse(…))` writes it."""
    chunks: list[str] = []
    _write(value, chunks)
    return "".join(chunks).encode()


def _write(value: Any, chunks: list[str]) -> None:
    match value:
        case None:
            chunks.append("null")
        case bool():
            chunks.append("true" if value else "false")
        case str():
            chunks.append(_quoted(_joined(value)))
        case int() | float():
            chunks.append(_number(value))
        case Mapping():
            _write_object(value, chunks)
        case list() | tuple():
            _write_array(value, chunks)
        case _:
            raise TypeError(f"JSON has no {type(value).__name__}.")


def _write_array(items: Sequence[Any], chunks: list[str]) -> None:
    chunks.append("[")
    for index, item in enumerate(items):
        if index:
            chunks.append(",")
        _write(item, chunks)
    chunks.append("]")


def _write_object(members: Mapping[str, Any], chunks: list[str]) -> None:
    # Keys that JavaScript considers equal are one member, at the position of the first and with the value of the last.
    ordered = {_joined(key): item for key, item in members.items()}
    indexes = sorted((key for key in ordered if _is_index(key)), key=int)
    separator = "{"
    for key in (*indexes, *(key for key in ordered if not _is_index(key))):
        chunks.append(f"{separator}{_quoted(key)}:")
        _write(ordered[key], chunks)
        separator = ","
    chunks.append("{}" if separator == "{" else "}")


def _is_index(key: str) -> bool:
    return _INDEX.fullmatch(key) is not None and int(key) <= _LARGEST_INDEX


def _joined(text: str) -> str:
    """Return `text` with each surrogate pair replaced by the character that it encodes."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _quoted(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def _number(value: float) -> str:
    try:
        double = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(double):
        return "null"
    if double == 0:
        return "0"
    sign, digits, point = _digits(double)
    return sign + _with_point(digits, point)


def _digits(double: float) -> tuple[str, str, int]:
    """Return the sign, the shortest digits that identify the double, and the position of the decimal point in them."""
    mantissa, _, exponent = repr(abs(double)).partition("e")
    sign = "-" if double < 0 else ""
    integer, _, fraction = mantissa.partition(".")
    digits = integer + fraction
    point = len(integer) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0"), point


def _with_point(digits: str, point: int) -> str:
    """Return the digits with a decimal point: in full from 1e-6 to below 1e+21, else with an exponent."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{digits.rjust(len(digits) - point, '0')}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{point - 1:+d}"
