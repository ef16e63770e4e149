"""Links are absolute on every surface if the server's public address is set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer
from tests.support.streams import StreamWatcher
from tests.support.tus import Tus
from tests.support.watchers import Watcher

PUBLIC = "https://films.example/roomcast"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"ROOMCAST_PUBLIC_URL": f"{PUBLIC}/"}


def links(value: Any) -> Iterator[str]:
    """The links in a body, wherever they are."""
    if isinstance(value, list):
        for one in value:
            yield from links(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name.lower().endswith("url") and one is not None:
                yield one
            else:
                yield from links(one)


def path_of(link: str) -> str:
    """Where the server finds what a proxy strips the prefix of."""
    assert link.startswith(f"{PUBLIC}/")
    return link.removeprefix(PUBLIC)


async def test_links_are_the_same_and_absolute_on_every_surface(
    api: Api, server: RunningServer, watcher: Watcher, shelf: Shelf
) -> None:
    picture = shelf.image()
    sent = (await api.upload(picture)).body
    upload_id = sent["uploadId"]
    end = await api.finished(upload_id)
    outputs = [output["url"] for output in end["element"]["outputs"]]
    downloads = [output["downloadUrl"] for output in end["element"]["outputs"]]
    expected = sorted([*outputs, *downloads, outputs[0]])
    assert end["element"]["url"] == outputs[0]
    assert sorted(links(end)) == expected
    for link in (*outputs, *downloads):
        assert path_of(link).startswith("/media/")
        assert (await api.request("GET", path_of(link))).status == 200

    assert sorted(links((await watcher.join(upload_id))["state"])) == expected
    async with StreamWatcher(f"{server.url}/api/uploads/{upload_id}/events") as stream:
        await stream.closed()
    assert sorted(links(stream.received[-1].message)) == expected
    (listed,) = [upload for upload in (await api.list()).body["uploads"] if upload["uploadId"] == upload_id]
    assert sorted(links(listed)) == expected
    status = await api.request("GET", "/api/transflow/status", params={"assemblyId": sent["assemblyId"]})
    assert sorted(links(status.body)) == sorted(outputs)
    md5 = hashlib.md5(picture.read_bytes(), usedforsecurity=False).hexdigest()
    file = {"filename": picture.name, "size": picture.stat().st_size, "md5": md5}
    known = await api.request("POST", "/api/uploads", json={"files": [file]})
    assert known.status == 200
    assert sorted(links(known.body)) == sorted(expected * 2)


async def test_poster_link_is_absolute(api: Api, shelf: Shelf) -> None:
    end = await api.finished(await api.accepted(shelf.clip(seconds=1)))
    assert path_of(end["poster"]["url"]).startswith("/media/")


async def test_reservation_has_absolute_content_urls(api: Api, shelf: Shelf) -> None:
    picture = shelf.image(size=(61, 40)).read_bytes()
    (entry,) = (await api.reserve(("one.png", len(picture)))).body["uploads"]
    assert entry["contentUrl"] == f"{PUBLIC}/api/uploads/{entry['uploadId']}/content"
    assert entry["tusUrl"] == f"{PUBLIC}/api/tus/{entry['uploadId']}"
    assert (await api.put(path_of(entry["contentUrl"]), picture)).status == 202


async def test_tus_locations_are_absolute_and_accepted_for_concatenation(api: Api, tus: Tus, picture: bytes) -> None:
    locations = []
    for part in (picture[:100], picture[100:]):
        made = await tus.post(part, Upload_Length=str(len(part)), Upload_Concat="partial")
        locations.append(made.headers["Location"])
    assert all(path_of(location).startswith("/api/tus/upload_") for location in locations)
    joined = await tus.post(Upload_Concat=f"final;{' '.join(locations)}")
    assert joined.status == 201
    answer = await tus.head(path_of(joined.headers["Location"]))
    assert answer.headers["Upload-Concat"] == f"final;{' '.join(locations)}"


async def test_content_security_policy_of_the_page_allows_the_public_address(api: Api) -> None:
    policy = (await api.request("GET", "/progress-demo")).headers["Content-Security-Policy"]
    sources = {name: rest for name, _, rest in (one.strip().partition(" ") for one in policy.split(";"))}
    for name in ("connect-src", "img-src", "media-src"):
        assert "https://films.example" in sources[name].split()
