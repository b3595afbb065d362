"""Every state of a booking's page with a real system: paid, declined, waiting, too late, cancelled, away."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from playwright.async_api import BrowserContext, Locator, Page, ViewportSize, expect

from api.commands import check_in
from api.config import TICKET_SECRET, Settings
from api.secret import load_or_create_secret
from api.services import codes
from tests.webapp import no_webhooks
from tests.webapp.appearance import SCREENSHOTS, check_page, shot
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import OpenPage, keep_entering
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

USER = "user-123"
TRY_AGAIN = pattern("booking.again", quantity=r"\d", tier=".+", total=".+")
PAPER: ViewportSize = {"width": 703, "height": 1032}
"""A sheet of A4 without its margins, in CSS pixels."""
SOON_MS = 15_000
"""Limit from a database change to the open page: one poll of the worker and one of the page, on a busy machine."""


# --- The page --------------------------------------------------------------------------------------------


async def _order(site: Site, reference: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=site.stack.api_url, timeout=30) as http:
        order: dict[str, Any] = (await http.get(f"/api/bookings/{reference}")).raise_for_status().json()
        return order


async def _seats(site: Site, reference: str) -> list[tuple[str, int]]:
    return sorted((ticket["row"], ticket["seat"]) for ticket in (await _order(site, reference))["bookings"])


async def _tickets(site: Site, reference: str) -> list[int]:
    return sorted(ticket["ticketId"] for ticket in (await _order(site, reference))["bookings"])


async def _booked(site: Site, tier: str = "VIP", quantity: int = 2) -> str:
    response = await site.sell(tier, quantity, USER)
    assert response.status_code == 201, response.text
    reference: str = response.json()["reference"]
    return reference


async def _visit(visit: OpenPage, site: Site, reference: str, context: BrowserContext | None = None) -> Page:
    return await visit(f"{site.url}/booking/{reference}", context=context)


async def _visit_waiting(visit: OpenPage, site: Site, quantity: int = 1, **booking: Any) -> tuple[str, Page]:
    """Book in the system without webhooks; return the reference and its page, which waits for the payment."""
    reference = await no_webhooks.hold(site, quantity=quantity, **booking)
    page = await _visit(visit, site, reference)
    await _says(page, words("booking.pending.title"))
    return reference, page


async def _visit_expired(visit: OpenPage, site: Site, tier: str = "VIP") -> tuple[str, Page]:
    """Book two tickets in the system without webhooks and let their hold end; return the reference and its page."""
    reference = await no_webhooks.hold(site, tier, 2)
    await no_webhooks.end_hold(site, reference)
    page = await _visit(visit, site, reference)
    await _says(page, words("booking.expired.title"))
    return reference, page


async def _says(page: Page, title: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(title, timeout=SOON_MS)


def _codes(page: Page) -> Locator:
    return page.get_by_role("img", name=pattern("booking.code", line=r"\d+", place=".+"))


async def _codes_are_drawn(page: Page, quantity: int) -> None:
    await expect(_codes(page)).to_have_count(quantity)
    for image in await _codes(page).all():
        await image.scroll_into_view_if_needed()
        await expect(image).to_have_js_property("complete", value=True)
        assert await image.evaluate("(image) => image.naturalWidth") > 0


async def _seconds_left(page: Page) -> int:
    minutes, seconds = (await page.locator(".order-left [role='timer']").inner_text()).split(":")
    return 60 * int(minutes) + int(seconds)


async def _is_led_on(page: Page) -> str:
    """Wait until the page has gone on to a booking of another key; return it."""
    await page.wait_for_url(re.compile("/booking/(?!held-)"), timeout=SOON_MS)
    reference = page.url.rpartition("/")[2]
    await expect(page.locator("#reference")).to_have_text(reference, timeout=SOON_MS)
    return reference


def _cancel_button(page: Page) -> Locator:
    return page.get_by_role("button", name=words("booking.cancel"))


async def _cancel(page: Page) -> None:
    await _cancel_button(page).click()
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()


# --- What is there to be read ----------------------------------------------------------------------------


async def test_while_it_loads_there_is_a_ticket_without_words(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    reference = await _booked(site)
    page = await visit(f"{site.url}/bookings")
    # check_page takes longer than the page's request timeout, so the page gets none.
    await page.add_init_script("AbortSignal.timeout = () => new AbortController().signal")
    site.network.hold()
    await page.goto(f"{site.url}/booking/{reference}")
    await _says(page, words("booking.loading"))
    await check_page(page, "order-loading")
    site.network.release()
    await _says(page, words("booking.confirmed.title"))


async def test_an_unknown_booking_has_a_way_back(inline_site: Site, visit: OpenPage) -> None:
    page = await _visit(visit, inline_site, "bk_nothing")
    await _says(page, words("booking.missing.title"))
    await check_page(page, "order-missing")
    await page.get_by_role("link", name=words("nav.all_concerts")).click()
    await page.wait_for_url(f"{inline_site.url}/")


async def test_an_unavailable_api_is_named_and_the_booking_appears_once_it_is_back(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5")
    reference = await _booked(site)
    site.network.lose_responses()
    page = await _visit(visit, site, reference)
    await _says(page, words("away.title"))
    await check_page(page, "order-away")
    site.network.mend()
    await _says(page, words("booking.confirmed.title"))
    await _codes_are_drawn(page, 2)


async def test_a_confirmed_booking_has_all_that_is_needed_at_the_door(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    reference = await _booked(site)
    order = await _order(site, reference)
    page = await _visit(visit, site, reference)
    await _says(page, words("booking.confirmed.title"))
    await expect(page).to_have_title(words("booking.title", event="Night Tide"))
    await expect(page.locator("#reference")).to_have_text(reference)
    await expect(page.locator("#order-tickets")).to_have_text(words("summary.tickets", quantity=2, tier="VIP"))
    await expect(page.locator("#order-total")).to_have_text("$200USD")
    places = [words("seat.name", row=ticket["row"], number=ticket["seat"]) for ticket in order["bookings"]]
    await expect(page.locator(".pass .place")).to_have_text(places)
    await _codes_are_drawn(page, 2)
    await check_page(page, "order-confirmed")

    # The check-in accepts the drawn codes.
    secret = load_or_create_secret(Settings.from_env(site.stack.environment), TICKET_SECRET)
    for image, ticket in zip(await _codes(page).all(), order["bookings"], strict=True):
        code = codes.sign(secret, ticket["id"], ticket["bookingReference"])
        drawn = await page.context.request.get(await image.get_attribute("src") or "")
        assert await drawn.body() == codes.draw(code)
        scanned = check_in.scan(site.stack.database_url, secret, code)
        assert scanned is not None
        assert (scanned.valid, scanned.row_label, scanned.seat_number) == (True, ticket["row"], ticket["seat"])

    await page.reload()
    await _says(page, words("booking.confirmed.title"))
    await _codes_are_drawn(page, 2)


async def test_tickets_to_stand_say_so(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=10")
    page = await _visit(visit, site, await _booked(site, "GA"))
    await _says(page, words("booking.confirmed.title"))
    await expect(page.locator(".pass .place")).to_have_text([words("booking.standing")] * 2)
    await _codes_are_drawn(page, 2)
    await check_page(page, "order-standing")


async def test_a_confirmed_booking_is_copied_printed_and_put_into_a_calendar(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    reference = await _booked(site)
    page = await _visit(visit, site, reference)
    await _codes_are_drawn(page, 2)

    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name=words("booking.copy")).click()
    await expect(page.get_by_text(words("booking.copied"))).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == reference

    calendar = page.get_by_role("link", name=words("booking.calendar"))
    response = await page.context.request.get(await calendar.get_attribute("href") or "")
    assert response.headers["content-type"].startswith("text/calendar")
    async with page.expect_download() as started:
        await calendar.click()
    assert (await started.value).suggested_filename.endswith(".ics")
    assert "SUMMARY:Night Tide" in await response.text()
    await _says(page, words("booking.confirmed.title"))

    await page.evaluate("window.print = () => document.body.setAttribute('data-printed', '')")
    await page.get_by_role("button", name=words("booking.print")).click()
    await expect(page.locator("body")).to_have_attribute("data-printed", "")
    await page.set_viewport_size(PAPER)
    await page.emulate_media(media="print", color_scheme="dark")
    await expect(page.get_by_label(words("nav.label"))).to_be_hidden()
    await expect(page.get_by_role("button")).to_have_count(0)
    await expect(page.locator("#reference")).to_be_visible()
    # Each ticket may be cut off on its own.
    for each in await page.locator(".pass").all():
        await expect(each).to_contain_text(re.compile(r"Night Tide.*2027.*Harbour Hall"))
    await expect(page.get_by_role("heading", level=1)).to_be_hidden()
    for image in await _codes(page).all():
        await expect(image).to_be_visible()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    await page.screenshot(path=SCREENSHOTS / "order-print.png", full_page=True)


async def test_printed_without_having_been_scrolled_every_code_is_there(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=10")
    page = await _visit(visit, site, await _booked(site, quantity=10))
    await expect(_codes(page)).to_have_count(10)
    await page.emulate_media(media="print")
    for image in await _codes(page).all():
        await expect(image).to_have_js_property("complete", value=True)
        assert await image.evaluate("(image) => image.naturalWidth") > 0
    assert await page.evaluate("window.scrollY") == 0


@pytest.mark.parametrize("locale", ["de-DE", "ar"])
async def test_a_booking_reads_well_in_other_languages(locale: str, make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    page = await visit(f"{site.url}/booking/{await _booked(site)}", locale=locale)
    await _says(page, words("booking.confirmed.title", locale[:2]))
    await expect(page.locator(".pass-code img")).to_have_count(2)
    if locale == "ar":
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        await check_page(page, "order-arabic")
    else:
        await shot(page, "order-german")


# --- Cancelling ------------------------------------------------------------------------------------------


async def test_a_booking_is_cancelled_after_a_question_and_the_refund_is_said(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=2")
    reference = await _booked(site)
    page = await _visit(visit, site, reference)
    dialog = page.get_by_role("dialog", name=words("booking.cancel.title"))
    keep = dialog.get_by_role("button", name=words("booking.cancel.keep"))
    for give_up in (page.keyboard.press("Escape"), keep.click()):
        await _cancel_button(page).click()
        await expect(dialog).to_contain_text(words("booking.cancel.confirmed", total="$200"))
        await expect(keep).to_be_focused()
        await give_up
        await expect(dialog).to_be_hidden()
        await expect(_cancel_button(page)).to_be_focused()
    assert (reference, "confirmed") in await site.orders(USER)
    await _cancel_button(page).click()
    await check_page(page, "order-cancel-question")
    await dialog.get_by_role("button", name=words("booking.cancel.do")).click()
    await _says(page, words("booking.cancelled.title"))
    await expect(page.get_by_text(words("booking.cancelled.refunded", refund="$200"))).to_be_visible()
    await expect(_codes(page)).to_have_count(0)
    await expect(_cancel_button(page)).to_have_count(0)
    # The focused button is gone, so the focus moves to the heading.
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await check_page(page, "order-cancelled")
    assert (reference, "cancelled") in await site.orders(USER)
    assert (await site.sell("VIP", 2)).status_code == 201


async def test_cancelling_is_refused_once_the_concert_has_begun(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    reference = await _booked(site)
    page = await _visit(visit, site, reference)
    await _cancel_button(page).click()
    await site.set_columns(starts_at="now")
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.get_by_text(words("booking.cancel.refused"), exact=True)).to_be_visible()
    await expect(page.get_by_text(words("booking.cancel.begun"))).to_be_visible()
    # After the refusal the page also reads the concert again.
    await expect(_cancel_button(page)).to_have_count(0)
    await check_page(page, "order-cancel-refused")
    assert (await _order(site, reference))["status"] == "confirmed"
    await page.reload()
    await expect(page.get_by_text(words("booking.confirmed.begun", quantity=2))).to_be_visible()
    await expect(_cancel_button(page)).to_have_count(0)
    await _codes_are_drawn(page, 2)


async def test_a_cancellation_with_a_lost_response_shows_its_outcome(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    page = await _visit(visit, site, await _booked(site))
    await _codes_are_drawn(page, 2)
    # At first the page cannot read the order either.
    site.network.lose_responses()
    await _cancel(page)
    await expect(page.get_by_text(words("booking.cancel.unreachable"))).to_be_visible(timeout=SOON_MS)
    await check_page(page, "order-cancel-unknown")
    site.network.mend()
    await _says(page, words("booking.cancelled.title"))
    await expect(page.get_by_text(words("booking.cancelled.refunded", refund="$200"))).to_be_visible()
    await expect(page.locator(".notice")).to_have_count(0)


async def test_a_cancellation_in_flight_does_not_block_other_clicks(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    page = await _visit(visit, site, await _booked(site))
    site.network.hold("POST ")
    await _cancel(page)
    await expect(page.get_by_role("button", name=words("booking.cancel.sending"))).to_be_visible()
    await page.get_by_role("link", name="Night Tide").click()
    # The page validates the field without the API.
    await page.get_by_label(words("user.label")).fill(" ")
    await page.locator("button.submit").click()
    await expect(page.get_by_text(words("checkout.invalid.user_missing"))).to_be_visible(timeout=10_000)
    site.network.release()
    await page.go_back()
    await _says(page, words("booking.cancelled.title"))


async def test_a_concert_that_is_called_off_says_how_the_money_comes_back(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("VIP=5")
    reference = await _booked(site)
    await site.set_columns(cancelled_at="now")
    page = await _visit(visit, site, reference)
    await expect(page.get_by_role("heading", name=words("booking.called_off.title"))).to_be_visible()
    # The page does not show the concert as taking place, and the notice offers the refund.
    await expect(page.get_by_text(words("status.confirmed"))).to_have_count(0)
    await expect(page.get_by_role("link", name=words("booking.calendar"))).to_have_count(0)
    await expect(page.locator(".notice").get_by_role("button")).to_have_text([words("booking.cancel")])
    await check_page(page, "order-called-off")
    await _cancel(page)
    await _says(page, words("booking.cancelled.title"))
    await expect(page.get_by_text(words("booking.cancelled.refunded", refund="$200"))).to_be_visible()


# --- Declined --------------------------------------------------------------------------------------------


async def test_of_a_booking_that_was_declined_at_once_one_click_leads_to_choosing_again(
    make_declining_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_declining_event("VIP=5")
    reference: str = (await site.sell("VIP", 2)).json()["reference"]
    page = await _visit(visit, site, reference)
    await _says(page, words("booking.declined.title"))
    await expect(page.get_by_text(words("booking.declined.at_once"))).to_be_visible()
    await expect(page.locator("#reference")).to_have_text(reference)
    await check_page(page, "order-declined-at-once")
    # The API reports neither tier nor seats of an order that held no ticket.
    await expect(page.get_by_role("button", name=words("checkout.again"))).to_have_count(0)
    await page.get_by_role("link", name=words("booking.choose_anew")).click()
    await page.wait_for_url(site.event_url)


# --- Waiting for the payment -----------------------------------------------------------------------------


async def test_waiting_counts_down_alike_in_every_tab_and_turns_into_confirmed_by_itself(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await _visit_waiting(visit, site, 2)
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
    other = await _visit(visit, site, reference, page.context)
    ahead = await visit("about:blank")
    await ahead.clock.install(time=datetime.now(UTC) + timedelta(hours=1))
    await ahead.goto(f"{site.url}/booking/{reference}")
    for each in (page, other, ahead):
        await expect(each.locator(".countdown")).to_be_visible()
        most, shown, least = await until_end(), await _seconds_left(each), await until_end()
        assert least - 1 <= shown <= most + 2
    first, second, third = await _seconds_left(page), await _seconds_left(other), await _seconds_left(page)
    assert third - 1 <= second <= first + 1
    await expect(_codes(page)).to_have_count(0)

    await no_webhooks.poll_provider(site, reference)
    for each in (page, other, ahead):
        await _says(each, words("booking.confirmed.title"))
    await _codes_are_drawn(page, 2)
    await expect(page.get_by_role("status").filter(has_text=words("booking.confirmed.title"))).to_have_count(1)


async def test_pending_turns_into_declined_and_one_click_tries_again_under_a_new_key(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await _visit_waiting(visit, site, 2, outcome="declined", user_id="unlucky")
    seats = await _seats(site, reference)
    await no_webhooks.poll_provider(site, reference)
    await _says(page, words("booking.declined.title"))
    # The page shows neither a ticket nor a charge.
    await expect(page.locator(".ticket .aurora")).to_be_hidden()
    await expect(page.locator("dl div", has_text=words("booking.not_charged"))).to_contain_text("$200")
    await expect(page.locator("dl dt").get_by_text(words("booking.total"), exact=True)).to_have_count(0)
    await check_page(page, "order-declined")
    await page.get_by_role("button", name=words("booking.again", quantity=2, tier="VIP", total="$200")).click()
    again = await _is_led_on(page)
    await _says(page, words("booking.pending.title"))
    await expect(page.get_by_text("unlucky")).to_be_visible()
    assert await _seats(site, again) == seats
    # The new key has its own outcome, and the first booking keeps its status.
    outcome = await no_webhooks.decided(site, again)
    await no_webhooks.poll_provider(site, again)
    await _says(page, words("booking.confirmed.title" if outcome == "captured" else "booking.declined.title"))
    await page.go_back()
    await expect(page.locator("#reference")).to_have_text(reference)
    await _says(page, words("booking.declined.title"))


async def test_the_last_minute_warns_and_after_the_hold_one_click_tries_the_same_seats(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await _visit_waiting(visit, site, 2)
    seats = await _seats(site, reference)
    hurry = page.locator(".hurry")
    await expect(hurry).to_have_count(0)
    await no_webhooks.end_hold(site, reference, left_s=50)
    await expect(hurry).to_have_text(words("booking.hurry"), timeout=SOON_MS)
    await expect(page.get_by_role("status").filter(has_text=words("booking.hurry"))).to_have_count(1)
    await check_page(page, "order-last-minute")

    await site.stack.stop_worker()
    await no_webhooks.end_hold(site, reference)
    await _says(page, words("booking.overdue.title"))
    await check_page(page, "order-overdue")
    await site.stack.start_worker()
    await _says(page, words("booking.expired.title"))
    await check_page(page, "order-expired")

    await page.get_by_role("button", name=words("booking.again", quantity=2, tier="VIP", total="$200")).click()
    again = await _is_led_on(page)
    await _says(page, words("booking.pending.title"))
    assert await _seats(site, again) == seats


async def test_of_seats_that_went_meanwhile_trying_again_says_so(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await _visit_expired(visit, site)
    (row, lost), (_, kept) = await _seats(site, reference)
    await site.sell("VIP", 1, ticket_ids=(await _tickets(site, reference))[:1])
    await page.get_by_role("button", name=TRY_AGAIN).click()
    await expect(page.locator(".notice")).to_contain_text(words("checkout.seat_taken.title", seats=1), timeout=SOON_MS)
    await expect(page.locator(".notice")).to_contain_text(words("map.lost", row=row, number=lost))
    await check_page(page, "order-seat-taken")
    # The concert's page keeps the other seat, and offers the nearest one to it.
    await page.get_by_role("link", name=words("booking.other_seats")).click()
    await expect(page.locator(".map .notice")).to_contain_text(words("map.lost", row=row, number=lost))
    await expect(page.locator(".picks li")).to_have_text([words("seat.name", row=row, number=kept)])
    await page.locator(".map .notice button").first.click()
    await expect(page.locator("button.submit")).to_have_text(words("book.button", total="$200"))


async def test_once_tickets_to_stand_are_tried_for_again_a_late_payment_for_them_goes_back(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("GA=50")
    reference, page = await _visit_expired(visit, site, "GA")
    await page.get_by_role("button", name=TRY_AGAIN).click()
    again = await _is_led_on(page)
    assert await _tickets(site, again) == await _tickets(site, reference)
    await no_webhooks.poll_provider(site, reference)
    await site.until(reference, "expired", refund=20)


async def test_of_tickets_to_stand_that_went_meanwhile_as_many_as_are_left_are_offered(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("GA=3")
    _, page = await _visit_expired(visit, site, "GA")
    await no_webhooks.hold(site, "GA", 2, user_id="somebody-else")
    await page.get_by_role("button", name=TRY_AGAIN).click()
    await expect(page.locator(".notice")).to_contain_text(words("checkout.fewer_left.title", left=1), timeout=SOON_MS)
    await check_page(page, "order-fewer-left")
    await page.get_by_role("button", name=words("checkout.book_left", left=1, total="$10")).click()
    assert len(await _tickets(site, await _is_led_on(page))) == 1


async def test_paid_late_the_same_tickets_are_taken_again_and_the_page_says_so(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=5")
    reference, page = await _visit_expired(visit, site)
    await no_webhooks.poll_provider(site, reference)
    await site.until(reference, "confirmed")
    await keep_entering(page)
    await _says(page, words("booking.paid_late.title"))
    await _codes_are_drawn(page, 2)
    await check_page(page, "order-paid-late")


async def test_paid_too_late_the_money_goes_back_and_the_page_says_so(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=2")
    reference, page = await _visit_expired(visit, site)
    await no_webhooks.hold(site, user_id="somebody-else")
    await no_webhooks.poll_provider(site, reference)
    await site.until(reference, "expired", refund=200)
    await keep_entering(page)
    await _says(page, words("booking.paid_too_late.title"))
    await expect(page.get_by_text(words("booking.paid_too_late.text", refund="$200"))).to_be_visible()
    await expect(page.locator("dl div", has_text=words("booking.refund"))).to_contain_text("$200")
    await check_page(page, "order-paid-too-late")


async def test_cancelled_while_waiting_nothing_is_taken_and_a_late_payment_goes_back(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=2")
    reference, page = await _visit_waiting(visit, site, 2)
    await _cancel_button(page).click()
    await expect(page.get_by_role("dialog")).to_contain_text(words("booking.cancel.pending"))
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await _says(page, words("booking.cancelled.title"))
    await expect(page.get_by_text(words("booking.cancelled.text"))).to_be_visible()
    assert (await site.sell("VIP", 2)).status_code == 202
    await no_webhooks.poll_provider(site, reference)
    await site.until(reference, "cancelled", refund=200)
    await keep_entering(page)
    await expect(page.get_by_text(words("booking.cancelled.refunded", refund="$200"))).to_be_visible(timeout=SOON_MS)


async def test_while_the_api_is_away_the_last_that_it_said_is_named_old(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("VIP=2")
    _, page = await _visit_waiting(visit, site)
    site.network.lose_responses()
    stale = page.get_by_text(words("away.stale"))
    await expect(stale).to_be_visible(timeout=SOON_MS)
    before = await _seconds_left(page)
    await check_page(page, "order-stale")
    await expect(page.locator(".countdown")).not_to_have_text(f"{before // 60}:{before % 60:02}")
    site.network.mend()
    await expect(stale).to_have_count(0, timeout=SOON_MS)
