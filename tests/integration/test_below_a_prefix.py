"""A part of the HTTP suites once more: below a prefix of another application, with its session cookie."""

from __future__ import annotations

import re
from html import unescape

import pytest
from roomcast import CallerRequest, Viewer
from roomcast.extensions.registry import Extensions

from tests.conftest import Shelf
from tests.e2e.test_assemblies import (  # noqa: F401  (pytest runs them here, too)
    test_an_assembly_has_a_room,
    test_an_unchanged_status_is_answered_with_304,
)
from tests.e2e.test_rooms import (  # noqa: F401
    test_join_is_acknowledged_with_the_state_and_the_events_after_since,
    test_retry_and_join_without_acknowledgements_run_in_order,
)
from tests.e2e.test_streams import (  # noqa: F401
    test_dismissed_task_is_listed_again_after_a_retry,
    test_files_dialect_has_the_fields_of_its_client,
    test_polling_dialect_has_the_fields_of_its_client_and_dismisses_a_task,
    test_stream_has_the_same_events_as_the_room,
)
from tests.integration.conftest import ServeApp
from tests.integration.test_metadata import (  # noqa: F401
    test_metadata_after_a_second_file_is_refused,
    test_reserved_files_have_their_own_metadata_or_the_reservations,
)
from tests.integration.test_tus import (  # noqa: F401
    test_complete_upload_refuses_chunks_and_deletion,
    test_deferred_length_is_declared_by_an_empty_chunk,
    test_first_chunk_is_accepted_with_the_creation,
    test_half_a_chunk_with_a_checksum_is_not_stored,
    test_head_returns_metadata_length_offset_and_expiry,
    test_two_racing_clients_complete_one_file,
)
from tests.integration.test_tus_concatenation import test_partial_uploads_are_concatenated_and_deleted  # noqa: F401
from tests.integration.test_uploads import (  # noqa: F401
    test_config_has_the_limits_the_formats_and_the_templates,
    test_list_with_a_wrong_query_is_malformed,
    test_page_is_served_and_the_other_path_leads_to_it_with_its_query,
)
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.results import source_deleted
from tests.support.watchers import refused


def who(request: CallerRequest) -> Viewer | None:
    sessions = {"a-session": Viewer("ada"), "an-admin": Viewer("root", admin=True)}
    return sessions.get(request.cookies.get("sessionid", ""))


@pytest.fixture
async def server(serve: ServeApp) -> AppServer:
    extensions = Extensions()
    extensions.authenticate(who)
    running = await serve(extensions=extensions, ROOMCAST_PREFIX="/shop/uploads")
    running.headers = {"Cookie": "sessionid=a-session"}
    return running


async def test_media_links_processing_and_deletion_work_by_the_addresses_that_are_given(
    server: AppServer, api: Api, shelf: Shelf
) -> None:
    upload_id = await api.accepted(shelf.image(), template="image")
    state = await api.finished(upload_id)
    main = state["element"]["outputs"][0]
    assert main["url"].startswith("/shop/uploads/media/")
    some = await api.request("GET", main["url"], headers={"Range": "bytes=2-5"})
    assert (some.status, some.headers["Content-Range"]) == (206, f"bytes 2-5/{main['size']}")
    saved = await api.request("GET", main["downloadUrl"])
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert saved.content[2:6] == some.content
    link = (await api.request("POST", f"/api/uploads/{upload_id}/links", json={})).body
    assert (await api.request("GET", f"{link['url']}?download=1")).content == saved.content
    await source_deleted(server, upload_id)
    again = await api.request("POST", f"/api/uploads/{upload_id}/process", json={"type": "image"})
    assert again.refusal == (409, "SOURCE_GONE")
    assert (await api.delete(upload_id)).status == 200
    assert (await api.get(upload_id)).refusal == (410, "DELETED")
    for gone in (main["url"], link["url"]):
        assert (await api.request("GET", gone)).status == 404


async def test_socket_and_requests_without_the_session_are_refused(server: AppServer) -> None:
    assert (await refused(server.url))["code"] == "UNAUTHENTICATED"
    server.headers = {}
    async with Api(server) as nobody:
        assert (await nobody.list()).refusal == (401, "UNAUTHENTICATED")


async def test_addresses_in_the_page_of_a_lasting_link_are_below_the_prefix(server: AppServer) -> None:
    async with Api(server) as ada:
        upload_id, _ = await ada.reserved("a.mp4", 100)
        made = (await ada.request("POST", f"/api/uploads/{upload_id}/links", json={})).body
        page = await ada.request("GET", made["url"])
        html = unescape(page.content.decode())
        addresses = re.findall(r'(?:og:url" content|json\+oembed" href)="([^"]+)"', html)
        assert [address.startswith(f"{server.url}/") for address in addresses] == [True, True]
        assert [(await ada.request("GET", address)).status for address in addresses] == [200, 200]


async def test_admin_api_answers_below_the_prefix(server: AppServer) -> None:
    async with Api(server) as ada:
        upload_id, _ = await ada.reserved("a.mp4", 100)
        assert (await ada.request("GET", "/api/admin/history")).refusal == (403, "FORBIDDEN")
    server.headers = {"Cookie": "sessionid=an-admin"}
    async with Api(server) as admin:
        log = await admin.request("GET", f"/api/admin/uploads/{upload_id}/log")
        assert [event["actor"] for event in log.body["events"]] == [{"type": "user", "name": "ada"}]
        history = await admin.request("GET", "/api/admin/history")
        assert (history.body["window"], len(history.body["buckets"])) == ("hour", 60)
        assert (await admin.request("GET", "/api/admin/rooms")).body["sockets"] == []
        order = {"type": "template", "name": "auto"}
        for verb, paused in (("pause", ["auto"]), ("resume", [])):
            reply = await admin.request("POST", f"/api/admin/{verb}", json=order)
            assert [one["name"] for one in reply.body["paused"]] == paused
        cancelled = await admin.request("POST", "/api/admin/uploads/cancel", json={"filter": {"owner": "ada"}})
        assert (cancelled.body["changed"], cancelled.body["cursor"]) == (1, None)
        assert (await admin.request("POST", "/api/admin/rooms/disconnect", json={"user": "ada"})).status == 200
