"""`python -m roomcast` whose times are a test's: stages too short to hit are held open, and long waits are short.

While the file that HOLD names holds a call's name (fetch, store, discard_source, complete), that call of the media
store waits for ever. HURRY is a JSON object of constants, `module.NAME`, and the seconds to take for them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import runpy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from roomcast.media.directory import DirectoryMediaStore, DirectoryResumableSources
from roomcast.runtime.backoff import Backoff

HOLD = Path(os.environ["HOLD"])


async def hold(call: str) -> None:
    if HOLD.exists() and HOLD.read_text() == call:
        await asyncio.Event().wait()


def hold_media_store() -> None:
    """Let the real store be held at the named calls. Whoever has imported the class already has it so too."""
    fetch, store = DirectoryMediaStore.fetch, DirectoryMediaStore.store
    discard_source, complete = DirectoryMediaStore.discard_source, DirectoryResumableSources.complete

    @asynccontextmanager
    async def held_fetch(self: DirectoryMediaStore, key: str, scratch: Path) -> AsyncIterator[Path]:
        await hold("fetch")
        async with fetch(self, key, scratch) as path:
            yield path

    async def held_store(self: DirectoryMediaStore, path: Path, *arguments: Any, **more: Any) -> str:
        if path.suffix != ".jpg":  # the poster is stored long before the others
            await hold("store")
        return await store(self, path, *arguments, **more)

    async def held_discard_source(self: DirectoryMediaStore, upload_id: str) -> None:
        await hold("discard_source")
        await discard_source(self, upload_id)

    async def held_complete(self: DirectoryResumableSources, *arguments: Any, **more: Any) -> str:
        await hold("complete")
        return await complete(self, *arguments, **more)

    for owner, held in (
        (DirectoryMediaStore, {"fetch": held_fetch, "store": held_store, "discard_source": held_discard_source}),
        (DirectoryResumableSources, {"complete": held_complete}),
    ):
        for name, call in held.items():
            setattr(owner, name, call)


def hurry(seconds: dict[str, float]) -> None:
    """Replace constants, which are named with their module: a float, or the first delay of a `Backoff`."""
    for name, value in seconds.items():
        module, _, constant = name.rpartition(".")
        original = getattr(importlib.import_module(module), constant)
        assert isinstance(original, float | Backoff), name
        hurried = dataclasses.replace(original, first=value) if isinstance(original, Backoff) else value
        setattr(importlib.import_module(module), constant, hurried)


if __name__ == "__main__":
    hold_media_store()
    hurry(json.loads(os.environ.get("HURRY", "{}")))
    runpy.run_module("roomcast", run_name="__main__")
