"""The summary at the bottom of a small screen: one part scrolls, and the total, a refusal and the button do not."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.webapp.site import TICKETS_MAX, MakeEvent
from tests.webapp.visitors import PHONE, OpenPage, add, draw_map, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZES = ((320, 640), PHONE)
FREE_SEAT = ".house .seat[data-state=free]"

# The elements of the summary that scroll now, and whether each has a fade at its lower edge.
_SCROLLING = """[...document.querySelectorAll(".summary, .summary *")]
    .filter((element) => element.scrollHeight > element.clientHeight + 1
        && ["auto", "scroll"].includes(getComputedStyle(element).overflowY))
    .map((element) => {
        const { position, bottom, backgroundImage } = getComputedStyle(element, "::after");
        return [element.className, `${position} ${bottom}` === "sticky 0px" && backgroundImage !== "none"];
    })"""

# The elements that lie partly or completely outside the view or below another element.
_HIDDEN = """(selectors) => selectors.filter((selector) => {
    const element = document.querySelector(selector);
    const { left, top, right, bottom } = element.getBoundingClientRect();
    const middle = (left + right) / 2;
    return [top + 2, bottom - 2].some((y) => !element.contains(document.elementFromPoint(middle, y)));
})"""


async def _check_bar(page: Page, *visible: str) -> None:
    """Check the summary beside the map at each size: these elements are in view, and at most one element scrolls."""
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        await page.locator(".plan").evaluate("(plan) => plan.scrollIntoView({ behavior: 'instant' })")
        hidden: list[str] = await page.evaluate(_HIDDEN, visible)
        assert hidden == [], width
        scrolling: list[Any] = await page.evaluate(_SCROLLING)
        assert scrolling in ([], [["summary-details", True]]), width


async def test_a_refusal_and_the_total_stay_in_view(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=40,Front Row=40,GA=100")
    page = await open_event(site, visit, size=SIZES[0])
    total, button = ".summary-line", "button.submit"
    # The line of the total names the only entry.
    await add(page, 1)
    await expect(page.locator(total)).to_contain_text(words("summary.tickets", quantity=2, tier="VIP"))
    await expect(page.locator(".picks")).to_have_count(0)
    await draw_map(page)
    await add(page, 1, "Front Row")
    await add(page, 1, "GA")
    await expect(page.locator(".best-seats p")).to_have_count(2)
    await expect(page.locator(".picks li")).to_have_count(3)
    await _check_bar(page, total, button)
    await page.locator("button.best").click()
    await expect(page.locator(".house .seat[data-state=mine]")).to_have_count(2)
    for _ in range(TICKETS_MAX - 4):
        await page.locator(FREE_SEAT).first.dispatch_event("click")
    await expect(page.locator(".picks li")).to_have_count(TICKETS_MAX)
    await page.locator(FREE_SEAT).first.dispatch_event("click")
    await expect(page.locator(".reminder")).to_have_text(words("summary.at_limit", most=TICKETS_MAX))
    await _check_bar(page, total, ".reminder p", button)
    await page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    assert await page.evaluate(_HIDDEN, [total, ".reminder p"]) == []
