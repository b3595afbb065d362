"""A tab whose seats another tab of the same browser has booked names the buyer's own booking, and nobody else."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.webapp.appearance import check_page
from tests.webapp.order_page import cancel, expect_title
from tests.webapp.site import READS, MakeEvent, Site
from tests.webapp.visitors import DESKTOP, OpenPage, add, draw_map, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUSE = "VIP=40,GA=100"
SUBMIT = "button.submit"
LOST = ".summary-lost"
BY_OTHERS = words("map.lost", row="A", number=7)
BY_OWN_TAB = words("map.lost_own", row="A", number=7)


def _seat(page: Page, number: int) -> Locator:
    return page.locator(".house").get_by_role("checkbox", name=re.compile(f"^VIP, row A, seat {number}, "))


async def _two_tabs(site: Site, visit: OpenPage) -> tuple[Page, Page]:
    first = await open_event(site, visit, "tabs", size=DESKTOP)
    second = await visit(site.event_url, size=DESKTOP, context=first.context)
    await second.get_by_label(words("user.label")).fill("tabs")
    await expect(second.locator(".freshness")).to_have_text(words("counts.live"))
    return first, second


async def _pick(page: Page, number: int = 7) -> None:
    await draw_map(page)
    await _seat(page, number).click()


async def _book(page: Page) -> None:
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")


async def test_a_seat_that_the_other_tab_has_booked_is_the_buyer_s(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    first, second = await _two_tabs(site, visit)
    for page in (first, second):
        await _pick(page)
    await _book(first)
    await expect(second.locator(LOST)).to_contain_text(BY_OWN_TAB)
    await expect(second.locator(".map .notice")).to_contain_text(BY_OWN_TAB)
    await check_page(second, "seat-in-own-tab")


async def test_a_refused_seat_that_the_other_tab_has_booked_is_the_buyer_s(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    first, second = await _two_tabs(site, visit)
    for page in (first, second):
        await _pick(page)
    # The second tab must not receive the new states before its click.
    site.network.hold(READS)
    await _book(first)
    await second.locator(SUBMIT).click()
    await expect(second.locator(LOST)).to_contain_text(BY_OWN_TAB)
    await expect(second.locator(LOST)).not_to_contain_text(words("checkout.seat_taken.text"))


async def test_shown_seats_that_the_other_tab_has_booked_are_the_buyer_s(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    first, second = await _two_tabs(site, visit)
    await add(second, 1, "VIP")
    for page in (first, second):
        await expect(page.locator(".best-seats p")).to_be_visible()
    await _book(first)
    await expect(second.locator(".best-seats .fault")).to_have_text(words("best.replaced_own"))


async def test_after_a_cancellation_a_seat_is_lost_to_another_buyer(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    first, second = await _two_tabs(site, visit)
    await _pick(first)
    seat = int(await _seat(first, 7).get_attribute("data-seat") or 0)
    await _book(first)
    await cancel(first)
    await expect_title(first, words("booking.cancelled.title"))
    await draw_map(second)
    await expect(_seat(second, 7)).to_have_attribute("data-state", "free")
    await _pick(second)
    assert (await site.sell("VIP", 1, ticket_ids=[seat])).status_code == 201
    await expect(second.locator(LOST)).to_contain_text(BY_OTHERS)
