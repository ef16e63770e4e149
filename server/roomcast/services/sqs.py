"""Send messages to an SQS FIFO queue with aioboto3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from roomcast.errors import StorageError

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 15.0


class SqsQueue:
    """An SQS FIFO queue. Endpoint, region and credentials come from the usual `AWS_*` variables."""

    def __init__(self, client: Any, *, name: str | None, url: str | None, batch_size: int) -> None:
        self._client = client
        self._name = name
        self._url = url
        self._batch_size = batch_size

    @classmethod
    @asynccontextmanager
    async def open(cls, *, name: str | None, url: str | None, batch_size: int) -> AsyncIterator[SqsQueue]:
        """Open the queue at `url`, or the account's queue called `name`.

        The queue need not exist yet: a missing one makes `send` fail.
        """
        config = AioConfig(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": 3, "mode": "standard"},
        )
        async with aioboto3.Session().client("sqs", config=config) as client:
            yield cls(client, name=name, url=url, batch_size=batch_size)

    async def send(self, group: str, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages as `roomcast.services.step_publisher.ProgressQueue` requires."""
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
        """Return the queue's URL; a name is resolved once."""
        if self._url is None:
            self._url = str((await self._call("get_queue_url", QueueName=self._name))["QueueUrl"])
        return self._url

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await getattr(self._client, operation)(**parameters)
        except (BotoCoreError, ClientError, OSError) as error:
            raise StorageError("The progress queue could not be reached.") from error
        return answer
