"""Every state of the list of bookings, with a real system."""

import re

import psycopg
import pytest
from playwright.async_api import Locator, Page, expect

from tests.webapp import no_webhooks
from tests.webapp.appearance import check_page, shot
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import OpenPage, hastened, keep_entering
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE_SIZE = 10


async def _book(site: Site, user_id: str, tier: str = "GA", quantity: int = 1) -> str:
    response = await site.sell(tier, quantity, user_id)
    assert response.is_success, response.text
    reference: str = response.json()["reference"]
    return reference


async def _name_oneself(page: Page, user_id: str) -> None:
    await page.get_by_label(words("user.label")).fill(user_id)
    await page.get_by_role("button", name=words("bookings.show")).click()


async def _visit(visit: OpenPage, site: Site, user_id: str, *, own_clock: bool = False) -> Page:
    page = await visit(f"{site.url}/bookings", own_clock=own_clock)
    await _name_oneself(page, user_id)
    return page


def _cards(page: Page) -> Locator:
    return page.locator(".booking a")


def _cancel_button(page: Page, reference: str) -> Locator:
    return page.get_by_role("button", name=pattern("bookings.cancel_of", event=".*", reference=reference))


async def _cancel(page: Page, reference: str) -> None:
    await _cancel_button(page, reference).click()
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()


def _tab(page: Page, key: str) -> Locator:
    """Return a tab by the key of its text."""
    return page.get_by_label(words("bookings.filters")).get_by_role("link", name=words(key))


async def _choose(page: Page, key: str) -> None:
    await _tab(page, key).click()
    await expect(_tab(page, key)).to_have_attribute("aria-current", "page")


async def test_without_a_name_the_list_requests_one(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    reference = await _book(site, "newcomer")
    page = await visit(f"{site.url}/bookings")
    await expect(page.get_by_text(words("bookings.idle"))).to_be_visible()
    await check_page(page, "bookings-nobody")
    await _name_oneself(page, "newcomer")
    await expect(_cards(page)).to_have_count(1)
    await expect(_cards(page)).to_contain_text(reference)
    # The browser remembers the user.
    await page.reload()
    await expect(page.get_by_label(words("user.label"))).to_have_value("newcomer")
    await expect(_cards(page)).to_have_count(1)
    await _cards(page).click()
    await page.wait_for_url(f"**/booking/{reference}")


async def test_a_user_without_bookings_sees_an_empty_list_in_each_tab(inline_site: Site, visit: OpenPage) -> None:
    page = await _visit(visit, inline_site, "stranger")
    await expect(page.get_by_text(words("bookings.none_upcoming"))).to_be_visible()
    await check_page(page, "bookings-empty")
    await _choose(page, "bookings.past")
    await expect(page.get_by_text(words("bookings.none_past"))).to_be_visible()
    await _choose(page, "bookings.cancelled")
    await expect(page.get_by_text(words("bookings.none_cancelled"))).to_be_visible()
    await _choose(page, "bookings.upcoming")
    await page.get_by_role("link", name=words("nav.all_events")).click()
    await page.wait_for_url(f"{inline_site.url}/")


async def test_each_filter_lists_its_bookings_newest_first(make_event: MakeEvent, visit: OpenPage) -> None:
    user_id = "regular"
    coming = await make_event("VIP=5,GA=5", name="Night Tide")
    over = await make_event("GA=5", name="Old Harbour")
    past = await _book(over, user_id)
    first, given_up, last = [await _book(coming, user_id, "VIP", quantity) for quantity in (1, 1, 2)]
    await coming.cancel(given_up, user_id)
    async with await psycopg.AsyncConnection.connect(over.stack.database_url) as conn:
        await conn.execute("update events set starts_at = now() - interval '1 day' where slug = %s", (over.event,))

    page = await _visit(visit, coming, user_id)
    await expect(_cards(page)).to_contain_text([last, first])
    await expect(_cards(page).first).to_contain_text("Night Tide")
    await expect(_cards(page).first).to_contain_text(words("status.confirmed"))
    await expect(_cards(page).first).to_contain_text(words("summary.tickets", quantity=2, tier="VIP"))
    await expect(_cards(page).first).to_contain_text("$200")
    await expect(page.get_by_role("status").filter(has_text=words("bookings.count", count=2))).to_have_count(1)
    await check_page(page, "bookings-upcoming")
    await _choose(page, "bookings.past")
    await expect(_cards(page)).to_contain_text([past])
    await expect(_cards(page)).to_contain_text(["Old Harbour"])
    await check_page(page, "bookings-past")
    await _choose(page, "bookings.cancelled")
    await expect(_cards(page)).to_contain_text([given_up])
    await expect(_cards(page)).to_contain_text([words("status.cancelled_refunded")])
    await check_page(page, "bookings-cancelled")
    # The URL contains the tab, which survives a reload and a step back.
    await page.reload()
    await expect(_cards(page)).to_contain_text([given_up])
    await page.go_back()
    await expect(_cards(page)).to_contain_text([past])


async def test_a_long_list_is_loaded_page_by_page_with_the_focus(make_event: MakeEvent, visit: OpenPage) -> None:
    user_id = "collector"
    site = await make_event("GA=50")
    references = [await _book(site, user_id) for _ in range(PAGE_SIZE + 2)]
    page = await _visit(visit, site, user_id)
    await expect(_cards(page)).to_have_count(PAGE_SIZE)
    more = page.get_by_role("button", name=words("bookings.more"))
    await check_page(page, "bookings-more")
    await more.press("Enter")
    await expect(_cards(page)).to_have_count(PAGE_SIZE + 2)
    await expect(_cards(page)).to_contain_text(references[::-1])
    await expect(_cards(page).nth(PAGE_SIZE)).to_be_focused()
    await expect(more).to_have_count(0)
    # A return to the tab requests every page.
    async with page.expect_response(re.compile("/api/bookings.*cursor=")):
        await keep_entering(page)


async def test_pending_bookings_are_refreshed_on_every_page(
    make_event_without_webhooks: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event_without_webhooks("GA=50")
    references = [await no_webhooks.hold(site, "GA", user_id="waiting") for _ in range(PAGE_SIZE + 1)]
    page = await _visit(visit, site, "waiting", own_clock=True)
    await page.get_by_role("button", name=words("bookings.more")).click()
    await expect(_cards(page).filter(has_text=words("status.pending"))).to_have_count(PAGE_SIZE + 1)
    await check_page(page, "bookings-pending")
    for reference in references:
        await no_webhooks.poll_provider(site, reference)
    async with hastened(page):
        await expect(_cards(page).filter(has_text=words("status.confirmed"))).to_have_count(PAGE_SIZE + 1)


async def test_the_list_shows_an_unavailable_api_and_recovers(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5", name="Night Tide")
    await _book(site, "patient")
    page = await visit(f"{site.url}/bookings")
    site.network.hold()
    await _name_oneself(page, "patient")
    await expect(page.get_by_label(words("bookings.loading"))).to_be_visible()
    site.network.lose_responses()
    site.network.release()
    await expect(page.get_by_text(words("away.title"))).to_be_visible()
    await check_page(page, "bookings-away")
    site.network.mend()
    await expect(_cards(page)).to_have_count(1)
    await expect(_cards(page)).to_contain_text("Night Tide")

    site.network.lose_responses()
    await keep_entering(page)
    stale = page.get_by_text(words("away.stale"))
    await expect(stale).to_be_visible()
    await expect(_cards(page)).to_have_count(1)
    await check_page(page, "bookings-stale")
    site.network.mend()
    await expect(stale).to_have_count(0)


async def test_an_event_that_cannot_be_read_again_keeps_its_name(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5", name="Night Tide")
    reference = await _book(site, "namer")
    page = await _visit(visit, site, "namer")
    await expect(_cards(page)).to_contain_text("Night Tide")
    about_the_event = re.compile("/api/events/")
    await page.route(about_the_event, lambda route: route.abort())
    # After a cancellation the page reads the order and its event again.
    async with page.expect_event("requestfailed", lambda request: bool(about_the_event.search(request.url))):
        await _cancel(page, reference)
    await expect(_cards(page)).to_contain_text(words("status.cancelled_refunded"))
    await expect(_cards(page)).to_contain_text("Night Tide")
    await page.unroute(about_the_event)


async def test_a_cancelled_event_names_the_refund_in_each_tab(make_event: MakeEvent, visit: OpenPage) -> None:
    user_id = "called off"
    site = await make_event("VIP=5", name="Night Tide")
    reference = await _book(site, user_id, "VIP")
    await site.set_columns(cancelled_at="now")
    page = await _visit(visit, site, user_id)
    await expect(_cards(page)).to_contain_text([words("booking.called_off")])
    await expect(_cancel_button(page, reference)).to_have_count(0)
    await check_page(page, "bookings-called-off")
    await site.cancel(reference, user_id)
    await _choose(page, "bookings.cancelled")
    await expect(_cards(page)).to_contain_text([words("booking.cancelled.refunded", refund="$100")])
    await expect(_cards(page)).to_contain_text([words("status.cancelled_refunded")])


# --- Cancelling ------------------------------------------------------------------------------------------


async def test_a_booking_cancelled_by_keyboard_stays_in_the_list_until_the_next_read(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    user_id = "keyboard"
    site = await make_event("VIP=5,GA=5", name="Night Tide")
    kept, given_up = await _book(site, user_id), await _book(site, user_id, "VIP", 2)
    page = await _visit(visit, site, user_id)
    button = _cancel_button(page, given_up)
    dialog = page.get_by_role("dialog", name=words("booking.cancel.title"))
    await button.press("Enter")
    tickets = words("summary.tickets", quantity=2, tier="VIP")
    for text in ("Night Tide", tickets, given_up, words("booking.cancel.confirmed", total="$200")):
        await expect(dialog).to_contain_text(text)
    await expect(dialog.get_by_role("button", name=words("booking.cancel.keep"))).to_be_focused()
    await check_page(page, "bookings-cancel-question")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(button).to_be_focused()
    assert (given_up, "confirmed") in await site.orders(user_id)

    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    card = page.locator(".booking", has_text=given_up)
    await expect(card).to_contain_text(words("status.cancelled_refunded"))
    await expect(card.get_by_role("status")).to_have_text(words("booking.cancelled.refunded", refund="$200"))
    await expect(button).to_have_count(0)
    # The focused button disappears, so the focus moves to the card.
    await expect(card.get_by_role("link")).to_be_focused()
    await check_page(page, "bookings-cancelled-now")
    assert (given_up, "cancelled") in await site.orders(user_id)

    await keep_entering(page)
    await expect(_cards(page)).to_contain_text([kept])
    await expect(_cards(page)).to_have_count(1)
    await expect(_tab(page, "bookings.upcoming")).to_be_focused()
    await _choose(page, "bookings.cancelled")
    await expect(_cards(page)).to_contain_text([given_up])
    await expect(page.get_by_role("button", name=words("bookings.cancel"))).to_have_count(0)


async def test_a_booking_cancelled_elsewhere_is_shown_as_cancelled(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    reference = await _book(site, "elsewhere")
    page = await _visit(visit, site, "elsewhere")
    await _cancel_button(page, reference).click()
    await site.cancel(reference, "elsewhere")
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    await expect(page.locator(".booking").get_by_role("status")).to_contain_text(
        words("booking.cancelled.refunded", refund="$10")
    )


async def test_an_event_that_has_begun_cannot_be_cancelled_in_the_list(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    reference, other = await _book(site, "late"), await _book(site, "late")
    page = await _visit(visit, site, "late")
    await _cancel_button(page, reference).click()
    await site.set_columns(starts_at="now")
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
    card = page.locator(".booking", has_text=reference)
    await expect(card.get_by_role("status")).to_contain_text(words("booking.cancel.begun"))
    # After the refusal the page also reads the event again.
    for each in (reference, other):
        await expect(_cancel_button(page, each)).to_have_count(0)
    await expect(card.get_by_role("link")).to_be_focused()
    await check_page(page, "bookings-cancel-refused")
    assert (reference, "confirmed") in await site.orders("late")


async def test_a_cancellation_with_a_lost_response_shows_its_outcome_in_the_list(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("GA=5")
    reference = await _book(site, "in-doubt")
    page = await _visit(visit, site, "in-doubt", own_clock=True)
    await expect(_cancel_button(page, reference)).to_be_visible()
    # At first the page cannot read the order either.
    site.network.lose_responses()
    await _cancel(page, reference)
    outcome = page.locator(".booking").get_by_role("status")
    async with hastened(page):
        await expect(outcome).to_contain_text(words("booking.cancel.unreachable"))
    site.network.mend()
    await expect(page.locator(".booking")).to_contain_text(words("status.cancelled_refunded"))
    await expect(outcome).to_have_text("")


# --- In other languages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["de-DE", "ar"])
async def test_the_list_is_translated(locale: str, make_event: MakeEvent, visit: OpenPage) -> None:
    user_id = f"reader-{locale}"
    site = await make_event("VIP=5", name="Night Tide")
    references = [await _book(site, user_id, "VIP", quantity) for quantity in (2, 1)]
    page = await visit(f"{site.url}/bookings", locale=locale)
    await page.get_by_role("textbox").fill(user_id)
    await page.locator("button.submit").click()
    await expect(_cards(page)).to_contain_text(references[::-1])
    await expect(page.locator(".booking .cancel")).to_contain_text([words("bookings.cancel", locale[:2])] * 2)
    if locale == "ar":
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        await check_page(page, "bookings-arabic")
    else:
        await shot(page, "bookings-german")
