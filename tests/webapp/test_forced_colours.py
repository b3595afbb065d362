"""In forced colours, which remove shadows and backgrounds, every control and card has a visible border."""

import pytest
from playwright.async_api import Page, expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import DESKTOP, OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTROLS = "button, .button, .submit, input[type=text], select, .stepper, .picks li, .event-card a, .seat-box, .status"
# Text buttons look like links, and the stepper draws the rim of its buttons.
_BORDERLESS = """(controls) => [...document.querySelectorAll(controls)]
    .filter((element) => element.checkVisibility() && !element.matches(".text-button, .stepper button"))
    .filter((element) => {
        const { borderStyle, borderTopWidth, borderTopColor, backgroundColor } = getComputedStyle(element);
        return borderStyle === "none" || borderTopWidth === "0px" || borderTopColor === backgroundColor;
    })
    .map((element) => element.outerHTML.slice(0, 100))"""


async def _borderless(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(_BORDERLESS, CONTROLS)
    return found


async def test_every_control_has_a_border_in_forced_colours(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=10,GA=50")
    reference = (await site.sell("VIP", 1, "contrast")).json()["reference"]
    page = await open_event(site, visit, "contrast", size=DESKTOP)
    await page.get_by_role("button", name=words("seats.best")).click()
    await page.get_by_role("button", name=words("map.list_open")).click()
    assert await _borderless(page), "without forced colours shadows draw the rims"
    await page.emulate_media(forced_colors="active")
    assert await _borderless(page) == []
    # A picked seat differs from a free one, and so does the one with the focus.
    fills = [
        await page.locator(f".house .seat[data-state='{state}'] circle").first.evaluate(
            "(c) => getComputedStyle(c).fill"
        )
        for state in ("free", "mine", "sold")
    ]
    assert fills[0] != fills[1], fills
    seat = page.locator(".house .seat[data-state='free']").first
    stroke = await seat.locator("circle").evaluate("(circle) => getComputedStyle(circle).strokeWidth")
    await page.keyboard.press("Tab")
    await seat.focus()
    assert await seat.locator("circle").evaluate("(circle) => getComputedStyle(circle).strokeWidth") != stroke

    for path in ("/", f"/booking/{reference}", "/bookings"):
        await page.goto(f"{site.url}{path}")
        await expect(page.locator(".event-card, article, .empty").first).to_be_visible()
        assert await _borderless(page) == [], path
