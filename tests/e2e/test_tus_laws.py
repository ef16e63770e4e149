"""A file that is sent by tus is stored unchanged, whatever interrupts it."""

from __future__ import annotations

import random

import pytest

from tests.support.harness import Api, RunningServer
from tests.support.interrupted_upload import InterruptedUpload
from tests.support.tus import MIB, completed, id_of, reserved


@pytest.mark.parametrize("seed", range(4))
async def test_file_arrives_as_it_was_sent_whatever_interrupts_it(
    server: RunningServer, api: Api, picture: bytes, seed: int
) -> None:
    chance = random.Random(seed)
    content = picture + chance.randbytes(4 * MIB)
    url = await reserved(api, content)
    interrupted = InterruptedUpload([server], [api], url, content[:-1], chance)
    await interrupted.complete()
    (part,) = server.files_of(id_of(url))
    assert part.read_bytes() == content[:-1], interrupted.steps
    await InterruptedUpload([server], [api], url, content, chance).complete()
    await completed(api, url)
