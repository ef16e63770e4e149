"""A request for each route of the server, made from its OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from roomcast.api_docs.examples import example
from roomcast.http.operations import FORM, JSON

from tests.support.harness import Api, Reply

Document = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A route, and a request to it with exactly what is required."""

    method: str
    path: str
    operation: Document
    path_values: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    async def by(self, api: Api) -> Reply:
        return await api.request(
            self.method,
            self.path.format(**self.path_values),
            params=self.query,
            headers=self.headers,
            data=self.body,
            allow_redirects=False,
        )

    def sending(self, media: str, body: bytes | None) -> Call:
        return replace(self, headers={**self.headers, "Content-Type": media}, body=body)


def calls(document: Document, upload: str, assembly: str) -> Iterator[Call]:
    """Yield a request for each route, about this upload or this assembly."""
    shapes = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            call = Call(method.upper(), path, operation)
            for one in operation.get("parameters", []):
                value = example(one["schema"], shapes)
                value = {"assemblyId": assembly, "uploadId": upload}.get(one["name"], value)
                if one["in"] == "path" and one["name"] in ("id", "upload_id", "task_id"):
                    value = assembly if "assemblies" in path else upload
                if one["name"] == "X-HTTP-Method-Override":
                    value = "PATCH"  # the one that takes the most
                where = {"path": call.path_values, "query": call.query, "header": call.headers}[one["in"]]
                if one["required"] or one["name"] == "Upload-Length":
                    where[one["name"]] = str(value)
            yield with_body(call, shapes)


def with_body(call: Call, shapes: Document) -> Call:
    content = call.operation.get("requestBody", {}).get("content")
    if not content:
        return call
    if JSON in content:
        return call.sending(JSON, json.dumps(example(content[JSON]["schema"], shapes)).encode())
    (media,) = content
    return call.sending(f"{FORM}; boundary=frontier" if media == FORM else media, b"bytes")
