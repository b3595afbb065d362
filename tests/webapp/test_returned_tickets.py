"""Returned tickets: an order's page returns them, and shows only the others as valid, like "My bookings"."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.webapp.appearance import check_page
from tests.webapp.order_page import (
    USER,
    cancel_button,
    expect_codes,
    expect_title,
    find_order,
    sell_order,
    visit_order,
)
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
    await expect(page.locator("#refunds li")).to_have_text([words("booking.refunds.done", refund="$100")])
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


def return_button(page: Page, line: int, seat: dict[str, Any]) -> Locator:
    place = words("seat.name", row=seat["row"], number=seat["seat"])
    return page.get_by_role("button", name=words("booking.return.of", line=str(line), place=place))


async def test_a_ticket_is_returned_in_a_dialog_and_shows_its_refund(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=2")
    reference = await sell_order(site)
    first, second = (await find_order(site, reference))["bookings"]
    page = await visit_order(visit, site, reference)
    dialog = page.get_by_role("dialog", name=words("booking.return.title"))
    keep = dialog.get_by_role("button", name=words("booking.return.keep"))
    await return_button(page, 1, first).click()
    await expect(dialog).to_contain_text(words("booking.return.text", refund="$100"))
    await expect(dialog).to_contain_text(words("seat.name", row=first["row"], number=first["seat"]))
    await expect(keep).to_be_focused()
    await check_page(page, "order-return-question")
    await keep.click()
    await expect(dialog).to_be_hidden()
    await return_button(page, 1, first).click()
    await dialog.get_by_role("button", name=words("booking.return.do")).click()
    await expect(page.get_by_text(words("booking.return.done"))).to_be_visible()
    await expect(page.locator("#returned-tickets")).to_contain_text("$100")
    await expect_codes(page, 1)
    # The last ticket is returned by cancelling the booking.
    await expect(return_button(page, 2, second)).to_have_count(0)
    await expect(cancel_button(page)).to_be_visible()
    # The focused button disappears, so the focus moves to the heading.
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await check_page(page, "order-ticket-returned")
    (refund,) = (await find_order(site, reference))["refunds"]
    assert refund["amount"] == 100
    assert (await site.sell("VIP", 1, ticket_ids=[first["ticketId"]])).status_code == 201


async def test_a_return_is_refused_once_the_event_has_begun(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    reference = await sell_order(site)
    first, _ = (await find_order(site, reference))["bookings"]
    page = await visit_order(visit, site, reference)
    await return_button(page, 1, first).click()
    await site.set_columns(starts_at="now")
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.return.do")).click()
    await expect(page.get_by_text(words("booking.return.refused"), exact=True)).to_be_visible()
    await expect(page.get_by_text(words("booking.return.not_returnable"))).to_be_visible()
    # After the refusal the page also reads the event again.
    await expect(return_button(page, 1, first)).to_have_count(0)
    await expect_codes(page, 2)
    assert "refunds" not in await find_order(site, reference)
