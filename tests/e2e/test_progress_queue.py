"""Step messages in an SQS FIFO queue: all of them, in order, also after a server was killed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import orjson
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import Serve, Shelf
from tests.e2e.test_transflow import ends, named, steps_of, stream
from tests.support.harness import SHORT_LEASE, Api, eventually
from tests.support.s3_server import ENVIRONMENT


class Queue:
    """A FIFO queue on moto."""

    def __init__(self, client: Any, url: str, env: dict[str, str]) -> None:
        self._client = client
        self.url = url
        self.env = env
        self.taken: list[dict[str, Any]] = []

    def take(self) -> list[dict[str, Any]]:
        """Every message that there was so far."""
        while True:
            answer = self._client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=0
            )
            if not answer.get("Messages"):
                return self.taken
            for message in answer["Messages"]:
                self.taken.append({**orjson.loads(message["Body"]), "attributes": message["Attributes"]})
                self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    async def until(self, upload_id: str, end: str) -> list[dict[str, Any]]:
        """The messages of the submission whose first upload this is, once such an end is among them."""

        def ended() -> bool:
            return any(step["type"] == end and step["uploadId"] == upload_id for step in self.take())

        await eventually(ended, 60, what=f"{end} in the queue")
        return [step for step in self.taken if step["uploadId"] == upload_id]


@pytest.fixture
def queue() -> Iterator[Queue]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    threads = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    threads.start()
    host, port = threads.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "S3RVER", "aws_secret_access_key": "S3RVER", "region_name": "us-east-1"}
    client = boto3.client("sqs", endpoint_url=endpoint, **keys)
    url = client.create_queue(QueueName="progress.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    env = {**ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint, "SQS_PROGRESS_QUEUE_URL": url}
    yield Queue(client, url, env)
    client.delete_queue(QueueUrl=url)
    client.close()
    threads.stop()


def groups(sent: list[dict[str, Any]]) -> set[str]:
    return {step["attributes"]["MessageGroupId"] for step in sent}


async def test_the_queue_receives_the_steps_of_the_stream(serve: Serve, shelf: Shelf, queue: Queue) -> None:
    server = serve(**queue.env)
    async with Api(server) as api:
        reply = await api.upload(shelf.image("one.png"), shelf.image("two.png", size=(60, 40)))
        asked = reply.body["uploadId"]
        sent = await queue.until(asked, "done")
        assert groups(sent) == {asked}
        identities = [step["attributes"]["MessageDeduplicationId"] for step in sent]
        assert len(set(identities)) == len(identities)
        epoch = (await api.get(asked)).body["epoch"]
        assert identities[0] == f"{epoch}:1:0"
        async with stream(server, asked) as watcher:
            await watcher.closed()
        for entry in reply.body["uploads"]:
            assert steps_of(sent, entry["uploadId"]) == steps_of(named(watcher, "step"), entry["uploadId"])
        assert (ends(sent), ends(named(watcher, "step"))) == (["done"], ["done"])
        assert sent[-1]["type"] == "done", "in its order, it comes last"
        said = named(watcher, "step")[-1]
        assert {name: value for name, value in sent[-1].items() if name != "attributes"} == said


async def test_a_queue_is_found_by_its_name_and_uploads_may_be_message_groups(
    serve: Serve, shelf: Shelf, queue: Queue
) -> None:
    own = {"SQS_PROGRESS_QUEUE_URL": "", "SQS_PROGRESS_QUEUE_NAME": "progress.fifo"}
    async with Api(serve(**queue.env | own, SQS_MESSAGE_GROUP="upload", SQS_BATCH_SIZE="1")) as api:
        reply = await api.upload(shelf.image("one.png"), shelf.image("two.png", size=(60, 40)))
        sent = await queue.until(reply.body["uploadId"], "done")
        assert groups(sent) == {entry["uploadId"] for entry in reply.body["uploads"]}
        line = f'roomcast_published_messages_total{{outcome="sent"}} {len(sent)}.0\n'

        async def counted() -> bool:
            return line in (await api.request("GET", "/metrics")).content.decode()

        await eventually(counted, what=line)


async def test_steps_that_a_killed_server_did_not_publish_are_published_after_a_restart(
    serve: Serve, shelf: Shelf, queue: Queue
) -> None:
    server = serve(**queue.env, **SHORT_LEASE)
    async with Api(server) as api:
        upload_id, url = await api.reserved("picture.png", shelf.image().stat().st_size)
        await queue.until(upload_id, "step:start")
        await api.put(url, shelf.image().read_bytes())
        server.kill()
        server.restart()
        sent = await queue.until(upload_id, "done")
    kinds = steps_of(sent, upload_id)
    assert kinds[:2] == [("start", None), ("step:start", "upload")]
    assert len({step["attributes"]["MessageDeduplicationId"] for step in sent}) == len(sent), "SQS drops what is twice"


async def test_the_steps_of_a_retry_are_published(serve: Serve, queue: Queue) -> None:
    async with Api(serve(**queue.env)) as api:
        upload_id, _ = await api.reserved("picture.png", 100)
        await api.cancel(upload_id)
        await queue.until(upload_id, "error")
        await api.retry(upload_id)
        await eventually(lambda: steps_of(queue.take(), upload_id).count(("start", None)) == 2, 60)
