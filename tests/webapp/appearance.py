"""The checks of a page's width and accessibility, and pictures of pages."""

import asyncio
import functools
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Locator, Page

from tests.stack import ROOT
from tests.webapp.visitors import DESKTOP, PHONE, SOON_S

SCREENSHOTS = ROOT / ".test-artifacts" / "screenshots"

TOOLS = Path(__file__).parent / "tools" / "node_modules"
"""axe-core and Lighthouse, which `make test` installs from the lock beside this folder."""

# Sums up all that has moved by itself since the page was begun, as the browser measures it.
WATCH_SHIFTS = """
    globalThis.shifted = 0;
    new PerformanceObserver((list) => {
        for (const each of list.getEntries()) if (!each.hadRecentInput) globalThis.shifted += each.value;
    }).observe({ type: "layout-shift", buffered: true });
"""

SHIFT_MAX = 0.05
"""Half of the limit for a good layout shift. The typeface, which loads after the text, takes 0.03 on a desktop."""

# The narrowest screen that WCAG 1.4.10 requires.
NARROWEST = 320

# All rules that are on by default (WCAG 2.0 to 2.1, A and AA, and best practices), and those of WCAG 2.2.
_EVERY_RULE = {"reporter": "no-passes", "rules": {"target-size": {"enabled": True}}}

_COLOURS_ONLY = {"reporter": "no-passes", "runOnly": ["color-contrast"]}

_AXE_RUN = """async (options) => {
    const { violations } = await axe.run(document, options);
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, html, any, all, none }) => (
        { id, help, target: target.flat().join(" "), html, checks: [...any, ...all, ...none].map((it) => it.message) }
    )));
}"""


async def check_page(page: Page, name: str) -> None:
    """Check the page's width and accessibility in light, in dark and on a phone.

    With `PICTURES` set, the function stores NAME-light.jpg and NAME-dark.jpg (on a desktop) and NAME-phone.jpg. The
    page may not scroll sideways, on the narrowest screen either. axe-core may find no violation on the phone, and no
    bad contrast in the dark. Afterwards the page has its former size and scheme.

    Raises:
        AssertionError: the page scrolls sideways, has a violation or does not follow the scheme.
    """
    size = page.viewport_size or {"width": PHONE[0], "height": PHONE[1]}
    dark, still = await page.evaluate(
        """["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)"]
            .map((query) => matchMedia(query).matches)"""
    )
    try:
        # During an animation any text has too little contrast.
        await page.emulate_media(reduced_motion="reduce")
        if dark:
            await _turn(page, "light")
        await _resize(page, *PHONE)
        await shot(page, f"{name}-phone")
        wrong = {"light, phone": await violations(page)}
        await _resize(page, NARROWEST, PHONE[1])
        await _check_width(page)
        await _resize(page, *DESKTOP)
        await shot(page, f"{name}-light")
        await _turn(page, "dark")
        await shot(page, f"{name}-dark")
        # Only the colours differ in the dark.
        wrong["dark, desktop"] = await violations(page, _COLOURS_ONLY)
    finally:
        await page.emulate_media(
            color_scheme="dark" if dark else "light", reduced_motion="reduce" if still else "no-preference"
        )
        await page.set_viewport_size(size)
    found = [f"{name} ({where}): {text}" for where, texts in wrong.items() for text in texts]
    assert not found, "axe-core found:\n\n" + "\n\n".join(found)


async def violations(page: Page, options: Mapping[str, object] = _EVERY_RULE) -> list[str]:
    """Return the violations that axe-core finds on the page, as readable texts."""
    # The page's content security policy does not apply to the browser's debugger.
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_axe())
    found: list[dict[str, Any]] = await page.evaluate(_AXE_RUN, options)
    return [
        "\n  ".join([f"{each['id']}: {each['help']}", f"at {each['target']}", each["html"], *each["checks"]])
        for each in found
    ]


@functools.cache
def _axe() -> str:
    path = TOOLS / "axe-core" / "axe.min.js"
    assert path.is_file(), f"{path} is missing: `make test` installs it (make {TOOLS.relative_to(ROOT)}/.installed)"
    return f"{path.read_text(encoding='utf-8')};undefined"


async def _turn(page: Page, scheme: Literal["light", "dark"]) -> None:
    """Change the system's colour scheme, and wait until the page has followed."""
    await page.emulate_media(color_scheme=scheme)
    deadline = time.monotonic() + SOON_S
    while scheme not in await page.evaluate("getComputedStyle(document.documentElement).colorScheme"):
        assert time.monotonic() < deadline, f"the page did not turn {scheme}"
        await asyncio.sleep(0.02)
    await _settle(page)


async def _resize(page: Page, width: int, height: int) -> None:
    # Even the same size lays out the whole page again.
    if page.viewport_size != {"width": width, "height": height}:
        await page.set_viewport_size({"width": width, "height": height})
    await _settle(page)


async def _settle(page: Page) -> None:
    """Wait until the browser has drawn the page."""
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


async def shot(page: Page, name: str) -> None:
    """Check that the page does not scroll sideways; see `take_picture`."""
    await take_picture(page, name)
    await _check_width(page)


async def take_picture(shown: Page | Locator, name: str) -> None:
    """Store a picture of a whole page or of one element in NAME.jpg if `PICTURES` is set.

    Pictures are for people. They need a tenth of the processor time of all tests.
    """
    if not os.environ.get("PICTURES"):
        return
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.jpg"
    if isinstance(shown, Page):
        await shown.screenshot(path=path, type="jpeg", quality=80, full_page=True, animations="disabled")
    else:
        await shown.screenshot(path=path, type="jpeg", quality=80, animations="disabled")


async def _check_width(page: Page) -> None:
    """Check that the page does not scroll sideways."""
    width, inner, out = await page.evaluate(
        """() => {
            const inner = window.innerWidth;
            const out = [...document.body.querySelectorAll("*")]
                .filter((element) => element.getBoundingClientRect().right > inner + 1)
                .slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
            return [document.documentElement.scrollWidth, inner, out];
        }"""
    )
    assert width <= inner, f"at {inner} px the page is {width} px wide; what sticks out: {out}"
