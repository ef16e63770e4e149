"""Prometheus' text format 0.0.4, read as strictly as it is written down, with what `promtool check metrics` asks of
names besides. Independent of the library that the server writes it with."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]

_NAME = r"[a-z][a-z0-9_]*"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(rf'({_NAME})="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_TYPES = frozenset({"counter", "gauge", "histogram"})
_HISTOGRAM = ("_bucket", "_sum", "_count")
_NOT_BASE = re.compile(
    r"_(milliseconds|microseconds|nanoseconds|minutes|hours|days|ms|kilobytes|megabytes|gigabytes|kb|mb|bits|percent)(_|$)"
)


@dataclass
class Family:
    """One metric: its samples by suffix (`""`, and a histogram's own) and labels."""

    name: str
    type: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def add(self, name: str, labels: Labels, value: float) -> None:
        suffix = name.removeprefix(self.name)
        assert suffix in (_HISTOGRAM if self.type == "histogram" else ("",)), f"{name} is not of {self.name}"
        assert len({label for label, _ in labels}) == len(labels), f"{name} has a label twice"
        assert (suffix, labels) not in self.samples, f"{name} {labels} comes twice"
        assert ("le" in dict(labels)) == (suffix == "_bucket"), f"{name} {labels}"
        self.samples[suffix, labels] = value

    def check(self) -> None:
        """What can be said when all its samples are known."""
        assert (self.type == "counter") == self.name.endswith("_total"), f"{self.name} is a {self.type}"
        assert not self.name.endswith(_HISTOGRAM), self.name
        assert not _NOT_BASE.search(self.name), f"{self.name} is not in a base unit"
        assert self.type not in self.name.split("_"), f"{self.name} has its type in its name"
        assert len({tuple(sorted(set(dict(labels)) - {"le"})) for _, labels in self.samples}) <= 1, self.name
        if self.type == "counter":
            assert all(0 <= value < math.inf for value in self.samples.values()), self.name
        if self.type == "histogram":
            for labels in {_without_le(labels) for _, labels in self.samples}:
                self._check_histogram(labels)

    def _check_histogram(self, labels: Labels) -> None:
        buckets = [
            (float(dict(each)["le"]), value)
            for (suffix, each), value in self.samples.items()
            if suffix == "_bucket" and _without_le(each) == labels
        ]
        bounds, counts = [bound for bound, _ in buckets], [count for _, count in buckets]
        assert bounds == sorted(set(bounds)), f"{self.name} {labels}: bounds {bounds}"
        assert bounds, f"{self.name} {labels} has no buckets"
        assert bounds[-1] == math.inf, f"{self.name} {labels} has no +Inf"
        assert counts == sorted(counts), f"{self.name} {labels} is not cumulative"
        assert counts[-1] == self.samples["_count", labels], f"{self.name} {labels}: +Inf is not its count"
        assert self.samples["_sum", labels] >= 0, f"{self.name} {labels}"


@dataclass
class _Reader:
    families: dict[str, Family] = field(default_factory=dict)
    helped: str = ""
    now: Family | None = None

    def take(self, line: str) -> None:
        if line.startswith("# HELP "):
            _, _, self.helped, text = line.split(" ", 3)
            assert text.strip(), f"{self.helped} has no help"
            self.now = None
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == self.helped, f"{name} has no help before its type"
            assert name not in self.families, f"{name} is typed twice"
            assert kind in _TYPES, line
            self.now = self.families[name] = Family(name, kind)
        else:
            found = _SAMPLE.fullmatch(line)
            assert found, f"no sample: {line!r}"
            assert self.now is not None, f"a sample before its type: {line!r}"
            self.now.add(found[1], _labels(found[2] or ""), float(found[3]))


def parse(text: str) -> Mapping[str, Family]:
    """The families by name; an `AssertionError` says what is wrong with the text, or with a name in it."""
    assert text.endswith("\n"), "the last line has no end"
    reader = _Reader()
    for line in text.removesuffix("\n").split("\n"):
        reader.take(line)
    for family in reader.families.values():
        family.check()
    return reader.families


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every sample, by its name and its labels' values, sorted."""
    return {
        (family.name + suffix, *sorted(value for _, value in labels)): value
        for family in parse(text).values()
        for (suffix, labels), value in family.samples.items()
    }


def _labels(text: str) -> Labels:
    labels, at = [], 0
    while at < len(text):
        found = _LABEL.match(text, at)
        assert found, f"no labels: {text!r}"
        labels.append((found[1], re.sub(r"\\.", lambda escape: _ESCAPED[escape[0]], found[2])))
        at = found.end()
    return tuple(sorted(labels))


def _without_le(labels: Labels) -> Labels:
    return tuple(label for label in labels if label[0] != "le")
