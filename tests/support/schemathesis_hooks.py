"""What the `schemathesis` program has to be told (`SCHEMATHESIS_HOOKS`)."""

from __future__ import annotations

import schemathesis

from tests.support import codec_characters

codec_characters.install()
# Of the tus protocol; the server's own constant would come with most of the server.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
