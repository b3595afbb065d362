"""An event's page before the first click: no dear tier is chosen, and no button that books precedes the name."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.webapp.site import BOOKINGS, TICKETS_MAX, MakeEvent
from tests.webapp.visitors import PHONE, OpenPage, add, draw_map, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUSE = "VIP=20,Front Row=40,GA=100"
SUBMIT = "button.submit"
CHOSEN = ".tier[data-wanted='true']"
SIZES = (PHONE, (320, 640), (844, 390))

# Scroll down in steps. Return the positions at which the button is in view although the field never was, and whether
# both have been in view at the end.
_SCROLL = """async () => {
    const field = document.querySelector("input[name=user_id]");
    const button = document.querySelector("button.submit");
    const isInView = (element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return top < innerHeight && bottom > 0;
    };
    const early = [];
    const seen = { field: false, button: false };
    for (let y = 0; y <= document.documentElement.scrollHeight - innerHeight; y += 20) {
        scrollTo({ top: y, behavior: "instant" });
        await new Promise(requestAnimationFrame);
        seen.field ||= isInView(field);
        seen.button ||= isInView(button);
        if (isInView(button) && !seen.field) early.push(y);
    }
    return { early, seen };
}"""


async def _is_in_view(page: Page, selector: str) -> bool:
    """Return whether an element is completely in view."""
    inside: bool = await page.locator(selector).evaluate(
        """(element) => {
            const { top, bottom } = element.getBoundingClientRect();
            return top >= 0 && bottom <= innerHeight + 1;
        }"""
    )
    return inside


async def test_the_cheapest_tier_with_tickets_is_chosen(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=20,Front Row=40,GA=2")
    page = await visit(site.event_url)
    await expect(page.locator(CHOSEN)).to_have_attribute("data-tier", "GA")
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$10"))
    await expect(page.locator(".summary")).to_contain_text(words("summary.standing"))
    await site.sell("GA", 2)
    # The API may serve older counts for a second. New counts never switch the choice.
    await expect(page.locator('.tier[data-tier="GA"]')).to_have_attribute("data-sold-out", "true")
    await expect(page.locator(CHOSEN)).to_have_attribute("data-tier", "GA")
    await page.reload()
    await expect(page.locator(CHOSEN)).to_have_attribute("data-tier", "Front Row")
    await expect(page.locator(".best-seats")).to_contain_text(words("best.seats", row="B", quantity=1, numbers="10"))


async def test_on_a_phone_no_button_books_before_the_name_was_in_view(make_event: MakeEvent, visit: OpenPage) -> None:
    house, hall = [await make_event(inventory) for inventory in (HOUSE, "GA=5")]
    for site in (house, hall):
        page = await visit(site.event_url)
        await expect(page.locator(SUBMIT)).to_be_enabled()
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            scrolled: dict[str, Any] = await page.evaluate(_SCROLL)
            assert scrolled == {"early": [], "seen": {"field": True, "button": True}}, (site.event, width, height)


async def test_on_a_phone_the_button_is_in_view_beside_the_map(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await visit(site.event_url, size=PHONE)
    await page.locator(".plan").evaluate("(plan) => plan.scrollIntoView({ block: 'start', behavior: 'instant' })")
    assert await _is_in_view(page, SUBMIT)


async def test_on_a_phone_an_outcome_and_a_reminder_are_in_view_everywhere(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "scrolled")
    await draw_map(page)
    await add(page, TICKETS_MAX - 1)
    await page.locator(".house .seat[data-state=free]").last.dispatch_event("click")
    await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    assert await _is_in_view(page, ".reminder p")
    site.network.hold(BOOKINGS)
    await page.locator(SUBMIT).click()
    await expect(page.locator(".summary .notice")).to_be_visible()
    await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    assert await _is_in_view(page, ".summary .notice")
    site.network.release()
    await page.wait_for_url("**/booking/*")
