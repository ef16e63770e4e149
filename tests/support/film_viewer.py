"""A viewer of a growing film who reads all its playlists and files, and checks what the server answers."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from tests.support.harness import Api
from tests.support.hls_rules import Film, check_film, check_growth
from tests.support.watchers import Watcher


class FilmViewer:
    """Reads the playlists of a film at several times. `films` is what they were, each checked against the rules."""

    def __init__(self, api: Api, url: str) -> None:
        self.films: list[Film] = []
        self._api = api
        self._url = url
        self._sizes: dict[str, int] = {}

    async def read(self) -> Film:
        """Read all playlists as they are at one time, and the files in them that were not there before."""
        texts = await self._texts()
        files = {name for text in texts.values() for name in re.findall(r"[\w-]+\.(?:m4s|mp4)", text)}
        for name in sorted(files - self._sizes.keys()):
            reply = await self._api.request("GET", urljoin(self._url, name))
            assert reply.status == 200, name
            self._sizes[name] = len(reply.content)
        film = check_film(texts, self._sizes)
        if self.films:
            check_growth(self.films[-1], film)
        self.films.append(film)
        return film

    async def _texts(self) -> dict[str, str]:
        """Return all playlists, the master playlist first. If that one has changed meanwhile, others may be newer than
        it, and the bandwidths in it those of fewer segments: then they are read again."""
        master = await _text(self._api, self._url)
        while True:
            texts = {"hls.m3u8": master}
            for name in re.findall(r"hls-\w+\.m3u8", master):
                texts[name] = await _text(self._api, urljoin(self._url, name))
            master = await _text(self._api, self._url)
            if master == texts["hls.m3u8"]:
                return texts

    async def watch(self, watcher: Watcher, upload_id: str) -> None:
        """Read after each message of the upload until it has ended, and once more."""
        heard = 0

        def news() -> bool:
            return len(watcher.messages(upload_id)) > heard

        while not any(message["status"] in ("completed", "error") for message in watcher.messages(upload_id)):
            heard = len(watcher.messages(upload_id))
            await self.read()
            await watcher.wait_until(news, 60)
        await self.read()


async def names_at(api: Api, url: str) -> list[str]:
    """Return the names in a playlist that lead further: a line each."""
    return re.findall(r"^[^#\n]+$", await _text(api, url), re.MULTILINE)


async def _text(api: Api, url: str) -> str:
    reply = await api.request("GET", url)
    assert reply.status == 200, url
    return reply.content.decode()
