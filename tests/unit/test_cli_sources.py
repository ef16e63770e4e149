"""The files that `roomcast upload` sends: named ones, folders, and standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from roomcast.cli.sources import UploadSource, shared_results, upload_sources

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    holiday = tmp_path / "holiday"
    for name, content in {
        "b.png": PNG,
        "a.png": PNG,
        "day 1/a.png": PNG,
        "notes.txt": b"Remember the sun cream.",
        "empty.mp4": b"",
        ".hidden.png": PNG,
        ".thumbnails/a.png": PNG,
    }.items():
        path = holiday / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (holiday / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (holiday / "again").symlink_to(holiday)
    return holiday


def test_folder_gives_its_media_in_order_and_says_what_is_skipped(folder: Path) -> None:
    skipped: list[str] = []
    with upload_sources([folder], stdin_name="stdin", on_skipped=skipped.append) as sources:
        names = ["a.png", "b.png", "day 1/a.png"]
        assert sources == [UploadSource(folder / name, str(folder / name), Path(name)) for name in names]
        assert shared_results(sources) is None
    assert skipped == [
        f"{folder / 'empty.mp4'} is not a video, an image or sound, and is skipped.",
        f"{folder / 'gone.png'} is not a file, and is skipped.",
        f"{folder / 'notes.txt'} is not a video, an image or sound, and is skipped.",
    ]


def test_named_file_is_sent_once_whatever_it_is(folder: Path) -> None:
    notes = folder / "notes.txt"
    with upload_sources([notes, folder, notes], stdin_name="stdin", on_skipped=lambda _: None) as sources:
        assert [source.path.name for source in sources] == ["notes.txt", "a.png", "b.png", "a.png"]


def test_folder_without_media_is_a_sentence(tmp_path: Path) -> None:
    skipped: list[str] = []
    with upload_sources([tmp_path], stdin_name="stdin", on_skipped=skipped.append) as sources:
        assert sources == []
    assert skipped == [f"{tmp_path} has no videos, images or sound."]


def test_standard_input_is_a_temporary_file_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PNG)))
    arguments = [Path("-"), Path("-")]
    with upload_sources(arguments, stdin_name="trailer.png", on_skipped=lambda _: None) as (source,):
        assert (source.path.name, source.label, source.results) == ("trailer.png", "-", Path("trailer.png"))
        assert source.path.read_bytes() == PNG
    assert not source.path.exists()


def test_two_files_of_one_name_would_share_a_folder_of_results(folder: Path) -> None:
    arguments = [folder / "a.png", folder / "day 1" / "a.png"]
    with upload_sources(arguments, stdin_name="stdin", on_skipped=lambda _: None) as sources:
        assert shared_results(sources) == Path("a.png")
