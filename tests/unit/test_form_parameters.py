"""File names and boundaries, in every way in which browsers, curl and other clients write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.http.intake.parameters import decoded_parameter, parse_parameters


def names(disposition: str) -> tuple[str | None, str | None]:
    parameters = parse_parameters(disposition)
    return decoded_parameter(parameters, "name"), decoded_parameter(parameters, "filename")


@pytest.mark.parametrize(
    ("written", "filename"),
    [
        ('filename="Folge 3; Teil 1; Ende.jpg"', "Folge 3; Teil 1; Ende.jpg"),
        ('filename="a;b;c.jpg"', "a;b;c.jpg"),
        ('filename=";.jpg"', ";.jpg"),
        ('filename="a; name=x; filename=y.jpg"', "a; name=x; filename=y.jpg"),
        ('filename="a, b = c.jpg"', "a, b = c.jpg"),
        ("filename=my clip.jpg", "my clip.jpg"),
        ("filename=clip[1].jpg", "clip[1].jpg"),
        ("filename=clip (1); part 2.jpg", "clip (1); part 2.jpg"),
        ("filename=été.jpg", "été.jpg"),
        ("filename=", ""),
        ('filename=""', ""),
        (r'filename="a\"b\".jpg"', 'a"b".jpg'),
        (r'filename="a\\b\"c.jpg"', r'a\b"c.jpg'),
        ('filename="a%22b%22.jpg"', 'a"b".jpg'),
        ('filename="two%0D%0Alines.jpg"', "two\r\nlines.jpg"),
        ('filename="100%.jpg"', "100%.jpg"),
        ('filename="a%20b.jpg"', "a%20b.jpg"),
        (r'filename="C:\x\y.jpg"', r"C:\x\y.jpg"),
        (r'filename="\\host\share\y.jpg"', r"\\host\share\y.jpg"),
        ('filename="C:\\x\\"', "C:\\x\\"),
        ('filename="a"b".jpg"', 'a"b".jpg'),
        ('filename="never closed.jpg', "never closed.jpg"),
        ("filename*=UTF-8''%e2%82%ac%20rates.jpg", "€ rates.jpg"),
        ("filename*=utf-8'en'%e2%82%ac.jpg", "€.jpg"),
        ("filename*=iso-8859-1''%e9t%e9.jpg", "été.jpg"),
        ("filename*=\"UTF-8''%e2%82%ac.jpg\"", "€.jpg"),
        ("filename=\"euro.jpg\"; filename*=UTF-8''%e2%82%ac.jpg", "€.jpg"),
        ("filename*=UTF-8''%e2%82%ac.jpg; filename=\"euro.jpg\"", "€.jpg"),
        ("filename*=klingon''%e2.jpg; filename=\"b.jpg\"", "b.jpg"),
        ('filename*=b.jpg; filename="c.jpg"', "c.jpg"),
        ("filename*=UTF-8''%ff.jpg", "\N{REPLACEMENT CHARACTER}.jpg"),
        ('filename*0="two "; filename*1="parts.jpg"', "two parts.jpg"),
        ("filename*1*=%ac.jpg; filename*0*=UTF-8''%e2%82", "€.jpg"),
        ('filename = "spaces.jpg" ', "spaces.jpg"),
        ('FileName="case.jpg"', "case.jpg"),
        ('flag; filename="after.jpg"', "after.jpg"),
        ('filename="first.jpg"; filename="second.jpg"', "first.jpg"),
        ("title=x", None),
    ],
)
def test_file_name_is_read_before_and_after_the_field_name(written: str, filename: str | None) -> None:
    assert names(f'form-data; name="file"; {written}') == ("file", filename)
    if "name=x" not in written and not written.endswith(("closed.jpg", "\\")):
        assert names(f'form-data; {written}; name="file"') == ("file", filename)
        assert names(f"form-data;{written};name=file") == ("file", filename)


def as_browsers_write(text: str) -> str:
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def as_curl_writes(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@given(st.text(st.characters(exclude_characters="%\\")), st.text(st.characters(exclude_characters="%\\")))
def test_any_name_is_read_as_browsers_write_it(name: str, filename: str) -> None:
    written = f'form-data; name="{as_browsers_write(name)}"; filename="{as_browsers_write(filename)}"'
    assert names(written) == (name, filename)


@given(st.text(st.characters(exclude_characters="%\\\r\n")))
def test_any_name_is_read_as_curl_writes_it(filename: str) -> None:
    assert names(f'form-data; name="file"; filename="{as_curl_writes(filename)}"') == ("file", filename)


@given(st.text("form-data; name=\"\\*'0é\n\t"))
def test_any_header_has_parameters(field: str) -> None:
    names(field)


@pytest.mark.parametrize(
    "longest",
    ['a="' + '\\"' * 8000, 'a="' + '" ' * 8000, "a=;" * 5000, " " * 16000 + "a", "a=" + " ;" * 8000,
     "a=" + "; b" * 5000, 'a="' + ';"' * 8000 + "x", 'a="' + " " * 16000 + "x", "a=;" + "9" * 16000,
     'a="' + "\\" * 16000, "filename*0" * 1600 + "="],
)  # fmt: skip
def test_longest_header_takes_a_time_that_nobody_notices(longest: str) -> None:
    began = time.process_time()
    names(f"form-data; {longest}")
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("piece", [';a="x"y', ';a="x" "y', ';a="\\"', ";a", '";', "; a*0*=%41", ';a="   ', ";a=;"])
def test_long_header_is_parsed_in_linear_time(piece: str) -> None:
    header = "form-data" + piece * (1 << 16)
    began = time.process_time()
    decoded_parameter(parse_parameters(header), "a")
    assert time.process_time() - began < 10  # quadratic, it would take many minutes
