"""A FIFO queue of SQS, through aioboto3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from botocore.exceptions import BotoCoreError, ClientError

from roomcast.errors import StorageError

LARGEST_BATCH = 10
"""The messages that SQS takes in one request."""


class SqsQueue:
    """A FIFO queue of SQS. Endpoint, region and credentials come from the usual `AWS_*`."""

    def __init__(self, client: Any, *, name: str | None, url: str | None, batch_size: int) -> None:
        self._client = client
        self._name = name
        self._url = url
        self._batch_size = batch_size

    @classmethod
    @asynccontextmanager
    async def open(cls, *, name: str | None, url: str | None, batch_size: int) -> AsyncIterator[SqsQueue]:
        """Open the queue at `url`, or the account's own of that `name`. It need not be there yet: whether it is, shows
        when a message is sent."""
        async with aioboto3.Session().client("sqs") as client:
            yield cls(client, name=name, url=url, batch_size=batch_size)

    async def send(self, group: str, messages: Sequence[tuple[str, bytes]]) -> None:
        """See `roomcast.services.step_publisher.ProgressQueue`."""
        for start in range(0, len(messages), self._batch_size):
            entries = [
                {
                    "Id": str(number),
                    "MessageBody": body.decode(),
                    "MessageGroupId": group,
                    "MessageDeduplicationId": identity,
                }
                for number, (identity, body) in enumerate(messages[start : start + self._batch_size])
            ]
            answer = await self._call("send_message_batch", QueueUrl=await self._address(), Entries=entries)
            if answer.get("Failed"):
                raise StorageError("The progress queue refused a message.")

    async def _address(self) -> str:
        """The queue's URL, which a name is looked up for once."""
        if self._url is None:
            self._url = str((await self._call("get_queue_url", QueueName=self._name))["QueueUrl"])
        return self._url

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await getattr(self._client, operation)(**parameters)
        except (BotoCoreError, ClientError, OSError) as error:
            raise StorageError("The progress queue could not be reached.") from error
        return answer
