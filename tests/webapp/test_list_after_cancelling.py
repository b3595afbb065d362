"""The list of bookings after a cancellation on another page: it never shows the order as it was before."""

import pytest
from playwright.async_api import Page, expect

from tests.webapp.order_page import cancel, expect_title
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import OpenPage, keep_entering
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE_SIZE = 10


async def _open_list(site: Site, visit: OpenPage, user_id: str) -> Page:
    page = await visit(f"{site.url}/bookings")
    await page.get_by_label(words("user.label")).fill(user_id)
    await page.get_by_role("button", name=words("bookings.show")).click()
    return page


async def _cancel_on_its_page(page: Page, reference: str) -> None:
    """Follow the link of an order in the list, and cancel the order there."""
    await page.locator(".booking", has_text=reference).get_by_role("link").click()
    await cancel(page)
    await expect_title(page, words("booking.cancelled.title"))


async def _return_to_list(page: Page) -> None:
    navigation = page.get_by_label(words("nav.label"))
    await navigation.get_by_role("link", name=words("nav.bookings")).click()


async def test_an_order_cancelled_on_its_page_is_not_upcoming_while_the_api_is_slow(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("GA=5")
    cancelled, kept = [(await site.sell("GA", 1, "wavering")).json()["reference"] for _ in range(2)]
    page = await _open_list(site, visit, "wavering")
    await _cancel_on_its_page(page, cancelled)
    site.network.hold("GET /api/bookings")
    await _return_to_list(page)
    await expect(page.locator(".bookings[aria-busy]")).to_be_visible()
    await expect(page.locator(".booking")).to_have_count(0)
    site.network.release()
    await expect(page.locator(".booking-reference")).to_have_text([kept])


async def test_an_order_on_a_further_page_of_the_list_is_read_again(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=40")
    references = [(await site.sell("GA", 1, "loyal")).json()["reference"] for _ in range(PAGE_SIZE + 2)]
    page = await _open_list(site, visit, "loyal")
    await page.get_by_role("button", name=words("bookings.more")).click()
    await expect(page.locator(".booking")).to_have_count(PAGE_SIZE + 2)
    oldest = references[0]
    await _cancel_on_its_page(page, oldest)
    await _return_to_list(page)
    await expect(page.locator(".booking")).to_have_count(PAGE_SIZE + 1)
    await expect(page.locator(".booking", has_text=oldest)).to_have_count(0)


async def test_an_order_on_a_further_page_that_is_cancelled_elsewhere_disappears(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("GA=40")
    references = [(await site.sell("GA", 1, "absent")).json()["reference"] for _ in range(PAGE_SIZE + 2)]
    page = await _open_list(site, visit, "absent")
    await page.get_by_role("button", name=words("bookings.more")).click()
    await expect(page.locator(".booking-reference")).to_have_text(references[::-1])
    await site.cancel(references[0], "absent")
    await keep_entering(page)
    await expect(page.locator(".booking-reference")).to_have_text(references[:0:-1])


async def test_a_filter_with_further_pages_shows_no_outdated_list(make_event: MakeEvent, visit: OpenPage) -> None:
    user_id = "undecided at length"
    site = await make_event("GA=40")
    oldest, *others = [(await site.sell("GA", 1, user_id)).json()["reference"] for _ in range(PAGE_SIZE + 2)]
    for reference in others:
        await site.cancel(reference, user_id)
    page = await _open_list(site, visit, user_id)
    filters = page.locator(".filters")
    await filters.get_by_role("link", name=words("bookings.cancelled")).click()
    await page.get_by_role("button", name=words("bookings.more")).click()
    await expect(page.locator(".booking-reference")).to_have_text(others[::-1])
    await filters.get_by_role("link", name=words("bookings.upcoming")).click()
    await page.locator(".booking", has_text=oldest).get_by_role("button").click()
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.locator(".booking")).to_contain_text(words("status.cancelled_refunded"))
    site.network.hold("GET /api/bookings")
    await filters.get_by_role("link", name=words("bookings.cancelled")).click()
    await expect(page.locator(".bookings[aria-busy]")).to_be_visible()
    await expect(page.locator(".booking")).to_have_count(0)
    site.network.release()
    await expect(page.locator(".booking-reference")).to_have_text([*others[::-1], oldest])


async def test_the_next_page_of_the_list_is_the_only_further_one_that_is_read(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("GA=40")
    for _ in range(2 * PAGE_SIZE + 1):
        assert (await site.sell("GA", 1, "frequent")).status_code == 201
    page = await _open_list(site, visit, "frequent")
    further: list[str] = []
    page.on("request", lambda request: further.append(request.url) if "cursor=" in request.url else None)
    for shown in (2 * PAGE_SIZE, 2 * PAGE_SIZE + 1):
        await page.get_by_role("button", name=words("bookings.more")).click()
        await expect(page.locator(".booking")).to_have_count(shown)
    assert len(further) == 2
