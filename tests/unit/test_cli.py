"""The command line's texts and exit codes."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from roomcast.cli import commands, formatting
from roomcast.cli.commands import app
from roomcast.cli.doctor.checks import check_report
from roomcast.cli.doctor.findings import ADVICE, Diagnosis, Finding, Misconfiguration, merged
from roomcast.cli.exit_codes import EPILOG, ExitCode, exit_code_for, exit_code_for_all
from roomcast.cli.main import open_missing_streams
from roomcast.cli.output import LineDisplay
from roomcast.cli.printing import print_line
from roomcast.cli.table import age, columns_of, shortened, status_lines
from roomcast.client.errors import NETWORK, ClientError
from roomcast.errors import Code
from typer.testing import CliRunner
from yarl import URL


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_960, "10 kB"), (999_600, "1.0 MB"), (2**31, "2.1 GB"),
     (5e15, "5000.0 TB")],
)  # fmt: skip
def test_size_has_a_decimal_unit(count: float, text: str) -> None:
    assert formatting.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "a second"), (7.4, "7 s"), (12.4, "10 s"), (58, "1 min"), (3599, "1 h 0 min"), (5400, "1 h 30 min")],
)
def test_remaining_time_is_rounded_as_in_the_page(seconds: float, text: str) -> None:
    assert formatting.remaining(seconds) == f"about {text} left"


def state(**known: Any) -> Any:
    silent = {"queuePosition": None, "speed": None, "eta": None, "progress": 5.0}
    return {**silent, "bytesReceived": 2_000_000, "bytesExpected": 4_000_000, **known}


@pytest.mark.parametrize(
    ("known", "line"),
    [
        ({"stage": "receiving"}, "50 % sent (2.0 of 4.0 MB)"),
        ({"stage": "receiving", "bytesReceived": 0, "bytesExpected": None}, "sending (0 of 0 B)"),
        ({"stage": "receiving", "bytesReceived": 900}, "0 % sent (900 B of 4.0 MB)"),
        ({"stage": "queued", "queuePosition": 3}, "5 % waiting for a worker (3rd in the queue)"),
        ({"stage": "compressing", "speed": 2.34, "eta": 67.0}, "5 % compressing (2.3×, about 1 min left)"),
        ({"stage": "queued", "paused": True}, "5 % paused by an administrator"),
        ({"stage": "storing"}, "5 % storing the result"),
    ],
)
def test_line_shows_the_state(known: dict[str, Any], line: str) -> None:
    assert formatting.line(state(**known)) == line


def test_detail_shows_the_sizes_the_speed_and_the_time_left() -> None:
    text = formatting.detail(state(stage="receiving"), speed=formatting.Speed(500_000, 4.0))
    assert text == "2.0 of 4.0 MB, 500 kB/s, about 4 s left"


def test_result_shows_the_sizes_and_what_was_saved() -> None:
    assert formatting.result(state()) == "received"
    element: dict[str, Any] = {"outputs": [{"size": 1_000_000}], "original": {"size": 4_000_000}, "saved": None}
    assert formatting.result(state(element=element)) == "1.0 MB"
    element["saved"] = {"bytes": 3_000_000, "percent": 75.0}
    assert formatting.result(state(element=element)) == "4.0 MB → 1.0 MB (-75 %)"


def test_moment_has_a_date_unless_it_is_today() -> None:
    now = datetime(2026, 3, 1, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    assert formatting.moment("2026-03-01T09:42:10.000Z", now) == "10:42"
    assert formatting.moment("2026-03-01T23:30:00.000Z", now) == "2026-03-02 00:30"


def test_links_to_results_are_shown_with_the_time_until_they_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    element = {"outputs": [{"size": 9}], "original": {"size": 9}, "saved": None}
    with LineDisplay() as display:
        display.result(
            "a.mp4", state(uploadId="a", element=element | {"urlsExpireAt": "2031-01-02T12:00:00Z"}), "http://a/v.mp4"
        )
        display.result(
            "b.mp4", state(uploadId="b", element=element | {"urlsExpireAt": "2030-01-02T12:00:00Z"}), "results/b"
        )
        display.result("c.mp4", state(uploadId="c", element=element), "http://a/c.mp4")
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"The links are valid until 2031-01-0[123] [0-9]{2}:[0-9]{2}[.]", last_line)


def test_exit_code_follows_from_the_error_codes() -> None:
    assert {code: exit_code_for(code) for code in Code if exit_code_for(code) is not ExitCode.FAILED} == {
        Code.UNAUTHENTICATED: ExitCode.NOT_AUTHORISED,
        Code.FORBIDDEN: ExitCode.NOT_AUTHORISED,
    }
    assert exit_code_for(NETWORK) is ExitCode.UNREACHABLE
    assert exit_code_for_all([]) is ExitCode.COMPLETED
    assert exit_code_for_all([ExitCode.COMPLETED, ExitCode.UNREACHABLE]) is ExitCode.UNREACHABLE
    assert exit_code_for_all([ExitCode.NOT_AUTHORISED, ExitCode.UNREACHABLE]) is ExitCode.FAILED
    assert all(str(ending.value) in EPILOG for ending in ExitCode)


def test_diagnosis_names_the_setting_of_each_proxy_and_counts() -> None:
    findings = [
        Finding(Misconfiguration.WEBSOCKET_BLOCKED, "A WebSocket was answered with 400."),
        Finding(Misconfiguration.BODY_LIMITED, "A body of 1.5 MiB was answered with 413."),
        Finding(Misconfiguration.BODY_LIMITED, "A body of 2 GiB was answered with 413."),
        Finding(Misconfiguration.BODY_LIMITED, "A body of 2 GiB was answered with 413."),
    ]
    body, socket = merged(findings)
    assert body.evidence == "A body of 1.5 MiB was answered with 413. A body of 2 GiB was answered with 413."
    lines = list(
        formatting.diagnosis_lines(Diagnosis("https://films.example.com", [body, socket], ["CORS was not checked."]))
    )
    assert lines[0].startswith("body_limited: A body of 1.5 MiB was answered with 413.")
    assert lines[1] == "    nginx:   Set `client_max_body_size 0`."
    assert lines[-2:] == ["CORS was not checked.", "2 settings are wrong."]
    assert list(formatting.diagnosis_lines(Diagnosis("", [], []))) == ["Nothing is wrong."]
    assert socket.to_json()["code"] == "websocket_blocked"


PUBLIC = "https://films.example.com"
RIGHT = {
    "time": 100.0, "path": "/api/doctor", "peer": "10.0.0.2", "trusted": True, "forwarded": True,
    "address": "203.0.113.9",
    "scheme": "https", "host": "films.example.com", "prefix": "", "publicUrl": None, "origins": [],
    "contentUrl": "/api/uploads/upload_0/content",
}  # fmt: skip


@pytest.mark.parametrize(
    ("url", "reported", "codes"),
    [
        (PUBLIC, {}, []),
        (f"{PUBLIC}:443", {"host": "Films.example.com:443"}, []),
        (PUBLIC, {"scheme": None, "host": "10.0.0.1:8000", "publicUrl": PUBLIC}, []),
        (PUBLIC, {"time": 96.0}, []),
        (PUBLIC, {"time": 200.0}, ["clock_off"]),
        (PUBLIC, {"time": 10.0}, ["clock_off"]),
        (PUBLIC, {"scheme": "http"}, ["scheme_wrong"]),
        (PUBLIC, {"scheme": None}, ["scheme_wrong"]),
        ("http://films.example.com", {}, ["scheme_wrong"]),
        (PUBLIC, {"host": "10.0.0.1:8000"}, ["host_wrong"]),
        (PUBLIC, {"host": "films.example.com:8443"}, ["host_wrong"]),
        (PUBLIC, {"host": None}, ["host_wrong"]),
        (PUBLIC, {"trusted": False, "scheme": None, "host": "10.0.0.1"}, ["proxy_not_trusted"]),
        (PUBLIC, {"forwarded": False}, ["client_unknown"]),
        ("http://films.example.com", {"forwarded": False, "scheme": None, "peer": "127.0.0.1"}, ["client_unknown"]),
        ("http://films.example.com", {"forwarded": False, "scheme": None}, []),
        (f"{PUBLIC}/media", {"contentUrl": "/media/api/uploads/upload_0/content"}, []),
        (f"{PUBLIC}/media", {"contentUrl": f"{PUBLIC}/media/api/uploads/upload_0/content"}, []),
        (f"{PUBLIC}/media", {"prefix": "/media"}, ["prefix_wrong"]),
        (f"{PUBLIC}/media", {"contentUrl": f"{PUBLIC}/api/uploads/upload_0/content"}, ["prefix_wrong"]),
        (PUBLIC, {"contentUrl": "https://other.example/media/api/uploads/upload_0/content"}, []),
    ],
)
def test_report_of_the_server_is_compared_with_the_address_that_was_called(
    url: str, reported: dict[str, Any], codes: list[str]
) -> None:
    findings = check_report(URL(url), {**RIGHT, **reported}, 99.0, 101.0)
    assert [finding.misconfiguration.value for finding in findings] == codes


def test_every_problem_has_advice_in_sentences_for_every_proxy() -> None:
    assert set(ADVICE) == set(Misconfiguration)
    assert all(text[0].isupper() and text.endswith(".") for advice in ADVICE.values() for text in vars(advice).values())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "printed"),
    [
        (["delete", "x", "--token", "a\nb"], 2, "--token: It has a control character."),
        (["doctor", "http://127.0.0.1:1", "--token", "\x7f"], 2, "--token: It has a control character."),
        (["delete", "x", "--server", "http://["], 2, "--server: The server's URL is not valid."),
        (["doctor", "http://["], 2, "URL: The server's URL is not valid."),
        (["doctor", "http://127.0.0.1:1", "--origin", "shop.example"], 2, "--origin: It must be an origin such as"),
        (["delete", ""], 0, "There is no upload '', or no longer."),
        (["delete", "../assemblies"], 0, "There is no upload '../assemblies', or no longer."),
        (["status", "a?b"], 1, "NOT_FOUND: There is nothing with the id 'a?b'."),
        (["link", "x", "--revoke", ".."], 1, "NOT_FOUND: There is nothing with the id '..'."),
    ],
)
def test_argument_that_cannot_be_right_is_a_sentence_without_a_request(
    arguments: list[str], exit_code: int, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == exit_code
    assert printed in ended.output


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "next"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (13, "13th"),
        (22, "22nd"),
        (112, "112th"),
        (121, "121st"),
    ],
)
def test_place_in_the_queue_is_an_ordinal_as_in_the_page(number: int, text: str) -> None:
    assert formatting.queue_position(number) == f"{text} in the queue"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ClientError("CANCELLED", "Cancelled."), "Cancelled."),
        (ClientError("NOT_FOUND", "There is no such upload."), "NOT_FOUND: There is no such upload."),
        (
            ClientError("MALFORMED", "There is no template of that name.", details={"templates": ["auto", "image"]}),
            "MALFORMED: There is no template of that name. There are: auto, image.",
        ),
        (
            ClientError(
                "MALFORMED",
                "The link is not valid.",
                details={"fields": [{"at": "expires", "why": "It must be a time."}, {"at": "", "why": "Nope"}, "x"]},
            ),
            "MALFORMED: The link is not valid. expires: It must be a time. Nope.",
        ),
        (ClientError("UNAUTHENTICATED", "The token is not valid."), "UNAUTHENTICATED: The token is not valid."),
    ],
)
def test_problem_is_one_line_with_what_helps(error: ClientError, text: str) -> None:
    assert formatting.problem(error) == text


def test_problem_of_a_request_without_a_token_names_the_option() -> None:
    error = ClientError("UNAUTHENTICATED", "A token is required.")
    error.anonymous = True
    assert formatting.problem(error) == "UNAUTHENTICATED: A token is needed. Pass --token or set ROOMCAST_TOKEN."


LONG = "This is not a video, an image or sound that can be processed."
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def listed(name: str, **known: Any) -> Any:
    shown = state(uploadId=f"upload_{'0' * 32}", filename=name, status="compressing", stage="compressing", **known)
    return {"updatedAt": "2026-03-01T11:57:00.000Z", **shown}


LISTED = [
    listed("holiday in the mountains, the second week, part 2.mov", progress=52.0, speed=1.4, eta=75.0),
    {**listed("ليلة.mp4", progress=20.0, queuePosition=2), "stage": "queued", "status": "starting"},
    {
        **listed("broken.png", progress=35.0, error={"code": "UNREADABLE_MEDIA", "message": LONG, "retryable": False}),
        "stage": "failed",
        "status": "error",
    },
]


@pytest.mark.parametrize("width", [40, 60, 80, 119, 120, 200])
def test_status_fits_the_terminal_and_loses_nothing_on_a_narrow_one(width: int) -> None:
    lines = list(status_lines(LISTED, width, NOW))
    assert max(map(len, lines)) <= max(width, 40)
    text = "\n".join(lines)
    assert text.count(f"upload_{'0' * 32}") == 3, "an id can be copied"
    assert text.count("3 min") == 3
    assert ".mov" in text
    assert "2nd in the queue" in text
    assert LONG.replace(" ", "") in text.replace("\n", "").replace(" ", "")
    if width >= 120:
        assert lines[0].split() == ["ID", "FILE", "STAGE", "%", "AGE"]
        assert {line.index("3 min") for line in lines if "3 min" in line} == {lines[0].rindex("AGE")}


@pytest.mark.parametrize("columns", [60, 120])
def test_status_of_files_with_wide_characters_has_straight_columns(columns: int) -> None:
    names = ["日本語のとても長いファイル名のビデオ撮影二〇二六年.mp4", "cafe\u0301.mp4", "plain.mp4"]
    lines = list(status_lines([listed(name, progress=52.0) for name in names], columns, NOW))
    assert max(map(columns_of, lines)) <= columns
    found = [line for line in lines if "3 min" in line and ".mp4" in line]
    assert len(found) == 3
    assert len({columns_of(line[: line.index("3 min")]) for line in found}) == 1


def test_control_characters_of_a_name_or_an_error_move_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    name, why = "a\tb\nc\x1b[31m\u202etxt.mp4", "bad\n\x1b[2Jthing"
    failed: Any = {**listed(name, error={"code": "X", "message": why, "retryable": False}), "status": "error"}
    for columns in (40, 200):
        assert all(line.isprintable() for line in status_lines([failed], columns, NOW))
    commands._show_states([failed], as_json=False)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split("\t")[1] == r"a\tb\nc\x1b[31m\u202etxt.mp4"
    assert line.endswith(r"X: bad\n\x1b[2Jthing")
    with LineDisplay() as display:
        display.problem(name, ClientError("X", why))
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line


def test_result_of_a_file_with_a_tab_in_its_name_has_three_columns(capsys: pytest.CaptureFixture[str]) -> None:
    element = {"outputs": [{"size": 9}], "original": {"size": 9}, "saved": None}
    with LineDisplay() as display:
        display.result("a\tb.mp4", state(uploadId="a", element=element), "http://a/v.mp4")
    assert capsys.readouterr().out == "a\\tb.mp4\ta\thttp://a/v.mp4\n"


def test_stream_that_the_caller_has_closed_loses_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    open_missing_streams()
    assert sys.stdout.fileno() > 2, "the number of another stream is not given to it"
    print_line("lost")
    sys.stdout.close()


def test_list_without_uploads_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    commands._show_states([], as_json=False)
    assert capsys.readouterr() == ("", "There are no uploads.\n")
    commands._show_states([], as_json=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7300, "2 h"), (200_000, "2 d")],
)
def test_age_has_one_unit(seconds: float, text: str) -> None:
    assert age(listed("a.mov"), NOW - 180 + seconds) == text


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("a.mov", 5, "a.mov"),
        ("abcdefghij.mov", 10, "abcde….mov"),
        ("日本語の動画.mov", 16, "日本語の動画.mov"),
        ("日本語の動画.mov", 12, "日本語….mov"),
    ],
)
def test_long_name_is_shortened_in_its_middle(text: str, length: int, shown: str) -> None:
    assert shortened(text, length) == shown


def test_help_names_no_types_of_flags_and_arguments() -> None:
    for arguments in (["--help"], ["upload", "--help"], ["status", "--help"]):
        text = CliRunner().invoke(app, arguments).output
        assert "<bool>" not in text
        assert "<list" not in text
        assert "--server" in text


def test_server_and_token_may_precede_the_command_which_may_have_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, str | None]] = []

    def run(server: str, token: str | None, *_: object) -> None:
        called.append((server, token))

    monkeypatch.setattr(commands, "_run", run)
    monkeypatch.setenv("ROOMCAST_URL", "http://of.environment")
    monkeypatch.setenv("ROOMCAST_TOKEN", "of-environment")
    for arguments in (
        ["status"],
        ["--server", "http://first", "--token", "one", "status", "--token", "two"],
        ["status", "--server", "http://second"],
    ):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert called == [("http://of.environment", "of-environment"), ("http://first", "two"), ("http://second", "one")]
