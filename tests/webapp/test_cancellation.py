"""Cancelling an order on its page."""

import pytest
from playwright.async_api import expect

from tests.webapp.appearance import check_page
from tests.webapp.order_page import (
    USER,
    cancel,
    cancel_button,
    codes_on,
    expect_codes,
    expect_title,
    find_order,
    sell_order,
    visit_order,
)
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, hastened
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_booking_is_cancelled_in_a_dialog_and_shows_its_refund(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=2")
    reference = await sell_order(site)
    page = await visit_order(visit, site, reference)
    dialog = page.get_by_role("dialog", name=words("booking.cancel.title"))
    keep = dialog.get_by_role("button", name=words("booking.cancel.keep"))
    for give_up in (page.keyboard.press("Escape"), keep.click()):
        await cancel_button(page).click()
        await expect(dialog).to_contain_text(words("booking.cancel.confirmed", total="$200"))
        await expect(keep).to_be_focused()
        await give_up
        await expect(dialog).to_be_hidden()
        await expect(cancel_button(page)).to_be_focused()
    assert (reference, "confirmed") in await site.orders(USER)
    await cancel_button(page).click()
    await check_page(page, "order-cancel-question")
    await dialog.get_by_role("button", name=words("booking.cancel.do")).click()
    await expect_title(page, words("booking.cancelled.title"))
    await expect(page.get_by_text(words("booking.cancelled.refunded", refund="$200"))).to_be_visible()
    await expect(codes_on(page)).to_have_count(0)
    await expect(cancel_button(page)).to_have_count(0)
    # The focused button disappears, so the focus moves to the heading.
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await check_page(page, "order-cancelled")
    assert (reference, "cancelled") in await site.orders(USER)
    assert (await site.sell("VIP", 2)).status_code == 201


async def test_cancelling_is_refused_once_the_event_has_begun(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    reference = await sell_order(site)
    page = await visit_order(visit, site, reference)
    await cancel_button(page).click()
    await site.set_columns(starts_at="now")
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.get_by_text(words("booking.cancel.refused"), exact=True)).to_be_visible()
    await expect(page.get_by_text(words("booking.cancel.begun"))).to_be_visible()
    # After the refusal the page also reads the event again.
    await expect(cancel_button(page)).to_have_count(0)
    await check_page(page, "order-cancel-refused")
    assert (await find_order(site, reference))["status"] == "confirmed"
    await page.reload()
    await expect(page.get_by_text(words("booking.confirmed.begun", quantity=2))).to_be_visible()
    await expect(cancel_button(page)).to_have_count(0)
    await expect_codes(page, 2)


async def test_a_cancellation_with_a_lost_response_shows_its_outcome(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    page = await visit(f"{site.url}/booking/{await sell_order(site)}", own_clock=True)
    await expect_codes(page, 2)
    # At first the page cannot read the order either.
    site.network.lose_responses()
    await cancel(page)
    async with hastened(page):
        await expect(page.get_by_text(words("booking.cancel.unreachable"))).to_be_visible()
    await check_page(page, "order-cancel-unknown")
    site.network.mend()
    await expect_title(page, words("booking.cancelled.title"))
    await expect(page.get_by_text(words("booking.cancelled.refunded", refund="$200"))).to_be_visible()
    await expect(page.locator(".notice")).to_have_count(0)


async def test_a_cancellation_in_flight_does_not_block_other_clicks(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    page = await visit_order(visit, site, await sell_order(site))
    site.network.hold("POST ")
    await cancel(page)
    await expect(page.get_by_role("button", name=words("booking.cancel.sending"))).to_be_visible()
    await page.get_by_role("link", name="Night Tide").click()
    # The page validates the field without the API.
    await page.get_by_label(words("user.label")).fill(" ")
    await page.locator("button.submit").click()
    await expect(page.get_by_text(words("checkout.invalid.user_missing"))).to_be_visible()
    await page.get_by_label(words("user.label")).press_sequentially("A")
    await expect(page.get_by_text(words("checkout.invalid.user_missing"))).to_have_count(0)
    site.network.release()
    await page.go_back()
    await expect_title(page, words("booking.cancelled.title"))


async def test_an_event_that_is_called_off_names_the_refund(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    reference = await sell_order(site)
    await site.set_columns(cancelled_at="now")
    page = await visit_order(visit, site, reference)
    await expect(page.get_by_role("heading", name=words("booking.called_off.title"))).to_be_visible()
    # The page does not show the event as taking place, and the buyer does nothing for the refund.
    await expect(page.get_by_text(words("status.confirmed"))).to_have_count(0)
    await expect(page.get_by_role("button", name=words("booking.calendar"))).to_have_count(0)
    await expect(page.get_by_text(words("booking.called_off"))).to_be_visible()
    await expect(cancel_button(page)).to_have_count(0)
    await check_page(page, "order-called-off")
    await site.cancel(reference, USER)
    await page.reload()
    await expect_title(page, words("booking.called_off.title"))
    await expect(page.get_by_text(words("booking.cancelled.refunded", refund="$200"))).to_be_visible()
