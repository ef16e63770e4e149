"""Mix audio channels that ffmpeg cannot place into stereo. Pure.

ffmpeg mixes the usual layouts by itself, and guesses one for most numbers of channels without a layout. It refuses
channels that are named unusually or not at all ("UNSD", "UNK"), and Ambisonics.
"""

from __future__ import annotations

import re

_USUAL = re.compile(
    r"mono|stereo|downmix|\d\.\d(\.\d)?(\(\w+\))?|quad(\(side\))?|hexagonal|octagonal|cube|hexadecagonal|22\.2|binaural"
)
_GUESSED = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 16, 24})
"""Numbers of channels for which ffmpeg has a usual layout."""

_NAMED = re.compile(r"\d+ channels \(([\w+]+)\)")
_AMBISONIC = re.compile(r"ambisonic (\d)(\+stereo)?")
_CENTRE = frozenset({"FC", "BC", "TC", "TFC", "TBC", "BFC"})


def stereo_mix(channels: int, layout: str | None) -> str | None:
    """Return the ffmpeg filter that makes stereo of this layout, or None if ffmpeg needs none.

    `layout` is ffmpeg's description. Of channels without names only the first two are used.
    """
    if channels < 2 or (layout is not None and _USUAL.fullmatch(layout)):
        return None
    if layout is not None and (ambisonic := _AMBISONIC.fullmatch(layout)):
        return _ambisonic(channels, has_stereo=ambisonic[2] is not None)
    named = _NAMED.fullmatch(layout or "")
    if named is None:
        return None if channels in _GUESSED else _pair(0, 1)
    names = named[1].split("+")
    left = [number for number, name in enumerate(names) if name in _CENTRE or re.fullmatch(r"[A-Z]+L[CS]?", name)]
    right = [number for number, name in enumerate(names) if name in _CENTRE or re.fullmatch(r"[A-Z]+R[CS]?", name)]
    if not (left and right):
        return _pair(0, 1)
    # For one channel on either side `pan` would have ffmpeg's mixer rename them, which refuses these layouts.
    return _pair(left[0], right[0]) if len(left) == len(right) == 1 else f"pan=stereo|c0<{_sum(left)}|c1<{_sum(right)}"


def _pair(left: int, right: int) -> str:
    return f"channelmap={left}|{right}:stereo"


def _sum(channels: list[int]) -> str:
    return "+".join(f"c{number}" for number in channels)


def _ambisonic(channels: int, *, has_stereo: bool) -> str:
    """Return the mix of two cardioids that point to the left and to the right.

    The first two channels, in ACN order, are the omnidirectional one and that of left against right. Stereo that does
    not belong to the sound field comes last.
    """
    if channels < 4:
        return _pair(0, 0)
    left, right = "0.6*c0+0.4*c1", "0.6*c0-0.4*c1"
    if has_stereo:
        left, right = f"{left}+0.5*c{channels - 2}", f"{right}+0.5*c{channels - 1}"
    return f"pan=stereo|c0={left}|c1={right}"
