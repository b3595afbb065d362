"""The button for the best seats serves tickets without a seat, and never replaces a seat that the buyer has picked."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.webapp import chips
from tests.webapp.chips import CHIPS
from tests.webapp.site import BEST, MakeEvent
from tests.webapp.visitors import DESKTOP, OpenPage, add, draw_map, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUSE = "VIP=40,GA=100"
SUBMIT = "button.submit"
MINE = ".house .seat[data-state=mine]"


def _seat(page: Page, row: str, number: int) -> Locator:
    return page.locator(".house").get_by_role("checkbox", name=re.compile(f"^VIP, row {row}, seat {number}, "))


def _best(page: Page, quantity: int = 0) -> Locator:
    """Return the button, with the number of seats that it picks."""
    tickets = f": {words('summary.tickets', quantity=quantity, tier='VIP')}" if quantity else ""
    return page.get_by_role("button", name=f"{words('seats.best')}{tickets}", exact=True)


async def _picked(page: Page) -> list[str]:
    ids: list[str] = await page.locator(MINE).evaluate_all("(all) => all.map(({ dataset }) => dataset.seat).sort()")
    return ids


async def test_the_picked_seat_stays_and_the_best_seats_are_replaced(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "mixed", size=DESKTOP)
    await draw_map(page)
    await add(page, 2, "VIP")
    await _seat(page, "B", 20).click()
    await expect(page.locator(CHIPS)).to_have_text([chips.tickets(2, "VIP"), chips.seat("VIP", "B", 20)])
    await _best(page, 2).click()
    await expect(page.locator(CHIPS)).to_have_text(
        [chips.seat("VIP", "B", 20), chips.seat("VIP", "A", 9), chips.seat("VIP", "A", 10)]
    )
    # Another buyer takes one of the best seats: the button replaces both, and the picked seat stays.
    taken = await _seat(page, "A", 10).get_attribute("data-seat")
    assert (await site.sell("VIP", 1, ticket_ids=[int(taken or 0)])).status_code == 201
    await expect(page.locator(".summary-lost")).to_be_visible()
    await _best(page, 2).click()
    await expect(page.locator(CHIPS)).to_have_count(3)
    await expect(page.locator(CHIPS).first).to_have_text(chips.seat("VIP", "B", 20))
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$300"))
    # A reload keeps the difference.
    picked = await _picked(page)
    await page.reload()
    await expect(page.locator(CHIPS)).to_have_count(3)
    await draw_map(page)
    await _best(page, 2).click()
    await expect(page.locator(CHIPS)).to_have_count(3)
    assert await _picked(page) == picked


async def test_best_seats_are_found_beside_a_picked_one_that_is_itself_among_the_best(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=20")
    page = await open_event(site, visit, size=DESKTOP)
    await draw_map(page)
    await add(page, 9, "VIP")
    await _seat(page, "A", 10).click()
    await _best(page, 9).click()
    await expect(page.locator(CHIPS)).to_have_count(10)
    assert len(set(await _picked(page))) == 10


async def test_with_picked_seats_only_the_button_picks_nothing(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, size=DESKTOP)
    await draw_map(page)
    await expect(_best(page, 1)).to_be_enabled()
    await _seat(page, "A", 7).click()
    await expect(_best(page)).to_be_disabled()
    await page.get_by_role("button", name=words("summary.clear")).click()
    await expect(_best(page, 1)).to_be_enabled()


async def test_a_search_without_seats_is_reported(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await visit("about:blank", size=DESKTOP)
    site.network.lose_requests(BEST)
    await page.goto(site.event_url)
    await page.get_by_role("button", name=words("quantity.more", tier="VIP")).click()
    await expect(_best(page, 1)).to_be_enabled()
    await _best(page, 1).click()
    await expect(page.locator(".reminder[role=status]")).to_have_text(words("best.none"))
