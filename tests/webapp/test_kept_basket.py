"""The basket of an event lasts in the tab until it is booked."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.webapp import chips
from tests.webapp.chips import CHIPS
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import DESKTOP, OpenPage, add, draw_map, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUSE = "VIP=40,Front Row=40,GA=100"
SUBMIT = "button.submit"
SEAT = chips.seat("Front Row", "C", 9)


async def _pick(page: Page) -> int:
    """Pick a seat of the front row, and return its id."""
    seat = page.locator(".house").get_by_role("checkbox", name=re.compile("^Front Row, row C, seat 9, "))
    await seat.click()
    return int(await seat.get_attribute("data-seat") or 0)


async def test_the_basket_survives_a_reload_and_another_page_until_it_is_booked(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "returning", size=DESKTOP)
    await draw_map(page)
    await add(page, 1, "VIP")
    await add(page, 3, "GA")
    seat = await _pick(page)
    basket = [chips.tickets(2, "VIP"), chips.tickets(3, "GA"), SEAT]
    await expect(page.locator(CHIPS)).to_have_text(basket)
    await page.reload()
    await expect(page.locator(CHIPS)).to_have_text(basket)
    await page.get_by_role("link", name=words("nav.bookings")).first.click()
    await page.wait_for_url("**/bookings*")
    await page.go_back()
    await expect(page.locator(CHIPS)).to_have_text(basket)
    # The loss of a seat meanwhile is shown.
    assert (await site.sell("Front Row", 1, ticket_ids=[seat])).status_code == 201
    await page.reload()
    await expect(page.locator(".summary-lost")).to_contain_text(words("map.lost", row="C", number=9))
    await page.get_by_role("button", name=words("summary.keep_rest", quantity=5)).click()
    await expect(page.locator(CHIPS)).to_have_text(basket[:2])
    await page.get_by_label(words("user.label")).fill("returning")
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    await page.go_back()
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await expect(page.locator(CHIPS)).to_have_count(0)


async def test_seats_and_standing_tickets_in_the_address_are_chosen(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    async with site.connect() as http:
        rows = (await http.get(f"/api/tickets/states?event={site.event}")).json()["rows"]
    seat = next(row["ids"][8] for row in rows if row["row"] == "C")
    page = await visit(f"{site.event_url}?seats={seat}&tickets=2+GA", size=DESKTOP)
    await expect(page.locator(CHIPS)).to_have_text([chips.tickets(2, "GA"), SEAT])
    await expect(page).to_have_url(site.event_url)
    await page.reload()
    await expect(page.locator(CHIPS)).to_have_text([chips.tickets(2, "GA"), SEAT])
