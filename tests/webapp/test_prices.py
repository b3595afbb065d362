"""Prices on pages: never rounded, and free tickets without an amount."""

import pytest
from playwright.async_api import expect

from api.commands.seed import TierPlan
from tests.webapp.appearance import check_page
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, add, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"


async def test_a_price_that_browsers_would_round_is_shown_in_full(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event((TierPlan(name="GA", capacity=20, price_minor=125_050),), currency="RSD")
    page = await open_event(site, visit, "cents")
    await expect(page.locator(".tier .price")).to_have_text("RSD\u00a01,250.50")
    await add(page, 2)
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="RSD\u00a03,751.50"))
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    await expect(page.locator("#order-total")).to_have_text("RSD\u00a03,751.50")


async def test_free_tickets_have_a_word_instead_of_an_amount(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event((TierPlan(name="GA", capacity=20, price_minor=0),), name="Open House")
    page = await open_event(site, visit, "guest")
    await expect(page.locator(".tier .stub .price")).to_have_text(words("price.free"))
    await expect(page.locator(".tier .stub .small")).to_have_count(0)
    await expect(page.locator(".summary-total")).to_have_text(words("price.free"))
    await expect(page.locator(SUBMIT)).to_have_text(words("book.free"))
    await check_page(page, "event-free")
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    await expect(page.locator("#order-total")).to_have_text(words("price.free"))
    await page.get_by_role("button", name=words("booking.cancel")).click()
    await expect(page.locator("#cancel-text")).to_contain_text(words("booking.cancel.free"))
    await page.get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.get_by_text(words("booking.cancelled.free"))).to_be_visible()
    await expect(page.locator("main")).not_to_contain_text("$")

    home = await visit(site.url)
    card = home.locator(".event-card", has_text="Open House")
    await expect(card).to_contain_text(words("price.free"))
    await expect(card).not_to_contain_text("$")
