"""The media store of many processes: a bucket of Amazon S3 or of a compatible server.

    <prefix>incoming/<name>[/…]         sources (`resumable.py` describes those in segments)
    <prefix>media/<folder>/<name>       results
    <prefix>deployment                  the id of the ledger that the sources belong to

An object is complete or does not exist. A process that is killed while it writes one leaves a multipart upload, which
costs money and is in no listing of objects: `discard_source` and `sweep` abort it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self
from urllib.parse import quote

from roomcast.errors import NotFound, RoomcastError, StorageError
from roomcast.media.contract import Data, InlineFile, Redirect
from roomcast.media.result_keys import SEGMENTS, SUBFOLDERS, content_disposition, is_download, is_segment, mime_type
from roomcast.media.s3.client import Bucket, open_bucket
from roomcast.media.s3.deletion import delete_objects
from roomcast.media.s3.download import download, head_object, read_all, read_object
from roomcast.media.s3.multipart import (
    ObjectWriter,
    abort_all_multiparts,
    abort_multipart,
    list_multiparts,
    part_bytes_for,
)
from roomcast.media.s3.presigned import S3PresignedUploads
from roomcast.media.s3.resumable import S3ResumableSources
from roomcast.media.s3.sparse import S3SparseSource, open_sparse
from roomcast.media.url_signer import UrlSigner
from roomcast.runtime.files import open_regular, run_in_thread_shielded
from roomcast.runtime.tasks import finish_despite_cancel
from roomcast.uploads.sniff import OCTETS

_GIB = 1 << 30
_CHUNK_BYTES = 1 << 20
_MAX_COPIED_BYTES = 5 * _GIB
"""The largest object that the bucket copies in one request."""

_CHECK_SECONDS = 5.0
_WRITE_CHECK_SECONDS = 300.0
_SUFFIXES_WITH_RELATIVE_URLS = {".m3u8", ".vtt"}


class S3MediaStore:
    """Stores sources and results as objects. Implements `roomcast.media.contract.MediaStore`. See `open`."""

    def __init__(
        self,
        bucket: Bucket,
        *,
        signer: UrlSigner,
        public_base_url: str | None,
        cache_seconds: int,
        prefix: str,
        largest_bytes: int,
    ) -> None:
        self._bucket = bucket
        self._signer = signer
        self._public = public_base_url.rstrip("/") if public_base_url else None
        visible = "public" if public_base_url else "private"
        self._cache_control = f"{visible}, max-age={cache_seconds}"
        self._incoming = f"{prefix}incoming/"
        self._media = f"{prefix}media/"
        self._check_key = f"{prefix}check"
        self._write_check_at = 0.0
        self._deployment_key = f"{prefix}deployment"
        self.deployment_location = f"the object {self._deployment_key} in the bucket {bucket.name}"
        self.origins = tuple(dict.fromkeys(_origin(url) for url in (bucket.urls.base, self._public) if url))
        self._part_bytes = part_bytes_for(largest_bytes)
        self._receiving: Counter[str] = Counter()
        self.presigned = S3PresignedUploads(bucket, self._source_key)
        self.resumable = S3ResumableSources(bucket, self._source_key, part_bytes=self._part_bytes)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        bucket: str,
        *,
        endpoint_url: str | None,
        signer: UrlSigner,
        public_base_url: str | None,
        url_seconds: int,
        prefix: str = "",
        largest_bytes: int = 64 * _GIB,
        md5_etags: bool = True,
    ) -> AsyncIterator[Self]:
        """Open a store, whose client lasts until the end of the context. Raise `StorageError` if it cannot be
        configured. The bucket itself is not contacted: see `check_writable`.

        With a `public_base_url`, under which anybody can read the bucket, results have plain URLs below it. Otherwise
        their URLs are valid for `url_seconds`: presigned ones of the bucket, or `signer`'s, which lead to `serve`, for
        results that refer to their siblings by relative URLs. `largest_bytes` is the size of the largest source: it
        determines the size of parts. `md5_etags` is False for a server whose ETags look like MD5s but are not.
        """
        folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        async with open_bucket(
            bucket, endpoint_url=endpoint_url, url_seconds=url_seconds, md5_etags=md5_etags
        ) as opened:
            yield cls(
                opened,
                signer=signer,
                public_base_url=public_base_url,
                cache_seconds=url_seconds,
                prefix=folder,
                largest_bytes=largest_bytes,
            )

    @property
    def bucket(self) -> str:
        return self._bucket.name

    @asynccontextmanager
    async def receive(self, name: str) -> AsyncIterator[_StagedObject]:
        self._receiving[name] += 1
        key, headers = self._source_key(name), {"ContentType": "application/octet-stream"}
        try:
            async with ObjectWriter(self._bucket, key, part_bytes=self._part_bytes, headers=headers) as writer:
                yield _StagedObject(writer, name)
        finally:
            self._receiving -= Counter([name])

    @asynccontextmanager
    async def fetch(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        path = scratch / f"source-{PurePosixPath(key).name}"
        try:
            await download(self._bucket, self._source_key(key), path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    @asynccontextmanager
    async def open_source(self, key: str, scratch: Path) -> AsyncIterator[S3SparseSource]:
        path = scratch / f"sparse-{PurePosixPath(key).name}"
        async with open_sparse(self._bucket, self._source_key(key), path) as source:
            yield source

    @asynccontextmanager
    async def fetch_result(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        path = scratch / f"result-{PurePosixPath(key).name}"
        try:
            await download(self._bucket, self._media + key.removeprefix(self._media), path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    async def store(
        self, path: Path, folder: str, name: str, on_bytes: Callable[[int], None], *, filename: str | None = None
    ) -> str:
        key = f"{self._media}{folder}/{name}"
        headers = {
            "ContentType": mime_type(key) or OCTETS,
            "ContentDisposition": content_disposition(key, filename),
            "CacheControl": self._cache_control,
        }
        try:
            with _open(path) as file:
                part_bytes = part_bytes_for(os.fstat(file.fileno()).st_size)
                writing = ObjectWriter(
                    self._bucket,
                    key,
                    part_bytes=part_bytes,
                    headers=headers,
                    on_bytes=on_bytes,
                    same_bytes=is_segment(key),
                )
                async with writing as writer:
                    await _copy(file, writer)
        except OSError as error:
            raise StorageError("The result could not be read.") from error
        return key

    async def discard_source(self, name: str) -> None:
        key = self._source_key(name)
        await abort_all_multiparts(self._bucket, key)
        await self._bucket.call("delete_object", Key=key)
        await self.resumable.discard_incomplete(name)

    async def discard_results(self, folder: str) -> None:
        prefix = f"{self._media}{folder}/"

        def belongs_to_upload(entry: dict[str, Any]) -> bool:
            subfolder, slash, _ = entry["Key"].removeprefix(prefix).rpartition("/")
            return not slash or subfolder in SUBFOLDERS

        await self._delete(prefix, belongs_to_upload)

    async def discard_segments(self, folder: str, *, beginning: str = "") -> None:
        prefix = f"{self._media}{folder}/{SEGMENTS}/"
        await self._delete(prefix + beginning, lambda entry: "/" not in entry["Key"].removeprefix(prefix))

    async def has_results(self, folder: str) -> bool:
        prefix = f"{self._media}{folder}/"
        return bool((await self._bucket.call("list_objects_v2", Prefix=prefix, MaxKeys=1)).get("Contents"))

    async def has_source(self, name: str) -> bool:
        try:
            await head_object(self._bucket, self._source_key(name))
        except NotFound:
            return False
        return True

    async def copy_source(self, key: str, name: str) -> None:
        info = await head_object(self._bucket, self._source_key(key))
        target = self._source_key(name)
        if info.size <= _MAX_COPIED_BYTES:
            origin = {"Bucket": self._bucket.name, "Key": self._source_key(key)}
            await finish_despite_cancel(lambda: self._bucket.call("copy_object", Key=target, CopySource=origin))
            return
        headers = {"ContentType": "application/octet-stream"}
        async with (
            ObjectWriter(self._bucket, target, part_bytes=self._part_bytes, headers=headers) as writer,
            aclosing(read_all(self._bucket, info)) as chunks,
        ):
            async for chunk in chunks:
                await writer.write(chunk)
            await writer.commit()

    async def free_bytes(self) -> int | None:
        return None

    def url(self, key: str, *, longer: float = 0.0) -> str:
        # A record of an older version has the key without the folder.
        path = key.removeprefix(self._media)
        if self._public is None and _has_relative_urls(path):
            # A presigned URL is for one object, and relative URLs lose its query.
            return self._signer.url(path, longer=longer)
        return self._object_url(path, longer=longer)

    def download_url(self, key: str) -> str:
        return self._signer.download_url(key.removeprefix(self._media))

    def server_url(self, key: str, *, longer: float = 0.0) -> str:
        return self._signer.url(key.removeprefix(self._media), longer=longer)

    def urls_expire_at(self) -> float | None:
        return None if self._public else min(self._signer.expires_at(), self._bucket.urls.expires_at())

    async def serve(self, key: str, *, disposition: str | None = None) -> InlineFile | Redirect:
        if disposition and not _has_relative_urls(key):
            return Redirect(self._bucket.urls.get(self._media + key, disposition))
        if not _has_relative_urls(key):
            return Redirect(self._object_url(key))
        return InlineFile(await read_object(self._bucket, self._media + key))

    async def list_sources(self) -> dict[str, float]:
        entries = await self._bucket.list_objects(self._incoming)
        entries += await list_multiparts(self._bucket, self._incoming)
        # Sources that this process is receiving may be in memory only.
        modified = dict.fromkeys(self._receiving, time.time())
        for entry in entries:
            name = entry["Key"].removeprefix(self._incoming).partition("/")[0]
            at = (entry.get("LastModified") or entry["Initiated"]).timestamp()
            modified[name] = max(at, modified.get(name, at))
        return dict(sorted(modified.items()))

    async def claim_deployment(self, mine: str) -> str:
        # If two processes write it at once, the later one wins; so it is read again after it was written.
        try:
            deployment = await read_object(self._bucket, self._deployment_key)
        except NotFound:
            await self._bucket.call("put_object", Key=self._deployment_key, Body=mine.encode())
            deployment = await read_object(self._bucket, self._deployment_key)
        return deployment.decode("utf-8", "replace").strip()

    async def sweep(self, older_than_seconds: float) -> int:
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        stale = [
            await self._abort_multiparts(prefix, lambda entry: entry["Initiated"] < before)
            for prefix in (self._incoming, self._media)
        ]
        return sum(stale) + await self.resumable.sweep(before)

    async def check_writable(self) -> None:
        # A write costs ten times what other requests cost, so it is made only now and then.
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                if time.monotonic() < self._write_check_at:
                    await self._bucket.call("head_bucket")
                    return
                # An empty object, always the same one, which is not deleted: one request instead of two.
                await self._bucket.call("put_object", Key=self._check_key, Body=b"")
                self._write_check_at = time.monotonic() + _WRITE_CHECK_SECONDS
        except (TimeoutError, RoomcastError) as error:
            self._write_check_at = 0.0
            if isinstance(error, TimeoutError | NotFound):
                raise StorageError("The media store cannot be written to.") from error
            raise

    def _object_url(self, key: str, *, longer: float = 0.0) -> str:
        if self._public:
            return f"{self._public}/{quote(self._media + key)}"
        return self._bucket.urls.get(self._media + key, longer=longer)

    def _source_key(self, name: str) -> str:
        return self._incoming + name

    async def _delete(self, prefix: str, is_wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Delete the wanted objects, complete or not, whose keys begin with `prefix`."""
        await self._abort_multiparts(prefix, is_wanted)
        entries = await self._bucket.list_objects(prefix)
        await delete_objects(self._bucket, [entry["Key"] for entry in entries if is_wanted(entry)])

    async def _abort_multiparts(self, prefix: str, is_wanted: Callable[[dict[str, Any]], bool]) -> int:
        chosen = [entry for entry in await list_multiparts(self._bucket, prefix) if is_wanted(entry)]
        for entry in chosen:
            await abort_multipart(self._bucket, entry["Key"], entry["UploadId"])
        return len(chosen)


class _StagedObject:
    """Writes a source to its object. Implements `roomcast.media.contract.StagedSource`."""

    def __init__(self, writer: ObjectWriter, name: str) -> None:
        self._writer = writer
        self._name = name

    async def write(self, *chunks: Data) -> None:
        for chunk in chunks:
            await self._writer.write(chunk)

    async def commit(self) -> str:
        await self._writer.commit()
        return self._name


def _origin(url: str) -> str:
    scheme, _, host = url.partition("://")
    return f"{scheme}://{host.partition('/')[0]}"


def _has_relative_urls(key: str) -> bool:
    return PurePosixPath(key).suffix in _SUFFIXES_WITH_RELATIVE_URLS and not is_download(key)


def _open(path: Path) -> BinaryIO:
    """Open a file on the event loop and not in a thread: if the caller were cancelled meanwhile, nothing would close
    it."""
    return open_regular(path)


async def _copy(file: BinaryIO, writer: ObjectWriter) -> None:
    # Each read is waited for: a cancelled caller closes the file, which no thread may be reading then.
    while data := await run_in_thread_shielded(lambda: file.read(_CHUNK_BYTES)):
        await writer.write(data)
    await writer.commit()
