"""Finds what keeps people with disabilities from using a page, with axe-core."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from tests.support.harness import ROOT

AXE = ROOT / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"


async def violations(page: Page, *, of: str = "html", rules: tuple[str, ...] = ()) -> list[Any]:
    """Return what axe-core finds in the elements that the selector `of` names; nothing where it is not installed.

    `rules` are the tags, or the ids, of the rules to check; without them, these are axe-core's own choice.
    """
    if not AXE.is_file():
        return []
    if not await page.evaluate("Boolean(globalThis.axe)"):
        await page.evaluate(AXE.read_text())
    found: list[Any] = await page.evaluate(
        """async ([of, rules]) => {
          // What is found to be in order is not described, which takes as long as finding it.
          const options = { resultTypes: ["violations"], ...(rules.length ? { runOnly: rules } : {}) };
          const { violations } = await axe.run(of === "html" ? document : of, options);
          return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
        }""",
        [of, list(rules)],
    )
    return found
