"""What the `schemathesis` program has to be told (`SCHEMATHESIS_HOOKS`)."""

from __future__ import annotations

import schemathesis
from roomcast.http.tus.protocol import PIECE_TYPE

schemathesis.serializer.alias(PIECE_TYPE, "application/octet-stream")
