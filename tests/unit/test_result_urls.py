"""URLs of results in messages: how long they are valid."""

from __future__ import annotations

from typing import Any, cast

import pytest
from roomcast.media.links import with_urls
from roomcast.media.url_signer import UrlSigner

HOUR = 3600
FILM_SECONDS = 3 * HOUR


class Store:
    """A media store that signs the URLs of results for an hour."""

    def __init__(self) -> None:
        signer = UrlSigner(b"0123456789abcdef", seconds=HOUR, clock=lambda: 0.0)
        self.url = self.server_url = signer.url
        self.download_url = signer.download_url
        self.urls_expire_at = signer.expires_at


def seconds_of(url: str) -> int:
    return int(url.split("/")[2].partition(".")[0])


@pytest.mark.parametrize(("duration", "least"), [({"duration": FILM_SECONDS}, HOUR + FILM_SECONDS), ({}, HOUR)])
def test_url_of_a_growing_playlist_is_valid_until_the_film_has_been_watched(
    duration: dict[str, Any], least: int
) -> None:
    message: Any = {"playable": {"key": "films/1/segments/hls.m3u8", **duration}}
    url = cast(Any, with_urls(message, cast(Any, Store())))["playable"]["url"]
    assert least <= seconds_of(url) <= least + HOUR // 4


def test_urls_of_results_are_valid_until_they_have_been_watched() -> None:
    names = {"video.mp4": FILM_SECONDS, "segments/hls.m3u8": FILM_SECONDS, "image.webp": None}
    outputs = [{"key": f"films/1/{name}", "duration": duration} for name, duration in names.items()]
    message: Any = {"element": {"outputs": outputs}, "poster": {"key": "films/1/poster.jpg"}}
    signed = cast(Any, with_urls(message, cast(Any, Store())))
    for output in signed["element"]["outputs"]:
        least = HOUR + (output["duration"] or 0)
        assert least <= seconds_of(output["url"]) <= least + HOUR // 4
    assert HOUR <= seconds_of(signed["poster"]["url"]) <= HOUR + HOUR // 4
