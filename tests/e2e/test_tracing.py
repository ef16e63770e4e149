"""Traces of an upload from its reservation to its webhook, as an OTLP receiver gets them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.conftest import Serve, Shelf
from tests.support.harness import OURS, ROOT, Api, eventually
from tests.support.receiver import SECRET as HOOK_SECRET
from tests.support.receiver import Receiver

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TEMPLATE = '[templates.clip]\nkind = "video"\nwebhook_url = "{url}"\nwebhook_secret_env = "HOOK_SECRET"\n'


def exported(receiver: Receiver) -> list[tuple[str, Any]]:
    """Return the spans that have arrived, each with its service's name."""
    spans = []
    for received in receiver.received:
        if received.headers["Content-Type"] == "application/x-protobuf":
            request = ExportTraceServiceRequest()
            request.ParseFromString(received.body)
            for group in request.resource_spans:
                resource = {one.key: one.value.string_value for one in group.resource.attributes}
                spans += [(resource["service.name"], span) for scope in group.scope_spans for span in scope.spans]
    return spans


async def test_spans_of_an_upload_are_in_the_trace_of_its_reservation(
    serve: Serve, shelf: Shelf, tmp_path: Path
) -> None:
    clip = shelf.clip(seconds=0.5, size="96x64")
    async with Receiver() as receiver:
        templates = tmp_path / "templates.toml"
        templates.write_text(TEMPLATE.format(url=receiver.url))
        server = serve(
            ROOMCAST_TEMPLATES=str(templates),
            HOOK_SECRET=HOOK_SECRET,
            ROOMCAST_WEBHOOK_PRIVATE="1",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url.removesuffix("/hook"),
            OTEL_BSP_SCHEDULE_DELAY="100",
        )
        async with Api(server) as api:
            body = {"type": "clip", "files": [{"filename": "a.mp4", "size": clip.stat().st_size}]}
            headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
            reply = await api.request("POST", "/api/uploads", json=body, headers=headers)
            upload_id, url = reply.body["uploadId"], reply.body["uploads"][0]["contentUrl"]
            assert (await api.put(url, clip.read_bytes())).status == 202
            assert (await api.finished(upload_id))["status"] == "completed"

            def all_arrived() -> bool:
                return {"webhook", "attempt"} <= {span.name for _, span in exported(receiver)}

            await eventually(all_arrived, what="the spans of the upload")
            assert "traceparent" not in str((await api.get(upload_id)).body)
        spans = [span for service, span in exported(receiver) if service == "roomcast-web"]
        hooks = [one for one in receiver.received if "X-Roomcast-Signature" in one.headers]
    ours = [span for span in spans if span.trace_id.hex() == TRACE]
    by_id = {span.span_id: span for span in ours}

    def parent(name: str) -> str:
        (span,) = [span for span in ours if span.name == name]
        above = by_id.get(span.parent_span_id)
        return str(above.name) if above else str(span.parent_span_id.hex())

    request = "POST /api/uploads"
    assert parent(request) == CALLER
    for name in ("reservation", "intake", "queue", "attempt", "webhook"):
        assert parent(name) == request, name
    for name in ("fetching", "probing", "compressing", "storing", "cleaning"):
        assert parent(name) == "attempt", name
    for program, stage in (("ffprobe", "probing"), ("ffmpeg", "compressing")):
        steps = [by_id[span.parent_span_id] for span in ours if span.name == program]
        stages = {by_id[step.parent_span_id].name for step in steps if step.name.startswith("step ")}
        assert stage in stages, (program, stages)
    (intake,) = [span for span in ours if span.name == "intake"]
    (put,) = [span for span in spans if span.name == "PUT /api/uploads/{id}/content"]
    assert [link.span_id for link in intake.links] == [put.span_id]
    assert not any(span.status.code == 2 for span in ours)
    assert any(TRACE in hook.headers.get("traceparent", "") for hook in hooks)


WORKER_AND_WEB = """
import asyncio, os, sys, roomcast_workers.worker_process
from roomcast.services.backends import _refuse_unverified
from roomcast.settings.settings import Settings
asyncio.run(_refuse_unverified(Settings(server={})))
os.environ["PORT"] = "none"
from roomcast.__main__ import main
assert main() == 2
print("redis" in sys.modules, [name for name in sys.modules if "opentelemetry" in name])
"""


def test_process_loads_nothing_of_opentelemetry_without_its_variables(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    env |= {"ROOMCAST_DATA": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "-c", WORKER_AND_WEB]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "True []", done.stderr
