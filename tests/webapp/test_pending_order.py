"""A pending order gets paid, in time or late, declined, expired or cancelled, and its page shows each of these."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from playwright.async_api import expect

from tests.webapp import chips, no_webhooks
from tests.webapp.appearance import check_page
from tests.webapp.order_page import (
    cancel_button,
    codes_on,
    expect_codes,
    expect_title,
    seats_of,
    seconds_left,
    tickets_of,
    visit_expired,
    visit_order,
    visit_pending,
    wait_for_next_order,
)
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, keep_entering
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRY_AGAIN = pattern("booking.again", tickets=r"\d .+", total=".+")


async def test_a_booking_declined_at_once_links_to_its_event(make_declining_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_declining_event("VIP=5")
    reference: str = (await site.sell("VIP", 2)).json()["reference"]
    page = await visit_order(visit, site, reference)
    await expect_title(page, words("booking.declined.title"))
    await expect(page.get_by_text(words("booking.declined.at_once"))).to_be_visible()
    await expect(page.locator("#reference")).to_have_text(reference)
    await check_page(page, "order-declined-at-once")
    # The API reports neither tier nor seats of an order that held no ticket.
    await expect(page.get_by_role("button", name=words("checkout.again"))).to_have_count(0)
    await page.get_by_role("link", name=words("booking.choose_anew")).click()
    await page.wait_for_url(site.event_url)


async def test_a_pending_order_counts_down_in_every_tab_until_it_is_confirmed(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await visit_pending(visit, site, 2)
    await check_page(page, "order-pending")

    # The server's clock is the reference, not this computer's. The test reads it before and after the page.
    async def until_end() -> float:
        async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
            cursor = await conn.execute(
                "select extract(epoch from expires_at - clock_timestamp())::float from orders where reference = %s",
                (reference,),
            )
            row = await cursor.fetchone()
            assert row is not None
            return float(row[0])

    await page.reload()
    other = await visit_order(visit, site, reference, page.context)
    ahead = await visit("about:blank", own_clock=True)
    await ahead.clock.install(time=datetime.now(UTC) + timedelta(hours=1))
    await ahead.goto(f"{site.url}/booking/{reference}")
    for each in (page, other, ahead):
        await expect(each.locator(".countdown")).to_be_visible()
        most, shown, least = await until_end(), await seconds_left(each), await until_end()
        assert least - 1 <= shown <= most + 2
    first, second, third = await seconds_left(page), await seconds_left(other), await seconds_left(page)
    assert third - 1 <= second <= first + 1
    await expect(codes_on(page)).to_have_count(0)

    await no_webhooks.poll_provider(site, reference)
    for each in (page, other, ahead):
        await expect_title(each, words("booking.confirmed.title"))
    await expect_codes(page, 2)
    await expect(page.get_by_role("status").filter(has_text=words("booking.confirmed.title"))).to_have_count(1)


async def test_a_declined_order_is_booked_again_under_a_new_reference(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await visit_pending(visit, site, 2, outcome="declined", user_id="unlucky")
    seats = await seats_of(site, reference)
    await no_webhooks.poll_provider(site, reference)
    await expect_title(page, words("booking.declined.title"))
    # The page shows neither a ticket nor a charge.
    await expect(page.locator(".ticket .aurora")).to_be_hidden()
    await expect(page.locator("dl div", has_text=words("booking.not_charged"))).to_contain_text("$200")
    await expect(page.locator("dl dt").get_by_text(words("booking.total"), exact=True)).to_have_count(0)
    await check_page(page, "order-declined")
    await page.get_by_role(
        "button", name=words("booking.again", tickets=words("summary.tickets", quantity=2, tier="VIP"), total="$200")
    ).click()
    again = await wait_for_next_order(page)
    await expect_title(page, words("booking.pending.title"))
    await expect(page.get_by_text("unlucky")).to_be_visible()
    assert await seats_of(site, again, page) == seats
    # The new reference has its own outcome, and the first order keeps its status.
    outcome = await no_webhooks.decided(site, again)
    await no_webhooks.poll_provider(site, again)
    await expect_title(page, words("booking.confirmed.title" if outcome == "captured" else "booking.declined.title"))
    await page.go_back()
    await expect(page.locator("#reference")).to_have_text(reference)
    await expect_title(page, words("booking.declined.title"))


async def test_the_last_minute_warns_and_an_expired_order_is_booked_again(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await visit_pending(visit, site, 2)
    seats = await seats_of(site, reference)
    hurry = page.locator(".hurry")
    await expect(hurry).to_have_count(0)
    await no_webhooks.end_hold(site, reference, left_s=50)
    await expect(hurry).to_have_text(words("booking.hurry"))
    await expect(page.get_by_role("status").filter(has_text=words("booking.hurry"))).to_have_count(1)
    await check_page(page, "order-last-minute")

    await site.stack.stop_worker()
    await no_webhooks.end_hold(site, reference)
    await expect_title(page, words("booking.overdue.title"))
    await check_page(page, "order-overdue")
    await site.stack.start_worker()
    await expect_title(page, words("booking.expired.title"))
    await check_page(page, "order-expired")

    await page.get_by_role(
        "button", name=words("booking.again", tickets=words("summary.tickets", quantity=2, tier="VIP"), total="$200")
    ).click()
    again = await wait_for_next_order(page)
    await expect_title(page, words("booking.pending.title"))
    assert await seats_of(site, again, page) == seats


async def test_another_try_names_the_seats_that_others_took(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await visit_expired(visit, site)
    (row, lost), (_, kept) = await seats_of(site, reference)
    await site.sell("VIP", 1, ticket_ids=(await tickets_of(site, reference))[:1])
    await page.get_by_role("button", name=TRY_AGAIN).click()
    await expect(page.locator(".notice")).to_contain_text(words("checkout.seat_taken.title", seats=1))
    await expect(page.locator(".notice")).to_contain_text(words("map.lost", row=row, number=lost))
    await check_page(page, "order-seat-taken")
    # The event's page keeps the other seat, and offers the nearest one to it.
    await page.get_by_role("link", name=words("booking.other_seats")).click()
    await expect(page.locator(".map .notice")).to_contain_text(words("map.lost", row=row, number=lost))
    await expect(page.locator(".picks li")).to_have_text([chips.seat("VIP", row, kept)])
    await page.locator(".map .notice button").first.click()
    await expect(page.locator("button.submit")).to_have_text(words("book.button", total="$200"))


async def test_a_late_payment_is_refunded_after_another_try(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("GA=50")
    reference, page = await visit_expired(visit, site, "GA")
    await page.get_by_role("button", name=TRY_AGAIN).click()
    again = await wait_for_next_order(page)
    assert await tickets_of(site, again, page) == await tickets_of(site, reference)
    await no_webhooks.poll_provider(site, reference)
    await site.until(reference, "expired", refund=20)


async def test_another_try_offers_the_remaining_standing_tickets(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("GA=3")
    _, page = await visit_expired(visit, site, "GA")
    await no_webhooks.hold(site, "GA", 2, user_id="somebody-else")
    await page.get_by_role("button", name=TRY_AGAIN).click()
    await expect(page.locator(".notice")).to_contain_text(words("checkout.fewer_left.title", left=1))
    await check_page(page, "order-fewer-left")
    await page.get_by_role("button", name=words("checkout.book_left", left=1, total="$10")).click()
    assert len(await tickets_of(site, await wait_for_next_order(page), page)) == 1


async def test_a_late_payment_reclaims_the_same_tickets(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await visit_expired(visit, site)
    await no_webhooks.poll_provider(site, reference)
    await site.until(reference, "confirmed")
    await keep_entering(page)
    await expect_title(page, words("booking.paid_late.title"))
    await expect_codes(page, 2)
    await check_page(page, "order-paid-late")


async def test_a_payment_that_is_too_late_is_refunded(make_event_without_webhooks: MakeEvent, visit: OpenPage) -> None:
    site = await make_event_without_webhooks("VIP=2")
    reference, page = await visit_expired(visit, site)
    await no_webhooks.hold(site, user_id="somebody-else")
    await no_webhooks.poll_provider(site, reference)
    await site.until(reference, "expired", refund=200)
    await keep_entering(page)
    await expect_title(page, words("booking.paid_too_late.title"))
    await expect(page.get_by_text(words("booking.paid_too_late.text", refund="$200"))).to_be_visible()
    await expect(page.locator("dl div", has=page.locator("#order-total"))).to_have_text(
        f"{words('booking.refund')}$200USD"
    )
    await expect(page.locator("#refunds li")).to_have_text([words("booking.refunds.done", refund="$200")])
    await check_page(page, "order-paid-too-late")


async def test_a_cancelled_pending_order_refunds_a_late_payment(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=2")
    reference, page = await visit_pending(visit, site, 2)
    await cancel_button(page).click()
    await expect(page.get_by_role("dialog")).to_contain_text(words("booking.cancel.pending"))
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect_title(page, words("booking.cancelled.title"))
    await expect(page.get_by_text(words("booking.cancelled.text"))).to_be_visible()
    assert (await site.sell("VIP", 2)).status_code == 202
    await no_webhooks.poll_provider(site, reference)
    await site.until(reference, "cancelled", refund=200)
    await keep_entering(page)
    await expect(page.get_by_text(words("booking.cancelled.refunded", refund="$200"))).to_be_visible()
