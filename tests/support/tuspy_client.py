"""Send one file with PyPI's tus client, and print its URL.

python tests/support/tuspy_client.py ENDPOINT FILE '{"chunk_size": 100000, "stop_at": 300000, "url": null, …}'
"""

from __future__ import annotations

import json
import sys

from tusclient.client import TusClient


def main() -> None:
    endpoint, path, given = sys.argv[1:]
    options = json.loads(given)
    stop_at, headers = options.pop("stop_at", None), options.pop("headers", {})
    with open(path, "rb") as file:  # noqa: PTH123  (the client wants a stream)
        uploader = TusClient(endpoint, headers=headers).uploader(file_stream=file, **options)
        print(json.dumps({"offset": uploader.offset}))
        uploader.upload(stop_at)
        print(json.dumps({"url": uploader.url, "offset": uploader.offset}))


if __name__ == "__main__":
    main()
