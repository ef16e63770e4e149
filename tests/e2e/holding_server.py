"""`python -m server` whose times are a test's: stages too short to hit are held open, and long waits are short.

While the file that HOLD names holds a call's name (fetch, store, discard_source, complete), that call of the media
store waits for ever. HURRY is a JSON object of constants, `module.NAME`, and the seconds to take for them.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import runpy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from server.upload.directory_media import DirectoryMediaStore
from server.upload.directory_resumable import DirectoryResumableSources

HOLD = Path(os.environ["HOLD"])


async def hold(call: str) -> None:
    if HOLD.exists() and HOLD.read_text() == call:
        await asyncio.Event().wait()


class HoldingMediaStore(DirectoryMediaStore):
    """The real store, held at the named call."""

    @asynccontextmanager
    async def fetch(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        await hold("fetch")
        async with super().fetch(key, scratch) as path:
            yield path

    async def store(self, path: Path, *arguments: Any) -> str:
        if path.suffix != ".jpg":  # the poster is stored long before the others
            await hold("store")
        return await super().store(path, *arguments)

    async def discard_source(self, upload_id: str) -> None:
        await hold("discard_source")
        await super().discard_source(upload_id)


class HoldingSources(DirectoryResumableSources):
    """Sources in pieces, held when they are complete."""

    async def complete(self, *arguments: Any, **more: Any) -> str:
        await hold("complete")
        return await super().complete(*arguments, **more)


def hurry(seconds: dict[str, float]) -> None:
    for name, value in seconds.items():
        module, _, constant = name.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), constant), float), name
        setattr(importlib.import_module(module), constant, value)


if __name__ == "__main__":
    import server.upload.directory_media

    server.upload.directory_media.DirectoryResumableSources = HoldingSources  # type: ignore[attr-defined]
    server.upload.directory_media.DirectoryMediaStore = HoldingMediaStore  # type: ignore[misc]
    hurry(json.loads(os.environ.get("HURRY", "{}")))
    runpy.run_module("server", run_name="__main__")
