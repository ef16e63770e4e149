"""MD5 and SHA-256 of bytes as they come."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable

from roomcast.errors import Malformed
from roomcast.media.contract import Data, WriteChunks
from roomcast.uploads.model import Upload


class Digests:
    """The digests of a file by these algorithms of `hashlib`, made off the event loop; hex."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._made = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}

    def beside(self, write: WriteChunks) -> WriteChunks:
        """`write`, and side by side with it these digests."""

        async def put(*chunks: Data) -> None:
            await asyncio.gather(write(*chunks), self.update(*chunks))

        return put if self._made else write

    async def update(self, *chunks: Data) -> None:
        """Go on with the next bytes."""
        if self._made:
            await asyncio.to_thread(self._update, chunks)

    def _update(self, chunks: Iterable[Data]) -> None:
        for chunk in chunks:
            for digest in self._made.values():
                digest.update(chunk)

    @property
    def md5(self) -> str | None:
        return self._of("md5")

    @property
    def sha256(self) -> str | None:
        return self._of("sha256")

    def _of(self, name: str) -> str | None:
        return self._made[name].hexdigest() if name in self._made else None

    def check(self, upload: Upload) -> None:
        """`Malformed` when another MD5 was declared."""
        if upload.declared_md5 not in (None, self.md5):
            raise Malformed("The file's MD5 is not the one that was declared.")
