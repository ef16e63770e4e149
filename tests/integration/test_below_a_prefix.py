"""A part of the HTTP suites once more: below a prefix of another application, with its session cookie."""

from __future__ import annotations

import re
from html import unescape

import pytest
from roomcast import CallerRequest, Viewer
from roomcast.extensions.registry import Extensions

from tests.integration.conftest import ServeApp
from tests.integration.test_tus import (  # noqa: F401  (pytest runs them here, too)
    test_complete_upload_refuses_chunks_and_deletion,
    test_deferred_length_is_declared_by_an_empty_chunk,
    test_first_chunk_is_accepted_with_the_creation,
    test_half_a_chunk_with_a_checksum_is_not_stored,
    test_head_returns_metadata_length_offset_and_expiry,
    test_two_racing_clients_complete_one_file,
)
from tests.integration.test_uploads import (  # noqa: F401
    test_config_has_the_limits_and_the_templates,
    test_list_with_a_wrong_query_is_malformed,
    test_page_is_served_and_the_other_path_leads_to_it_with_its_query,
)
from tests.support.app import AppServer
from tests.support.harness import Api


def who(request: CallerRequest) -> Viewer | None:
    return Viewer("ada") if request.cookies.get("sessionid") == "a-session" else None


@pytest.fixture
async def server(serve: ServeApp) -> AppServer:
    extensions = Extensions()
    extensions.authenticate(who)
    running = await serve(extensions=extensions, ROOMCAST_PREFIX="/shop/uploads")
    running.headers = {"Cookie": "sessionid=a-session"}
    return running


async def test_addresses_in_the_page_of_a_lasting_link_are_below_the_prefix(server: AppServer) -> None:
    async with Api(server) as ada:
        upload_id, _ = await ada.reserved("a.mp4", 100)
        made = (await ada.request("POST", f"/api/uploads/{upload_id}/links", json={})).body
        page = await ada.request("GET", made["url"])
        html = unescape(page.content.decode())
        addresses = re.findall(r'(?:og:url" content|json\+oembed" href)="([^"]+)"', html)
        assert [address.startswith(f"{server.url}/") for address in addresses] == [True, True]
        assert [(await ada.request("GET", address)).status for address in addresses] == [200, 200]
