"""What the installed ffmpeg can do, from its own listings. Pure.

Builds differ by platform and by packager: each decision that depends on one asks here, and has an alternative.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from roomcast_workers.ffmpeg.filters import ToneMapper
from roomcast_workers.ffmpeg.input_options import DECODERS

_LISTED = re.compile(r"^ [.A-Z|]{2,6} ([\w-]+) +(.*)$", re.MULTILINE)
_CODEC = re.compile(r" \(codec ([\w-]+)\)$")
_HARDWARE_DECODERS = {"av1"}
"""On our list of decoders, and useless without a graphics card."""


@dataclass(frozen=True)
class Capabilities:
    """What one ffmpeg has. `decoders` are those that we use, and `decodable` the names of the codecs that they decode;
    `scale_options` are the options of its `scale` filter."""

    filters: frozenset[str]
    encoders: frozenset[str]
    decoders: frozenset[str]
    decodable: frozenset[str]
    scale_options: frozenset[str]

    @property
    def tone_mapper(self) -> ToneMapper:
        """How this ffmpeg can convert HDR and wide colours to SDR."""
        if {"zscale", "tonemap"} <= self.filters:
            return "zscale"
        return "swscale" if "intent" in self.scale_options else "none"

    def can_encode(self, *encoders: str) -> bool:
        """Return whether it has all of these encoders."""
        return self.encoders.issuperset(encoders)

    def can_decode(self, codec: str) -> bool:
        """Return whether it decodes this codec, named as ffprobe names it."""
        return codec in self.decodable


def parse_capabilities(filters: str, encoders: str, decoders: str, scale_help: str) -> Capabilities:
    """Return the capabilities of an ffmpeg that answers `-filters`, `-encoders`, `-decoders` and `-h filter=scale` so.

    Accepts any text; what it does not find is not there.
    """
    return Capabilities(
        filters=frozenset(name for name, _ in _listed(filters)),
        encoders=frozenset(name for name, _ in _listed(encoders)),
        decoders=frozenset(name for name, _ in _decoders(decoders)),
        decodable=frozenset(_codecs(_decoders(decoders))),
        scale_options=frozenset(re.findall(r"^ +-?(\w+) +<", scale_help, re.MULTILINE)),
    )


def _listed(listing: str) -> list[tuple[str, str]]:
    """Return the names and descriptions in a listing."""
    return _LISTED.findall(listing)


def _decoders(listing: str) -> list[tuple[str, str]]:
    """Return the names and descriptions of the decoders that we use."""
    return [listed for listed in _listed(listing) if listed[0] in DECODERS and listed[0] not in _HARDWARE_DECODERS]


def _codecs(decoders: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Yield the codecs that these decoders read. A decoder's description ends with its codec's name where that is not
    its own."""
    for name, description in decoders:
        other = _CODEC.search(description)
        yield other[1] if other else name
