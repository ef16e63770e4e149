"""Submissions, and the deterministic ids of the assemblies that their files make. Pure.

A *submission* is the set of uploads of one form or one reservation. Its *assembly id* is resolved as soon as the
content of its files is known:

    sha256(the files' MD5s, sorted and joined ‖ template ‖ user)

Clients can compute the id themselves, and the same files sent again have the same id; of several submissions with one
id the latest counts. An upload without an MD5 contributes its upload id instead. Where knowing an id grants access, a
secret of the submission is part of the id.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from roomcast.assemblies.store import Record
from roomcast.errors import unexpected_error
from roomcast.uploads.codec import ExtensibleRecord
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.messages import UploadError
from roomcast.uploads.model import Upload, error_body


@dataclass(frozen=True)
class SubmittedFile(ExtensibleRecord):
    """An upload, and the form field that it was sent in."""

    upload_id: str
    field: str


@dataclass(frozen=True, kw_only=True)
class Submission(Record):
    """The uploads of one submission, in order. Its group is the assembly's id once that is resolved.

    `closed`: the submission gets no more files. `secret` makes the assembly's id unpredictable; it is empty where
    clients may compute the id.
    """

    owner: str
    files: tuple[SubmittedFile, ...]
    closed: bool
    secret: str = ""

    @property
    def first_upload_id(self) -> str:
        """The upload id that the client was given for the whole submission."""
        return self.files[0].upload_id

    @property
    def assembly_id(self) -> str | None:
        """The assembly's id, or None while it is not resolved."""
        return self.group or None


def new_submission_id() -> str:
    """Return an id with 128 random bits."""
    return f"submission_{secrets.token_hex(16)}"


def assembly_id(md5s: Iterable[str], template: str, user: str) -> str:
    """Return the id of the assembly of files with these MD5s (hexadecimal, in any order)."""
    return hashlib.sha256(("".join(sorted(md5s)) + template + user).encode()).hexdigest()


def resolve_id(closed: bool, uploads: Sequence[Upload], secret: str = "") -> str | None:
    """Return the assembly's id, or None while a file may still be added or has neither arrived nor a declared MD5.

    Files that never arrived do not contribute; without any file there is no assembly.
    """
    keys = [key for upload in uploads if (key := content_key(upload))]
    waits = any(upload.stage is Stage.RECEIVING and not content_key(upload) for upload in uploads)
    if not closed or waits or not keys:
        return None
    return assembly_id(keys, uploads[0].template, uploads[0].owner + secret)


def with_id(submission: Submission, uploads: Sequence[Upload]) -> Submission:
    """Return the submission with its assembly's id, if that can be resolved by now."""
    return replace(submission, group=resolve_id(submission.closed, uploads, submission.secret) or submission.group)


def received(uploads: Iterable[Upload]) -> list[Upload]:
    """Return the uploads of the assembly: all except those that ended before their bytes arrived."""
    return [upload for upload in uploads if content_key(upload) or not upload.state.terminal]


def all_terminal(uploads: Sequence[Upload]) -> bool:
    """Return whether every upload is in a terminal stage."""
    return all(upload.state.terminal for upload in uploads)


def all_completed(uploads: Sequence[Upload]) -> bool:
    """Return whether every upload has its results."""
    return all(upload.stage is Stage.DONE for upload in uploads)


def first_error(uploads: Sequence[Upload]) -> UploadError:
    """Return the error of the first upload that failed, was cancelled or was deleted; there must be one."""
    failed = next(upload for upload in uploads if upload.state.terminal and upload.stage is not Stage.DONE)
    return failed.error or error_body(unexpected_error(), failed.stage)


def md5_of(upload: Upload) -> str | None:
    """Return the MD5 of the received bytes, or else the declared one."""
    return upload.source.md5 if upload.source else upload.declared_md5


def content_key(upload: Upload) -> str | None:
    """Return what identifies the upload's content in the assembly's id; None while nothing does."""
    return md5_of(upload) or (upload.id if upload.source else None)
