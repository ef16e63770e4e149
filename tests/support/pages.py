"""The documentation's pages as tests read them: their tables, examples, headings and links.

A table or an example is found by the comment above it, such as `<!-- table:errors -->` or `<!-- example:curl -->`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.harness import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
ADDRESS = "http://127.0.0.1:8000"
"""The server of every example."""

_FENCE = re.compile(
    r"^(?:<!-- example:(?P<name>[\w-]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of code. `name` is empty if it is not marked as an example."""

    name: str
    language: str
    code: str

    def at(self, url: str) -> str:
        """The example for a server at another address than the one it names."""
        assert ADDRESS in self.code
        return self.code.replace(ADDRESS, url)


def start_examples(language: str) -> list[Block]:
    """The blocks of code in one language below "Start here" on the API reference, in their order."""
    page = (ROOT / "static" / "docs" / "docs.html").read_text()
    found = re.search(rf'<section data-language="{language}">(.*?)</section>', page, re.DOTALL)
    assert found, f"The API reference has no examples in {language}."
    codes = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", found[1], re.DOTALL)
    return [Block("", language, html.unescape(re.sub(r"</?span[^>]*>", "", code))) for code in codes]


@cache
def text(page: Path) -> str:
    return page.read_text()


def pages() -> list[Path]:
    """README and every page below `docs/`, by name."""
    return [README, *sorted(DOCS.glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    return [Block(found["name"] or "", found["language"], found["code"]) for found in _FENCE.finditer(text(page))]


def examples(*languages: str) -> dict[str, Block]:
    """The examples of all pages that are in one of the languages, by name."""
    every = [block for page in pages() for block in blocks(page) if block.name]
    assert len({block.name for block in every}) == len(every), "two examples have the same name"
    return {block.name: block for block in every if block.language in languages}


def table(page: Path, name: str) -> list[list[str]]:
    """The rows below the head of a marked table, cell by cell, without backticks."""
    found = re.search(rf"<!-- table:{name} -->\n+((?:\|.*\n)+)", text(page))
    assert found, f"{page.name} has no table marked <!-- table:{name} -->"
    lines = found[1].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", text(page))


def anchors(page: Path) -> set[str]:
    """The fragments that a link may lead to."""
    return {anchor(heading) for heading in _HEADING.findall(prose(page))}


def anchor(heading: str) -> str:
    """The fragment of a heading, as Markdown renderers make it."""
    words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return words.strip().replace(" ", "-")


def links(page: Path) -> list[str]:
    """Where the page's links lead, as they are written."""
    return _LINK.findall(prose(page))


def shape(page: Path, first: str) -> set[str]:
    """The fields of a shape in the page's prose that begins with the field `first`, such as `{ok, state, events?}`."""
    found = re.search(rf"`\{{{first}\b([^`]*)\}}`", prose(page))
    assert found, f"{page.name} has no shape that begins with {{{first}"
    inner = found[1]
    while (flat := re.sub(r"\[[^\[\]]*\]|\{[^{}]*\}", "", inner)) != inner:
        inner = flat
    return {first, *(field.partition(":")[0].strip().rstrip("?") for field in inner.split(",")[1:])}
