"""The tests' parser of Prometheus' text format: it accepts valid text only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from tests.support.exposition import parse, samples

HISTOGRAM = """# HELP wait_seconds How long
# TYPE wait_seconds histogram
wait_seconds_bucket{le="1.0"} 2.0
wait_seconds_bucket{le="+Inf"} 3.0
wait_seconds_count 3.0
wait_seconds_sum 7.0
"""
COUNTER = '# HELP told_total Told\n# TYPE told_total counter\ntold_total{way="a"} 1.0\n'


@given(st.text(), st.floats(0, 1e9))
def test_parser_reads_what_the_library_wrote(value: str, number: float) -> None:
    registry = CollectorRegistry()
    Counter("told", "Told", ["way"], registry=registry).labels(value).inc(number)
    Histogram("wait_seconds", "How long", ["way"], registry=registry).labels(value).observe(number)
    found = samples(generate_latest(registry).decode())
    assert found["told_total", value] == number
    assert found["wait_seconds_sum", value] == number


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (COUNTER, '{way="a"}', '{way="a}'),
        (COUNTER, '{way="a"}', '{way="a",way="b"}'),
        (COUNTER, '{way="a"}', r'{way="\t"}'),
        (COUNTER, "1.0", "-1.0"),
        (COUNTER, "1.0", "NaN"),
        (COUNTER, "1.0\n", "1.0"),
        (COUNTER, "1.0\n", '1.0\ntold_total{way="a"} 1.0\n'),
        (COUNTER, "1.0\n", '1.0\ntold_total{lane="a"} 1.0\n'),
        (COUNTER, "# HELP told_total Told\n", ""),
        (COUNTER, "Told", ""),
        (COUNTER, "# TYPE told_total counter\n", ""),
        (COUNTER, "total", "sum"),
        (COUNTER, "counter", "gauge"),
        (COUNTER, "counter", "untyped"),
        (COUNTER, "told_total", "toldAll_total"),
        (COUNTER, "told_total", "told_milliseconds_total"),
        (COUNTER, "told_total", "told_counter_total"),
        (COUNTER, COUNTER, COUNTER * 2),
        (COUNTER, COUNTER, COUNTER + HISTOGRAM + 'told_total{way="b"} 1.0\n'),
        (HISTOGRAM, "2.0", "4.0"),
        (HISTOGRAM, "count 3.0", "count 4.0"),
        (HISTOGRAM, 'le="1.0"', 'le="+Inf"'),
        (HISTOGRAM, 'wait_seconds_bucket{le="+Inf"} 3.0\n', ""),
        (HISTOGRAM, '{le="1.0"}', ""),
    ],
)
def test_parser_refuses_invalid_text(text: str, before: str, after: str) -> None:
    parse(text)
    assert before in text
    with pytest.raises(AssertionError):
        parse(text.replace(before, after))
