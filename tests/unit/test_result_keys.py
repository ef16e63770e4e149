"""Folders that clients name, normalised or refused, and the names of stored files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import Code, Malformed
from roomcast.media.result_keys import (
    MAX_FOLDER_BYTES,
    attachment,
    check_prefix,
    clean_folder,
    content_disposition,
    is_possible,
)
from roomcast.uploads.filenames import MAX_STORED_BYTES, clean_filename, stored_filename

UPLOAD = "upload_" + "0" * 32
UUID = "5f0c9a4e-1b7d-4382-8e6a-90b1c2d3e4f5"


@pytest.mark.parametrize(
    ("filename", "result", "disposition"),
    [
        ("holiday.mov", "video.mp4", "inline; filename*=UTF-8''holiday.mp4"),
        ("a; b.mov", "video.webm", "inline; filename*=UTF-8''a%3B%20b.webm"),
        ("Österreich 🎬.heic", "image.webp", "inline; filename*=UTF-8''%C3%96sterreich%20%F0%9F%8E%AC.webp"),
        ("holiday", "audio.m4a", "inline; filename*=UTF-8''holiday.m4a"),
        (".mov", "video.mp4", "inline; filename*=UTF-8''.mov.mp4"),
        ("holiday.mov", "poster.jpg", "inline; filename*=UTF-8''holiday-poster.jpg"),
        ("holiday.heic", "image-1024.avif", "inline; filename*=UTF-8''holiday-image-1024.avif"),
        ("holiday.mov", "hls.m3u8", "inline"),
        ("holiday.mov", "720p-3.m4s", "inline"),
        ("holiday.mov", "storyboard.vtt", "inline"),
        ("holiday.mov", "segments/hls-720-0a1b2c3d-init.mp4", "inline"),
        (None, "video.mp4", "inline"),
        ("holiday.mov", "download/notes.txt", "attachment; filename*=UTF-8''notes.txt"),
    ],
)
def test_result_is_saved_under_the_name_of_the_clients_file(
    filename: str | None, result: str, disposition: str
) -> None:
    assert content_disposition(f"{UPLOAD}/{result}", filename) == disposition


def test_key_that_no_store_has_is_recognized() -> None:
    assert is_possible(f"docs/{UPLOAD}/video.mp4")
    assert is_possible("é" * 512)
    for key in ("é" * 513, "a\0.mp4", "a\r\n.mp4", "a\x85.mp4"):
        assert not is_possible(key), key


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("", ""),
        ("/", ""),
        ("docs", "docs"),
        ("/docs/2026/", "docs/2026"),
        ("docs//./2026", "docs/2026"),
        ("docs\\2026", "docs/2026"),
        (" docs / 2026 ", "docs/2026"),
        ("C:\\docs", "C:/docs"),
        ("e\u0301t\u00e9", "\u00e9t\u00e9"),
        ("%2e%2e/x", "%2e%2e/x"),
        (".../x", ".../x"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        (f"users/{UUID}", f"users/{UUID}"),
        (f"{UPLOAD}0", f"{UPLOAD}0"),
        ("x" * 200 + "/" + "y" * 199, "x" * 200 + "/" + "y" * 199),
    ],
)
def test_untidy_folder_is_normalized(path: str, folder: str) -> None:
    assert clean_folder(path) == folder


@pytest.mark.parametrize(
    "path",
    [
        "..", "../x", "x/../y", "x\\..\\y", "x/ .. /y", "x\0y", "\n", "x\x7f", "\u202ex", "x" * 201, "é" * 101,
        "x/" * 201, "x" * 5000, UPLOAD, f"x/{UPLOAD}/y", UUID, f"{UUID}/video.mp4",
    ],
)  # fmt: skip
def test_unsafe_folder_is_refused(path: str) -> None:
    with pytest.raises(Malformed) as refused:
        clean_folder(path)
    assert refused.value.code is Code.MALFORMED


@given(st.text())
def test_no_folder_leads_out_of_its_parent(path: str) -> None:
    try:
        folder = clean_folder(path)
    except Malformed:
        return
    assert len(folder.encode()) <= MAX_FOLDER_BYTES
    assert clean_folder(folder) == folder
    root = Path("/media")
    assert (root / folder / "upload_1").resolve() == Path(f"/media/{folder}/upload_1" if folder else "/media/upload_1")


@pytest.mark.parametrize(
    ("filename", "stored"),
    [
        ("notes.txt", "notes.txt"),
        ("x" * 196 + ".txt", "x" * 196 + ".txt"),
        ("é" * 150 + ".txt", "é" * 98 + ".txt"),
        ("é" * 150, "é" * 100),
        ("a." + "é" * 150, "a." + "é" * 99),
    ],
)
def test_stored_file_name_is_shortened_only_if_it_is_too_long(filename: str, stored: str) -> None:
    assert stored_filename(filename) == stored


@given(st.text())
def test_any_name_becomes_a_valid_file_name(name: str) -> None:
    stored = stored_filename(clean_filename(name))
    assert 0 < len(stored.encode()) <= MAX_STORED_BYTES
    assert not stored.startswith(".")


@pytest.mark.parametrize(
    ("filename", "result", "header"),
    [
        ("Ferien.mov", "video.mp4", "filename=\"Ferien.mp4\"; filename*=UTF-8''Ferien.mp4"),
        (
            "Ферма é.mov",
            "poster.jpg",
            "filename=\"_____ _-poster.jpg\"; filename*=UTF-8''%D0%A4%D0%B5%D1%80%D0%BC%D0%B0%20%C3%A9-poster.jpg",
        ),
        ('a"b\\c;d.mov', "video.mp4", "filename=\"a_b_c_d.mp4\"; filename*=UTF-8''a%22b%5Cc%3Bd.mp4"),
        (None, "video.mp4", "filename=\"video.mp4\"; filename*=UTF-8''video.mp4"),
        ("x.pdf", "download/x.pdf", "filename=\"x.pdf\"; filename*=UTF-8''x.pdf"),
    ],
)  # fmt: skip
def test_download_has_the_persons_file_name_with_the_results_suffix(
    filename: str | None, result: str, header: str
) -> None:
    assert attachment(f"{UPLOAD}/{result}", filename) == f"attachment; {header}"


@pytest.mark.parametrize(("prefix", "cleaned"), [("", ""), ("/", ""), ("a", "a"), ("a/b-c/d_e.f/", "a/b-c/d_e.f")])
def test_prefix_of_an_application_is_accepted_without_its_last_slash(prefix: str, cleaned: str) -> None:
    assert check_prefix(prefix) == cleaned


@pytest.mark.parametrize(
    "prefix",
    [
        "..",
        "a/..",
        "a/../b",
        "/a",
        "a//b",
        ".hidden",
        "a/.b",
        "a\\b",
        "a b",
        "a\n",
        "é",
        "a~b",
        "x" * 101,
        None,
        7,
        f"upload_{'0' * 32}",
        "a/3f0c9a4e-1b7d-4382-8e6a-90b1c2d3e4f5",
    ],
)
def test_prefix_that_leads_elsewhere_is_refused(prefix: object) -> None:
    with pytest.raises(ValueError, match="prefix"):
        check_prefix(prefix)
