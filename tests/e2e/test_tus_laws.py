"""Whatever happens on the way, the file that arrives is the file that was sent."""

from __future__ import annotations

import random

import pytest

from tests.support.harness import Api, RunningServer
from tests.support.tus import MIB, completed, id_of, reserved
from tests.support.tus_journey import Journey


@pytest.mark.parametrize("seed", range(4))
async def test_file_arrives_as_it_was_sent_whatever_interrupts_it(
    server: RunningServer, api: Api, picture: bytes, seed: int
) -> None:
    chance = random.Random(seed)
    content = picture + chance.randbytes(4 * MIB)
    url = await reserved(api, content)
    journey = Journey([server], [api], url, content[:-1], chance)
    await journey.travel()
    (part,) = server.files_of(id_of(url))
    assert part.read_bytes() == content[:-1], journey.steps
    await Journey([server], [api], url, content, chance).travel()
    await completed(api, url)
