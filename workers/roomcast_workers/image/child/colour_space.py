"""Colour spaces by their primaries and transfer function, as CICP (ITU-T H.273) and PNG declare them. Pure.

A transfer function maps a code value of 0–1 to light, in which 1 is the white of SDR: in HDR, the reference white of
203 cd/m² (ITU-R BT.2408).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Matrix = tuple[tuple[float, float, float], ...]
Primaries = tuple[float, ...]
"""x and y of white, red, green and blue."""

# In cd/m².
REFERENCE_WHITE = 203.0
PQ_PEAK, HLG_PEAK = 10_000.0, 1000.0
HLG_GAMMA = 1.2

_D65 = (0.3127, 0.3290)
_SRGB: Primaries = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_CICP_PRIMARIES: dict[int, Primaries] = {
    1: _SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_CICP_CURVES: dict[int, str | float] = {4: 2.2, 5: 2.8, 8: 1.0, 16: "pq", 18: "hlg"}
_SRGB_GAMMA = 1 / 2.2
_GAMMA_TOLERANCE = 0.05
_MIN_GAMMA, _MAX_GAMMA = 0.1, 10.0


class ColourSpace(NamedTuple):
    """`primaries`, and the transfer function: `srgb`, `pq`, `hlg`, or the exponent that decodes."""

    primaries: Primaries
    transfer: str | float

    @property
    def hdr(self) -> bool:
        return self.transfer in {"pq", "hlg"}

    @property
    def is_srgb(self) -> bool:
        near = all(abs(a - b) < 0.002 for a, b in zip(self.primaries, _SRGB, strict=True))
        return near and self.transfer == "srgb"


def from_cicp(primaries: int, transfer: int) -> ColourSpace:
    """Return the colour space. What is unspecified or unknown is that of sRGB; so is the curve of television, because
    pictures with it are shown so everywhere."""
    curve = _CICP_CURVES.get(transfer, "srgb")
    return ColourSpace(_CICP_PRIMARIES.get(primaries, _SRGB), curve)


def from_gamma(gamma: float | None, chromaticities: Primaries | None) -> ColourSpace:
    """Return the colour space of a PNG's `gAMA` and `cHRM`; values that are not possible are ignored."""
    transfer: str | float = "srgb"
    if gamma and _MIN_GAMMA <= gamma <= _MAX_GAMMA and abs(gamma / _SRGB_GAMMA - 1) > _GAMMA_TOLERANCE:
        transfer = 1 / gamma
    return ColourSpace(chromaticities if chromaticities and _possible(chromaticities) else _SRGB, transfer)


def to_xyz(primaries: Primaries) -> Matrix:
    """Return the matrix from linear RGB to XYZ, in which white has Y = 1."""
    columns = [_xyz(primaries[at], primaries[at + 1]) for at in (2, 4, 6)]
    unscaled: Matrix = tuple((columns[0][row], columns[1][row], columns[2][row]) for row in range(3))
    scales = apply(inverse(unscaled), _xyz(primaries[0], primaries[1]))
    return tuple((row[0] * scales[0], row[1] * scales[1], row[2] * scales[2]) for row in unscaled)


def to_srgb_light(primaries: Primaries) -> Matrix:
    """Return the matrix from linear RGB of these primaries to linear sRGB, white to white."""
    adapted = multiply(adaptation(primaries[:2], _D65), to_xyz(primaries))
    return multiply(inverse(to_xyz(_SRGB)), adapted)


def luminances(primaries: Primaries) -> tuple[float, float, float]:
    """Return what each of the three contributes to the luminance."""
    return to_xyz(primaries)[1]


def adaptation(white: Sequence[float], target: Sequence[float]) -> Matrix:
    """Return Bradford's matrix between XYZ of two whites."""
    bradford: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
    before, after = apply(bradford, _xyz(white[0], white[1])), apply(bradford, _xyz(target[0], target[1]))
    ratio = [b / a for a, b in zip(before, after, strict=True)]
    scale: Matrix = ((ratio[0], 0.0, 0.0), (0.0, ratio[1], 0.0), (0.0, 0.0, ratio[2]))
    return multiply(inverse(bradford), multiply(scale, bradford))


def apply(matrix: Matrix, vector: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def multiply(left: Matrix, right: Matrix) -> Matrix:
    columns = [apply(left, column) for column in zip(*right, strict=True)]
    return tuple((columns[0][row], columns[1][row], columns[2][row]) for row in range(3))


def inverse(matrix: Matrix) -> Matrix:
    """Return the inverse. Raise `ZeroDivisionError` if there is none."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return (
        ((e * i - f * h) / determinant, (c * h - b * i) / determinant, (b * f - c * e) / determinant),
        ((f * g - d * i) / determinant, (a * i - c * g) / determinant, (c * d - a * f) / determinant),
        ((d * h - e * g) / determinant, (b * g - a * h) / determinant, (a * e - b * d) / determinant),
    )


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    return x / y, 1.0, (1 - x - y) / y


def _possible(primaries: Primaries) -> bool:
    """Return whether these are chromaticities of a white and of three colours around it."""
    if any(not 0 < value < 1 for value in primaries[:2]) or any(not 0 <= value <= 1 for value in primaries):
        return False
    try:
        matrix = to_xyz(tuple(max(value, 1e-4) for value in primaries))
    except ZeroDivisionError:
        return False
    return all(luminance > 0 for luminance in matrix[1])
