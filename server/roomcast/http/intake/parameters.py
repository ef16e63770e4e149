"""Parse the parameters of `Content-Disposition` and `Content-Type` as clients write them, right or wrong. Pure.

Browsers percent-encode three characters of a file name and leave all others as they are (the HTML standard); curl and
others escape with backslashes (RFC 2183), encode in `filename*` (RFC 5987), or split into `filename*0`, `filename*1` …
(RFC 2231); some neither quote nor encode. A file whose name can be understood in one way only is not refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote_to_bytes

_NAME = re.compile(r"[\s;]*([^=;\"]*)(?:(=)\s*)?")
_QUOTED = (
    re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s*(?:;|$))', re.DOTALL),
    re.compile(r'"(.*?)"(?=\s*(?:;|$))', re.DOTALL),  # with a quote inside, or a backslash before the last quote
)
_CLOSING_QUOTE = re.compile(r'"(?=\s*(?:;|$))')

_NEXT_PARAMETER = re.compile(r";\s*[A-Za-z0-9_*-]+\s*=")
"""Where a value without quotes ends. Each of these patterns takes a time that is linear in the header's length, and is
not tried again where it cannot match (`_pairs`)."""

_SECTION = re.compile(r"(.+)\*([0-9]{1,3})(\*?)")
_PERCENT_ENCODED = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "iso-8859-1": "latin-1", "latin1": "latin-1", "us-ascii": "ascii"}
"""The charsets of RFC 5987, as clients name them."""


def parse_parameters(field: str) -> dict[str, str]:
    """Return the parameters of a header field by their lower-case names, unquoted but not decoded. Of several
    parameters with one name, the first counts."""
    parameters: dict[str, str] = {}
    for name, value in _pairs(field.partition(";")[2]):
        parameters.setdefault(name.lower(), value)
    return parameters


def decoded_parameter(parameters: Mapping[str, str], name: str) -> str | None:
    """Return the text of a form part's parameter: of `name*` if it can be decoded, of `name*0`, `name*1` …, or of
    `name`. None if there is none of them."""
    extended = parameters.get(f"{name}*")
    if extended is not None and (text := _decode_extended(extended)) is not None:
        return text
    if (text := _join_sections(parameters, name)) is not None:
        return text
    plain = parameters.get(name)
    return None if plain is None else re.sub("%22|%0D|%0A", lambda found: _PERCENT_ENCODED[found[0]], plain)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    last_quote = max((quote.start() for quote in _CLOSING_QUOTE.finditer(text)), default=0)
    while at < len(text):
        name = _NAME.match(text, at)
        if name is None or name.end() == at:
            return
        at = name.end()
        if name[2]:
            value, at = _value(text, at, quoted=at < last_quote)
            yield name[1].strip(), value


def _value(text: str, at: int, *, quoted: bool) -> tuple[str, int]:
    """Return the value at a position, and the position after it. `quoted`: whether a closing quote follows."""
    for pattern in _QUOTED if quoted else ():
        if found := pattern.match(text, at):
            return _unescape(found[1]), found.end()
    following = _NEXT_PARAMETER.search(text, at)
    stop = following.start() if following else len(text)
    return text[at:stop].removeprefix('"').strip(" \t;"), stop


def _unescape(quoted: str) -> str:
    """Return a quoted string without its escapes. Where no quote is escaped, backslashes are those of a path."""
    return re.sub(r'\\(["\\])', r"\1", quoted) if '\\"' in quoted else quoted


def _decode_extended(value: str) -> str | None:
    """Decode `charset'language'percent-encoded`."""
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    codec = _CHARSETS.get(charset.strip().lower())
    if not quote or codec is None or not encoded.isascii():
        return None
    return unquote_to_bytes(encoded).decode(codec, "replace")


def _join_sections(parameters: Mapping[str, str], name: str) -> str | None:
    sections: dict[int, str] = {}
    encoded = False
    for key, value in parameters.items():
        if (found := _SECTION.fullmatch(key)) and found[1] == name:
            sections.setdefault(int(found[2]), value)
            encoded = encoded or bool(found[3])
    text = "".join(sections[number] for number in range(len(sections)) if number in sections)
    if 0 not in sections:
        return None
    return _decode_extended(text) if encoded else text
