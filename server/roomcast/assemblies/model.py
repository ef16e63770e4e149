"""Assemblies: the uploads of one submission under one template, found again by what was in them. Pure.

A *submission* is one form, or one reservation. It is recorded before its uploads exist, and as soon as it is known
which bytes it brought it is *bound* to its assembly's id:

    sha256(the files' MD5s, sorted and joined ‖ template ‖ user)

so that a client can work out the id by itself, and the same files sent again come to the same id. Of several
submissions with one id the latest counts. Where no MD5 was made of a file, its upload's id stands in its place, and
where a file's MD5 must not be the right to an upload, a secret of the submission is part of the id.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from roomcast.assemblies.store import Record
from roomcast.errors import RoomcastError
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.messages import UploadError
from roomcast.uploads.model import Upload, error_body


@dataclass(frozen=True)
class SubmittedFile:
    """An upload, and the field of the form that it came in."""

    upload_id: str
    field: str


@dataclass(frozen=True, kw_only=True)
class Submission(Record):
    """The uploads of one submission, in its order. Its group is the assembly's id, once it is bound. `closed`: no more
    files come. `secret`: what makes the id one that nobody can work out; empty where clients may."""

    owner: str
    files: tuple[SubmittedFile, ...]
    closed: bool
    secret: str = ""

    @property
    def first_upload_id(self) -> str:
        """The id that the submission was answered with."""
        return self.files[0].upload_id

    @property
    def assembly_id(self) -> str | None:
        return self.group or None


def new_submission_id() -> str:
    """An id with 128 random bits."""
    return f"submission_{secrets.token_hex(16)}"


def assembly_id(md5s: Iterable[str], template: str, user: str) -> str:
    """The id of the assembly that these files make; hex digests, in any order."""
    return hashlib.sha256(("".join(sorted(md5s)) + template + user).encode()).hexdigest()


def resolve_id(closed: bool, uploads: Sequence[Upload], secret: str = "") -> str | None:
    """The assembly's id as far as it can be known: every file's MD5 was declared, or all that arrive have arrived.
    Files that never came have no part in it; without any file there is no assembly."""
    marks = [mark for upload in uploads if (mark := content_key(upload))]
    waits = any(upload.stage is Stage.RECEIVING and not content_key(upload) for upload in uploads)
    if not closed or waits or not marks:
        return None
    return assembly_id(marks, uploads[0].template, uploads[0].owner + secret)


def with_id(submission: Submission, uploads: Sequence[Upload]) -> Submission:
    """The submission with its assembly's id, if that can be known by now."""
    return replace(submission, group=resolve_id(submission.closed, uploads, submission.secret) or submission.group)


def received(uploads: Iterable[Upload]) -> list[Upload]:
    """The uploads that make up the assembly: all but those whose bytes never came."""
    return [upload for upload in uploads if content_key(upload) or not upload.state.terminal]


def all_terminal(uploads: Sequence[Upload]) -> bool:
    """Nothing is under way any more."""
    return all(upload.state.terminal for upload in uploads)


def all_completed(uploads: Sequence[Upload]) -> bool:
    """Every upload has its results."""
    return all(upload.stage is Stage.DONE for upload in uploads)


def first_error(uploads: Sequence[Upload]) -> UploadError:
    """The error of the first upload that ended in one; there must be such an upload."""
    failed = next(upload for upload in uploads if upload.stage in (Stage.FAILED, Stage.CANCELLED))
    return failed.error or error_body(RoomcastError("Something went wrong on the server."), failed.stage)


def md5_of(upload: Upload) -> str | None:
    """The MD5 of the upload's bytes: what they had when they came, or what was declared."""
    return upload.source.md5 if upload.source else upload.declared_md5


def content_key(upload: Upload) -> str | None:
    """What stands for the upload's bytes in the assembly's id; None as long as there are none."""
    return md5_of(upload) or (upload.id if upload.source else None)
