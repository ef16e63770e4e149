"""What `playable` leads to: the playlists of a film while it is compressed, and those that are stored at its end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from roomcast.http.errors import errors_as_json
from roomcast.http.media import MediaRoute
from roomcast.http.middleware import cors
from roomcast.ledger.contract import Claim
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.media.contract import InlineFile, Redirect, ServedFile
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.links import with_urls
from roomcast.media.url_signer import UrlSigner
from roomcast.origins import OriginPolicy
from roomcast.segments.plan import SegmentPlan
from roomcast.segments.playlists import playable, playlists
from roomcast.uploads.lifecycle import Entered, Progressed, Stage
from roomcast.uploads.model import Change, message, new_upload_id, results_folder
from roomcast.uploads.transitions import cancelled

from tests.support.ledgers import LEASE, STEPS, Clock, claimed
from tests.support.segment_files import film_plan, made_by, sound_of

Connect = Callable[[web.Application], Awaitable[TestClient[web.Request, web.Application]]]

SECRET = b"0123456789abcdef"
PLAYER = "https://player.example"


class Bucket(DirectoryMediaStore):
    """A store as one in a bucket: it redirects to its files, except for those with relative URLs."""

    async def serve(self, key: str, *, disposition: str | None = None) -> ServedFile:  # type: ignore[override]
        file = await super().serve(key)
        return (
            InlineFile(file.path.read_bytes()) if key.endswith(".m3u8") else Redirect(f"https://bucket.example/{key}")
        )


@dataclass
class Answer:
    """What the server has answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def segments(self) -> list[str]:
        return re.findall(r"^[^#\n]+$", self.content.decode(), re.MULTILINE)


@dataclass
class Film:
    """A film of three segments that a worker is compressing, and a client that plays it."""

    ledger: SqliteLedger
    media: DirectoryMediaStore
    claim: Claim
    client: TestClient[web.Request, web.Application]
    clock: Clock
    plan: SegmentPlan = field(default_factory=lambda: film_plan(audio=True))

    @property
    def folder(self) -> str:
        return f"{results_folder(self.claim.upload)}/segments"

    async def complete_task(self) -> None:
        found = await self.ledger.segments.claim(holder="w", encoder=self.plan.encoder, seconds=LEASE)
        assert found is not None
        made = made_by(self.plan, found.task)
        for name in (*(file.name for file in made.files), *(init.name for init in made.inits)):
            await self.store(name, name)
        await self.ledger.segments.complete(found.lease, made)

    async def store(self, name: str, content: str) -> None:
        path = self.media._root / "stored"
        path.write_text(content)
        await self.media.store(path, self.folder, name, lambda _: None)

    async def append(self, change: Change) -> None:
        await self.ledger.append(self.claim.upload.id, change, token=self.claim.lease.token)

    async def url(self) -> str:
        """The URL in the upload's message."""
        state: Any = with_urls(message(await self.ledger.get(self.claim.upload.id)), self.media)
        return str(state["playable"]["url"])

    async def get(self, url: str, method: str = "GET", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, url, headers=named, allow_redirects=False) as answer:
            return Answer(answer.status, answer.headers, await answer.read())


@pytest.fixture(params=[DirectoryMediaStore, Bucket], ids=["directory", "bucket"])
async def film(
    request: pytest.FixtureRequest, tmp_path: Path, aiohttp_client: Connect, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Film]:
    monkeypatch.setattr("roomcast.http.downloads.growing._FRESH_SECONDS", 0.0)
    clock = Clock()
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3", clock=clock)
    signer = UrlSigner(SECRET, seconds=3600, clock=clock)
    media = request.param(tmp_path / "data", signer)
    preflight, add_headers = cors(OriginPolicy([PLAYER]))
    app = web.Application(middlewares=[errors_as_json, preflight])
    app.on_response_prepare.append(add_headers)
    MediaRoute(media, signer, ledger, max_age_seconds=3600).add_routes(app)
    film = Film(ledger, media, await claimed(ledger, clock), await aiohttp_client(app), clock)
    await film.append(Change(Entered(Stage.PROBING), ""))
    await ledger.segments.plan(film.claim.lease, film.plan)
    yield film
    await ledger.close()


async def start(film: Film) -> str:
    """Make the film playable, and return its URL."""
    await film.complete_task()
    await film.ledger.segments.set_audio(film.claim.lease, sound_of(film.plan, 1))
    board = await film.ledger.segments.board(film.claim.upload.id)
    assert board is not None
    shown: Any = playable(board, film.folder)
    await film.append(Change(Progressed(0.1), "", playable=shown))
    return await film.url()


async def test_playlist_grows_until_the_film_is_complete_and_is_then_the_stored_one(film: Film) -> None:
    url = await start(film)
    master = await film.get(url)
    assert (master.status, master.segments) == (200, ["hls-480.m3u8"])
    playlist = urljoin(url, "hls-480.m3u8")
    counts = []
    for task in range(len(film.plan.tasks)):
        if task:
            await film.complete_task()
        now = await film.get(playlist)
        assert now.headers["Cache-Control"] == "private, no-cache"
        assert b"#EXT-X-PLAYLIST-TYPE:EVENT\n" in now.content
        counts.append(len(now.segments))
        for name in (*now.segments, *re.findall(rb'URI="([^"]+)"', now.content)):
            segment = await film.get(urljoin(playlist, name if isinstance(name, str) else name.decode()))
            assert segment.status == (302 if isinstance(film.media, Bucket) else 200)
    assert counts == [1, 1, 2, 3]
    assert (await film.get(url)).segments == ["hls-720.m3u8", "hls-480.m3u8"]
    await film.ledger.segments.set_audio(film.claim.lease, sound_of(film.plan, 3, complete=True))
    grown = await film.get(playlist)
    assert grown.content.endswith(b"#EXT-X-ENDLIST\n")
    assert b"#EXT-X-PLAYLIST-TYPE:VOD\n" in grown.content

    board = await film.ledger.segments.board(film.claim.upload.id)
    assert board is not None
    for name, text in playlists(board).items():
        await film.store(name, text)
    for stage in STEPS[1:]:
        await film.append(Change(Entered(stage), ""))
    assert await film.ledger.segments.board(film.claim.upload.id) is None
    stored = await film.get(playlist)
    assert stored.content == grown.content
    assert "immutable" in stored.headers["Cache-Control"]
    assert (await film.get(url)).status == 200, "who is watching is not interrupted"


async def test_playlist_has_its_type_and_answers_conditional_requests(film: Film) -> None:
    url = await start(film)
    whole = await film.get(url, Origin=PLAYER)
    assert whole.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert whole.headers["Access-Control-Allow-Origin"] == PLAYER
    assert whole.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    head = await film.get(url, "HEAD")
    assert (head.status, head.content) == (200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert "Access-Control-Allow-Origin" not in (await film.get(url, Origin="https://other.example")).headers
    assert (await film.get(url, If_None_Match=whole.headers["ETag"])).status == 304
    plain = await film.get(url, Accept_Encoding="identity")
    assert (plain.content, plain.headers.get("Content-Encoding")) == (whole.content, None)
    assert whole.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in whole.headers["Vary"]
    assert plain.headers["ETag"] != whole.headers["ETag"], "each has its own bytes"
    assert (await film.get(url, Accept_Encoding="identity", If_None_Match=plain.headers["ETag"])).status == 304
    part = await film.get(url, Range="bytes=1-6")
    assert (part.status, part.content) == (206, b"EXTM3U")
    await film.complete_task()
    assert (await film.get(url, If_None_Match=whole.headers["ETag"])).status == 200
    assert (await film.get(url, If_Match=whole.headers["ETag"])).status == 412


async def test_other_viewers_and_expired_links_are_refused(film: Film) -> None:
    url = await start(film)
    stolen = UrlSigner(SECRET, seconds=3600, clock=film.clock).url(f"{results_folder(film.claim.upload)}/poster.jpg")
    grant = stolen.split("/")[2]
    for other in (
        url.replace(url.split("/")[2], grant),  # a grant for another folder
        url.replace(film.claim.upload.id, new_upload_id()),
    ):
        assert (await film.get(other)).status in (403, 404), other
    assert (await film.get(urljoin(url, "../video.mp4"))).status == 403, "a grant for the segments is for them alone"
    for missing in ("hls-999.m3u8", "hls-720.m3u8", "hls-480-c0ffee00-00001.m4s", "other.m3u8"):
        assert (await film.get(urljoin(url, missing))).status == 404, missing
    film.clock.now += 5000
    assert (await film.get(url)).status == 403
    renewed = await film.url()
    assert renewed != url
    assert (await film.get(renewed)).status == 200


async def test_cancelled_film_has_no_playlist(film: Film) -> None:
    url = await start(film)
    await film.append(cancelled(Stage.PROBING))
    await film.media.discard_results(results_folder(film.claim.upload))
    assert (await film.get(url)).status == 404
    assert "playable" not in message(await film.ledger.get(film.claim.upload.id))
