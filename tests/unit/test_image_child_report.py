"""The parser of the image child's output."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from roomcast import errors
from roomcast_workers.image import pipeline as image
from roomcast_workers.image.pipeline import ImageSettings

HASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
FACTS = {"width": 64, "height": 64, "alpha": False, "frames": 1}
lines = st.one_of(
    st.binary(max_size=30),
    st.builds(
        lambda line: json.dumps(line).encode(),
        st.dictionaries(
            st.sampled_from(["fraction", "width", "height", "alpha", "frames", "placeholder", "failed"]),
            st.one_of(st.none(), st.integers(-1, 3000), st.floats(), st.sampled_from([HASH, "../x"]), st.booleans()),
        ),
    ),
    st.builds(
        lambda width, frames: json.dumps(FACTS | {"width": width, "frames": frames}).encode(),
        st.integers(-1, 1 << 40),
        st.integers(-1, 3000),
    ),
    st.just(json.dumps({"placeholder": HASH}).encode()),
    st.just(b"[" * 1000),
    st.just(b"x" * 5000),
)


@given(st.lists(lines), st.integers(1, 700))
def test_child_report_accepts_only_possible_values(child_lines: list[bytes], step: int) -> None:
    received: list[float] = []
    settings = ImageSettings()
    report, complete = image._ChildReport(received.append, settings), image._ChildReport(lambda _: None, settings)
    data = b"\n".join(child_lines) + b"\n"
    for at in range(0, len(data), step):
        report.feed(data[at : at + step])
    complete.feed(data)
    assert (report._source, report.failed) == (complete._source, complete.failed)
    assert received == sorted(set(received))
    assert all(0 < fraction <= 1 for fraction in received)
    try:
        source = report.source()
    except errors.TranscodeError:
        return
    assert 0 < source.width * source.height <= settings.max_pixels
    assert 0 < source.frames <= settings.max_frames
    assert source.placeholder == HASH
