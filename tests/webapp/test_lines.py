"""Lines of a card: a dot separates the time and the venue only within a line, and prices stand at the end."""

import pytest
from playwright.async_api import Page, expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import PHONE, OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Return whether the second part begins a line, and whether its dot is visible: the dot is drawn in the padding before
# the text, and the clip of the line hides the first part of each line.
_DOT = """(line) => {
    const [first, second] = [...line.children].map((part) => part.getBoundingClientRect());
    const isRightToLeft = getComputedStyle(line).direction === "rtl";
    const { left, right } = line.getBoundingClientRect();
    const dot = parseFloat(getComputedStyle(line.lastChild).paddingInlineStart);
    const before = isRightToLeft ? right - second.right : second.left - left;
    return [second.top > first.top, dot > 0 && before > dot];
}"""


async def _dot(page: Page, name: str) -> tuple[bool, bool]:
    """Return whether the venue of an event begins a line, and whether a dot precedes it."""
    line = page.locator(".event-card", has_text=name).locator(".parts")
    wraps, has_dot = await line.evaluate(_DOT)
    return wraps, has_dot


@pytest.mark.parametrize("locale", ["en-US", "ar-EG"])
async def test_a_dot_neither_begins_nor_ends_a_line(locale: str, make_event: MakeEvent, visit: OpenPage) -> None:
    name = f"Dotted {locale}"
    site = await make_event("GA=5", name=name, venue="Harbour Hall at the Old Fish Market")
    page = await visit(site.url, size=(320, 640), locale=locale)
    await expect(page.locator(".event-card", has_text=name).locator(".parts")).to_be_visible()
    assert await _dot(page, name) == (True, False)
    await page.set_viewport_size({"width": 1280, "height": 800})
    assert await _dot(page, name) == (False, True)


async def test_a_price_stands_at_the_end_of_its_card_on_a_phone(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5", name="Edge to Edge")
    page = await visit(site.url, size=PHONE)
    card = page.locator(".event-card", has_text="Edge to Edge")
    await expect(card).to_be_visible()
    gap = await card.evaluate(
        """(card) => {
            const { right } = card.querySelector("a").getBoundingClientRect();
            return right - card.querySelector(".event-card-state").lastChild.getBoundingClientRect().right;
        }"""
    )
    assert gap < 24


async def test_the_time_of_the_doors_has_the_colour_of_the_poster(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5", doors_at="2027-06-18T23:00:00Z", starts_at="2027-06-19T00:00:00Z")
    page = await visit(site.event_url)
    doors = page.locator(".poster-date .small")
    await expect(doors).to_be_visible()
    colour = "(element) => getComputedStyle(element).color"
    assert await doors.evaluate(colour) == await page.locator(".poster h1").evaluate(colour)
