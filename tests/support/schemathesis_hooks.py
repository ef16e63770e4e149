"""What the `schemathesis` program has to be told (`SCHEMATHESIS_HOOKS`)."""

from __future__ import annotations

import schemathesis
from roomcast.http.tus.protocol import CHUNK_TYPE

schemathesis.serializer.alias(CHUNK_TYPE, "application/octet-stream")
