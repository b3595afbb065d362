"""Returned tickets: the order's page and "My bookings" show only the others as valid."""

import pytest
from playwright.async_api import expect

from tests.webapp.appearance import check_page
from tests.webapp.order_page import USER, expect_codes, expect_title, find_order, sell_order, visit_order
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_returned_ticket_is_not_shown_as_valid(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    reference = await sell_order(site, quantity=3)
    order = await find_order(site, reference)
    returned, *kept = order["bookings"]
    async with site.connect() as http:
        body = {"userId": USER, "bookings": [returned["id"]]}
        response = await http.post(f"/api/bookings/{reference}/returns", json=body)
    assert response.status_code == 200, response.text

    page = await visit_order(visit, site, reference)
    await expect_title(page, words("booking.confirmed.title"))
    tickets = words("summary.tickets", quantity=2, tier="VIP")
    await expect(page.locator("#order-tickets")).to_have_text(tickets)
    await expect(page.locator("#order-total")).to_have_text("$200USD")
    one = words("summary.tickets", quantity=1, tier="VIP")
    await expect(page.locator("#returned-tickets")).to_have_text(
        words("booking.returned.text", tickets=one, refund="$100")
    )
    places = [words("seat.name", row=ticket["row"], number=ticket["seat"]) for ticket in kept]
    await expect(page.locator(".pass .place")).to_have_text(places)
    lines = [words("booking.pass", line=str(line), of="3") for line in (2, 3)]
    await expect(page.locator(".pass-words .small:not(.pass-when)")).to_have_text(lines)
    await expect_codes(page, 2)
    await check_page(page, "order-returned")

    await page.goto(f"{site.url}/bookings")
    await page.get_by_label(words("user.label")).fill(USER)
    await page.get_by_role("button", name=words("bookings.show")).click()
    card = page.locator(".booking").filter(has=page.locator(f"a[href*='{reference}']"))
    await expect(card.locator(".booking-tickets")).to_have_text(tickets)
    await expect(card.locator(".booking-total")).to_contain_text("$200")
