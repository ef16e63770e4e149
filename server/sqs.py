"""A FIFO queue of SQS, through aioboto3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from botocore.exceptions import BotoCoreError, ClientError

from server.upload.errors import StorageError

_BATCH = 10
"""What SQS takes at once."""


class SqsQueue:
    """A FIFO queue of SQS. Endpoint, region and credentials come from the usual `AWS_*`."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[SqsQueue]:
        async with aioboto3.Session().client("sqs") as client:
            yield cls(client, url)

    async def send(self, group: str, told: Sequence[tuple[str, bytes]]) -> None:
        """See `server.publisher.ProgressQueue`."""
        for start in range(0, len(told), _BATCH):
            entries = [
                {
                    "Id": str(number),
                    "MessageBody": body.decode(),
                    "MessageGroupId": group,
                    "MessageDeduplicationId": identity,
                }
                for number, (identity, body) in enumerate(told[start : start + _BATCH])
            ]
            try:
                answer = await self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError, OSError) as error:
                raise StorageError("The progress queue could not be reached.") from error
            if answer.get("Failed"):
                raise StorageError("The progress queue refused a message.")
