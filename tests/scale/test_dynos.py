"""Processes that share no disk, with nothing set but a token secret, Redis and a bucket."""

from __future__ import annotations

from pathlib import Path

import aiohttp
from yarl import URL

from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer, RunningWorker
from tests.support.redis_server import RunningRedis
from tests.support.tokens import SECRET, token


async def test_video_completes_and_its_links_work_on_every_dyno(
    tmp_path: Path, redis: RunningRedis, bucket: dict[str, str], shelf: Shelf
) -> None:
    env = {**bucket, "DYNO": "web.1", "JWT_SECRET": SECRET, "REDIS_URL": redis.url}
    with (
        RunningServer(tmp_path / "web1", **env) as web,
        RunningServer(tmp_path / "web2", **env) as other_web,
        RunningWorker(tmp_path / "worker1", name="worker1", **env),
    ):
        async with Api(web, token("alice")) as api:
            upload_id = await api.accepted(shelf.clip(seconds=2, audio=True))
            element = (await api.finished(upload_id))["element"]
        (storyboard,) = (output for output in element["outputs"] if output["kind"] == "storyboard")
        link = URL(web.url).join(URL(storyboard["url"]))
        async with aiohttp.ClientSession() as anybody:
            for dyno in (web, other_web):
                async with anybody.get(link.with_port(dyno.port)) as answer:
                    assert (answer.status, answer.content_type) == (200, "text/vtt")
        assert "empties" not in web.log.read_text()
