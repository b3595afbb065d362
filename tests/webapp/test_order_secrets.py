"""An order belongs to the browser that booked it: a stranger with the page's address sees nothing."""

import pytest
from playwright.async_api import Page, expect

from tests.webapp.order_page import book_on, cancel, expect_codes, expect_title, secret_of
from tests.webapp.site import BOOKINGS, MakeEvent, Site
from tests.webapp.visitors import OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"


async def _book(site: Site, visit: OpenPage, user_id: str) -> tuple[Page, str]:
    """Book in a new browser; return the page of the order and its reference."""
    page = await open_event(site, visit, user_id)
    return page, await book_on(page)


async def _visit_list(site: Site, visit: OpenPage, user_id: str, page: Page | None = None) -> Page:
    context = page.context if page else None
    page = await visit(f"{site.url}/bookings", context=context)
    await page.locator("input[name=user_id]").fill(user_id)
    await page.get_by_role("button", name=words("bookings.show")).click()
    return page


async def test_only_the_browser_that_booked_sees_the_order(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page, reference = await _book(site, visit, "private")
    await expect_codes(page, 1)
    secret = await secret_of(page, reference)
    assert secret not in page.url

    stranger = await visit(page.url)
    await expect_title(stranger, words("booking.missing.title"))
    assert reference not in await stranger.locator("main").inner_text()
    listed = await _visit_list(site, visit, "private")
    await expect(listed.get_by_text(words("bookings.none_upcoming"))).to_be_visible()

    # The address of no request contains the secret.
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    await page.reload()
    await expect_codes(page, 1)
    assert any(reference in address for address in addresses)
    assert not [address for address in addresses if secret in address]
    own = await _visit_list(site, visit, "private", page)
    await expect(own.locator(".booking")).to_contain_text([reference])

    await cancel(page)
    await expect_title(page, words("booking.cancelled.title"))
    assert await site.orders("private") == [(reference, "cancelled")]


async def test_a_purchase_whose_response_is_lost_is_found_again(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await open_event(site, visit, "interrupted")
    site.network.lose_responses(BOOKINGS)
    await page.locator(SUBMIT).click()
    await site.until_ordered("interrupted")
    await page.reload()
    site.network.mend()
    await page.wait_for_url("**/booking/*")
    await expect_title(page, words("booking.confirmed.title"))
    assert await site.orders("interrupted") == [(page.url.rpartition("/")[2], "confirmed")]


async def test_my_bookings_announce_open_orders(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await visit(f"{site.url}/bookings")
    await expect(page.get_by_text(words("bookings.open"))).to_be_visible()
