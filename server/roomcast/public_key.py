"""The public key that tokens are verified with, and the algorithm that belongs to it."""

from __future__ import annotations

from typing import Any, NamedTuple

_RSA_BITS = 2048
_ACCEPTED = f"an RSA key of at least {_RSA_BITS} bits (RS256) or one of the curve P-256 (ES256)"


class TokenKey(NamedTuple):
    """A key of the library `cryptography`, and the JWT algorithm."""

    key: Any
    algorithm: str


def read_public_key(pem: str) -> TokenKey:
    """Return the public key in a PEM text, whose lines may be separated by `\\n` in writing.

    Raises `ValueError`, with a full sentence, for a key that no safe algorithm of tokens uses.
    """
    # The library is loaded only where there is such a key.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        key = load_pem_public_key(pem.replace("\\n", "\n").encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"This is not a public key in PEM format; it must be {_ACCEPTED}.") from None
    return token_key(key)


def token_key(key: Any) -> TokenKey:
    """Return a public key of `cryptography` with its algorithm. Raise `ValueError`, with a full sentence, for a key
    that no safe algorithm of tokens uses."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415

    if isinstance(key, RSAPublicKey):
        if key.key_size < _RSA_BITS:
            raise ValueError(f"An RSA key of {key.key_size} bits is too short; it must be {_ACCEPTED}.")
        return TokenKey(key, "RS256")
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return TokenKey(key, "ES256")
    found = f"of the curve {key.curve.name}" if isinstance(key, EllipticCurvePublicKey) else "of this type"
    raise ValueError(f"Keys {found} are not supported; it must be {_ACCEPTED}.")
