"""The media store of many processes: a bucket of Amazon S3, or of a server that speaks its protocol.

    <prefix>incoming/<upload id>        sources (`s3_resumable` tells of those that come in pieces)
    <prefix>media/<folder>/<name>       results
    <prefix>deployment                  the id of the ledger that the sources belong to

An object is there whole or not at all. What a process that died left of one is a multipart upload, which costs money
and is seen by nobody: `discard_source` and `sweep` end it.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self
from urllib.parse import quote

from roomcast.errors import NotFound, StorageError
from roomcast.media.contract import Data, InlineFile, Redirect
from roomcast.media.result_keys import DOWNLOAD, content_disposition, is_download, mime_type
from roomcast.media.s3.client import Bucket, open_bucket
from roomcast.media.s3.download import download, look, read_all
from roomcast.media.s3.multipart import (
    ObjectWriter,
    abort_multipart,
    abort_multiparts,
    multiparts,
    part_bytes_for,
    writing,
)
from roomcast.media.s3.presigned import S3PresignedUploads
from roomcast.media.s3.resumable import S3ResumableSources
from roomcast.media.url_signer import UrlSigner
from roomcast.runtime.tasks import finish_despite_cancel
from roomcast.uploads.sniff import OCTETS

_GIB = 1 << 30
_READ_BYTES = 1 << 20
_CHECK_SECONDS = 5.0
_NAMING_SIBLINGS = {".m3u8", ".vtt"}


class S3MediaStore:
    """See `roomcast.media.contract.MediaStore`, the contract. `direct` lets clients send sources to the bucket."""

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
        self._deployment_key = f"{prefix}deployment"
        self.deployment_location = f"the object {self._deployment_key} in the bucket {bucket.name}"
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
        """A store with one client that lasts until the end of the context. `StorageError` when it cannot be set up;
        whether the bucket answers is `check`'s to say.

        With a `public_base_url`, the URL under which the world reads the bucket, results have its plain URLs;
        otherwise signed ones that hold for `url_seconds`: the bucket's own, or for what names its siblings those of
        `signer`, which lead to `serve`. `largest_bytes` is the largest source to come: it decides
        how large parts are. `md5_etags` is False for a server whose ETags look like MD5s but are none.
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
    async def receive(self, name: str) -> AsyncIterator[_IncomingObject]:
        self._receiving[name] += 1
        key, headers = self._source_key(name), {"ContentType": "application/octet-stream"}
        try:
            async with writing(self._bucket, key, part_bytes=self._part_bytes, headers=headers) as writer:
                yield _IncomingObject(writer, name)
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

    async def store(self, path: Path, folder: str, name: str, on_bytes: Callable[[int], None]) -> str:
        key = f"{self._media}{folder}/{name}"
        headers = {
            "ContentType": mime_type(key) or OCTETS,
            "ContentDisposition": content_disposition(key),
            "CacheControl": self._cache_control,
        }
        try:
            with _opened(path) as file:
                part_bytes = part_bytes_for(os.fstat(file.fileno()).st_size)
                async with writing(
                    self._bucket, key, part_bytes=part_bytes, headers=headers, on_bytes=on_bytes
                ) as writer:
                    await _copy(file, writer)
        except OSError as error:
            raise StorageError("The result could not be read.") from error
        return key

    async def discard_source(self, name: str) -> None:
        key = self._source_key(name)
        await abort_multiparts(self._bucket, key)
        await self._bucket.call("delete_object", Key=key)
        await self.resumable.discard(name)

    async def discard_results(self, folder: str) -> None:
        prefix = f"{self._media}{folder}/"

        def own(entry: dict[str, Any]) -> bool:
            below, slash, _ = entry["Key"].removeprefix(prefix).rpartition("/")
            return not slash or below == DOWNLOAD

        await self._abort_below(prefix, own)
        for entry in await self._bucket.listed("list_objects_v2", "Contents", Prefix=prefix):
            if own(entry):
                await self._bucket.call("delete_object", Key=entry["Key"])

    async def has_results(self, folder: str) -> bool:
        prefix = f"{self._media}{folder}/"
        return bool((await self._bucket.call("list_objects_v2", Prefix=prefix, MaxKeys=1)).get("Contents"))

    async def has_source(self, name: str) -> bool:
        try:
            await look(self._bucket, self._source_key(name))
        except NotFound:
            return False
        return True

    async def free_bytes(self) -> int | None:
        return None

    def url(self, key: str) -> str:
        # A record of an older version has the key without the folder.
        path = key.removeprefix(self._media)
        if self._public is None and _names_siblings(path):
            return self._signer.url(path)  # a presigned URL opens one object, and a relative URL loses its query
        return self._object_url(path)

    async def serve(self, key: str) -> InlineFile | Redirect:
        if not _names_siblings(key):
            return Redirect(self._object_url(key))
        facts = await look(self._bucket, self._media + key)
        return InlineFile(b"".join([piece async for piece in read_all(self._bucket, facts)]))

    async def list_sources(self, *, older_than_seconds: float = 0.0) -> list[str]:
        whole = await self._bucket.listed("list_objects_v2", "Contents", Prefix=self._incoming)
        partial = await multiparts(self._bucket, self._incoming)
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        touched: dict[str, datetime] = {}
        for entry in whole + partial:
            name = entry["Key"].removeprefix(self._incoming).partition("/")[0]
            at = entry.get("LastModified") or entry["Initiated"]
            touched[name] = max(at, touched.get(name, at))
        if older_than_seconds:
            return sorted(name for name, at in touched.items() if at < before and not self._receiving[name])
        # Those that this process is receiving may still be in memory alone.
        return sorted(touched.keys() | self._receiving.keys())

    async def claim_deployment(self, mine: str) -> str:
        # Of two that write it at once, the later one's counts: it is read again whenever it matters.
        try:
            facts = await look(self._bucket, self._deployment_key)
        except NotFound:
            await self._bucket.call("put_object", Key=self._deployment_key, Body=mine.encode())
            facts = await look(self._bucket, self._deployment_key)
        return b"".join([piece async for piece in read_all(self._bucket, facts)]).decode("utf-8", "replace").strip()

    async def sweep(self, older_than_seconds: float) -> int:
        """End the multipart uploads that were begun longer ago than that, and delete the pieces of sources that got
        none since; how many. An upload that is still going on then fails, so let it be longer than any may take."""
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        stale = [
            await self._abort_below(prefix, lambda entry: entry["Initiated"] < before)
            for prefix in (self._incoming, self._media)
        ]
        return sum(stale) + await self.resumable.sweep(before)

    async def check_writable(self) -> None:
        """`StorageError` unless the bucket takes an object within five seconds. It writes a small one each time, always
        the same, and leaves it."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._bucket.call("put_object", Key=self._check_key, Body=b"")
        except (TimeoutError, NotFound) as error:
            raise StorageError("The media store cannot be written to.") from error

    def _object_url(self, key: str) -> str:
        if self._public:
            return f"{self._public}/{quote(self._media + key)}"
        return self._bucket.urls.get(self._media + key)

    def _source_key(self, name: str) -> str:
        return self._incoming + name

    async def _abort_below(self, prefix: str, wanted: Callable[[dict[str, Any]], bool]) -> int:
        entries = await multiparts(self._bucket, prefix)
        chosen = [entry for entry in entries if wanted(entry)]
        for entry in chosen:
            await abort_multipart(self._bucket, entry["Key"], entry["UploadId"])
        return len(chosen)


class _IncomingObject:
    """See `roomcast.media.contract.Incoming`."""

    def __init__(self, writer: ObjectWriter, upload_id: str) -> None:
        self._writer = writer
        self._upload_id = upload_id

    async def write(self, *chunks: Data) -> None:
        for chunk in chunks:
            await self._writer.write(chunk)

    async def commit(self) -> str:
        await self._writer.commit()
        return self._upload_id


def _names_siblings(key: str) -> bool:
    return PurePosixPath(key).suffix in _NAMING_SIBLINGS and not is_download(key)


def _opened(path: Path) -> BinaryIO:
    """Opened here and not in a thread: nobody would close a file that a cancelled caller did not get to see."""
    return path.open("rb")


async def _copy(file: BinaryIO, writer: ObjectWriter) -> None:
    # Each read is waited for: a cancelled caller closes the file, and a thread must not be reading it then.
    while data := await finish_despite_cancel(lambda: asyncio.to_thread(file.read, _READ_BYTES)):
        await writer.write(data)
    await writer.commit()
