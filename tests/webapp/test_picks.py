"""The choice of seats: nothing disappears silently, nothing is booked by accident, and screen readers hear of it."""

import re

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.stack import PLAIN_HTTP
from tests.webapp import chips
from tests.webapp.chips import CHIPS
from tests.webapp.site import TICKETS_MAX, MakeEvent, Site
from tests.webapp.visitors import DESKTOP, PHONE, OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUSE = "VIP=40,Front Row=40,GA=100"
SUBMIT = "button.submit"


def seat(page: Page, tier: str, row: str, number: int) -> Locator:
    """Return a seat of the map."""
    return page.locator(".house").get_by_role("checkbox", name=re.compile(f"^{tier}, row {row}, seat {number}, "))


async def open_map(site: Site, visit: OpenPage, size: tuple[int, int] = DESKTOP) -> Page:
    """Open the event's page with its map drawn."""
    page = await open_event(site, visit, "picker", size=size)
    await page.locator(".plan").scroll_into_view_if_needed()
    await expect(page.locator(".house .seat").first).to_be_visible()
    return page


async def test_a_pick_beyond_the_limit_is_refused_with_the_reason(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_map(site, visit)
    for number in range(1, TICKETS_MAX + 2):
        await seat(page, "VIP", "A", number).click()
    await expect(page.locator(CHIPS)).to_have_count(TICKETS_MAX)
    await expect(page.locator(CHIPS).first).to_have_text(chips.seat("VIP", "A", 1))
    await expect(page.locator(".reminder")).to_have_text(words("summary.at_limit", most=TICKETS_MAX))


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
async def test_a_seat_is_returned_at_its_own_button(
    make_event: MakeEvent, visit: OpenPage, size: tuple[int, int]
) -> None:
    site = await make_event(HOUSE)
    page = await open_map(site, visit, size)
    for number in (7, 8, 9):
        await seat(page, "VIP", "A", number).click()
    back = page.get_by_role("button", name=words("summary.return", tier="VIP", row="A", number=8), exact=True)
    box = await back.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 24
    await back.click()
    await expect(page.locator(CHIPS)).to_have_text([chips.seat("VIP", "A", 7), chips.seat("VIP", "A", 9)])
    assert await page.evaluate("document.activeElement.closest('.picks') !== null")


async def test_after_the_seats_are_cleared_a_second_enter_books_nothing(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_map(site, visit)
    await seat(page, "VIP", "A", 7).click()
    await page.get_by_role("button", name=words("summary.clear")).focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(CHIPS)).to_have_count(0)
    await expect(page.get_by_role("button", name=words("seats.best"))).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(CHIPS)).to_have_count(1)
    assert await site.orders("picker") == []


async def test_the_enter_key_in_the_name_leads_to_the_total(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "picker")
    await page.get_by_label(words("user.label")).press("Enter")
    await expect(page.locator(SUBMIT)).to_be_focused()
    assert await site.orders("picker") == []
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/booking/*")


async def test_a_screen_reader_hears_the_seats_the_total_and_each_seat_s_price(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_map(site, visit)
    name = "VIP, row A, seat 7, $100"
    await expect(seat(page, "VIP", "A", 7)).to_have_accessible_name(f"{name}, available")
    await seat(page, "VIP", "A", 7).click()
    await expect(seat(page, "VIP", "A", 7)).to_have_accessible_name(f"{name}, your selection")
    line = page.locator(".summary-line[aria-live=polite]")
    await expect(line).to_contain_text("$100")
    await expect(page.locator("[aria-live=polite] > .picks")).to_have_count(1)


async def test_the_refund_is_promised_before_the_purchase(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, size=PHONE)
    await expect(page.locator(".order")).to_contain_text(words("summary.refund"))


async def test_without_scripts_the_page_says_what_it_needs(make_event: MakeEvent) -> None:
    site = await make_event(HOUSE)
    async with httpx.AsyncClient(base_url=site.url, trust_env=False, verify=PLAIN_HTTP) as http:
        for path in ("/", "/bookings", f"/event/{site.event}"):
            html = (await http.get(path)).text
            assert re.search(r"<noscript>.*This site needs JavaScript.*</noscript>", html, re.DOTALL)
