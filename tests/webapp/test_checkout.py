"""Every outcome of a purchase on the event's page, with a real system."""

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from tests.webapp import no_webhooks
from tests.webapp.appearance import check_page
from tests.webapp.site import BOOKINGS, READS, MakeEvent, Site
from tests.webapp.visitors import SOON_S, OpenPage, add, hastened, keep_entering, open_event, remove
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
NOTICE = ".summary .notice"
CHECKING = pattern("checkout.sending.retrying", attempt=r"\d", of=r"\d")
HOUSE = "VIP=40,Front Row=40,GA=100"
# A page that sends a purchase explains itself, and then offers to check it, after these times.
EXPLAINED_AFTER_MS = 2_000
CHECKED_AFTER_MS = 10_000


async def test_slow_sending_explains_itself_and_then_offers_to_check(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "slow", own_clock=True)
    site.network.hold(BOOKINGS)
    await page.locator(SUBMIT).dblclick()
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.sending"))
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.sending.title"))
    await page.clock.fast_forward(EXPLAINED_AFTER_MS)
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.patience.explain"))
    await check_page(page, "booking-slow")
    await page.clock.fast_forward(CHECKED_AFTER_MS - EXPLAINED_AFTER_MS)
    await expect(page.get_by_role("button", name=words("checkout.check"))).to_be_visible()
    await check_page(page, "booking-offers-check")
    site.network.release()
    await page.wait_for_url("**/booking/*")
    # Two clicks, one booking.
    assert len(await site.orders("slow")) == 1


async def test_a_declined_payment_can_be_tried_again_under_a_new_reference(
    make_declining_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_declining_event(HOUSE)
    page = await open_event(site, visit, "declined")
    await add(page, 1)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.declined.title"))
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.declined.text"))
    # The focused button disappears, so the next action has the focus.
    await expect(page.get_by_role("button", name=words("checkout.again"))).to_be_focused()
    await check_page(page, "booking-declined")
    # The form keeps its values, and one click is another try.
    await expect(page.get_by_label(words("user.label"))).to_have_value("declined")
    await expect(page.locator(".summary-line")).to_contain_text("$200")
    await expect(page.locator(SUBMIT)).to_have_count(0)
    # For another choice the form has its own button again.
    await add(page, 1)
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$300"))
    await expect(page.get_by_role("button", name=words("checkout.again"))).to_have_count(0)
    await remove(page, "VIP")
    await page.get_by_role("button", name=words("checkout.again")).click()
    for _ in range(100):
        orders = await site.orders("declined")
        if len(orders) == 2:
            break
        await asyncio.sleep(0.1)
    assert [status for _, status in orders] == ["declined", "declined"]
    assert len({reference for reference, _ in orders}) == 2


async def test_one_click_books_the_remaining_tickets(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "fewer")
    await add(page, 4)
    # The page must not receive the new counts before the click.
    site.network.hold(READS)
    await site.sell_many("VIP", 37)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.fewer_left.title", left=3))
    await check_page(page, "booking-fewer-left")
    await expect(page.locator(SUBMIT)).to_have_count(0)
    site.network.release()
    await page.get_by_role("button", name=words("checkout.book_left", left=3, total="$300")).click()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("fewer")) == 1


async def test_a_tier_that_sold_out_links_to_another(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "tardy")
    site.network.hold(READS)
    await site.sell_many("VIP", 40)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.sold_out.title", tier="VIP"))
    # The old counts no longer contradict the refusal.
    await expect(page.locator(".tier[data-tier='VIP']")).to_contain_text(words("tier.left", left=0, total=40))
    await expect(page.locator(".tier[data-tier='VIP']")).to_contain_text(words("tier.sold_out"))
    await expect(page.locator(SUBMIT)).to_have_count(0)
    site.network.release()
    await check_page(page, "booking-sold-out-meanwhile")
    await expect(page.locator(".summary").get_by_role("button")).to_have_text(
        [words("summary.next_best", tickets="Front Row", price="$50")]
    )
    await page.get_by_role("button", name=words("summary.next_best", tickets="Front Row", price="$50")).click()
    await expect(page.locator(SUBMIT)).to_be_enabled()
    await expect(page.locator(NOTICE)).to_have_count(0)


async def test_a_refusal_ends_once_tickets_are_available(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "hopeful")
    await add(page, 4)
    site.network.hold(READS)
    few, *all_others = [*await site.sell_many("VIP", 3), *await site.sell_many("VIP", 37)]
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.sold_out.title", tier="VIP"))
    site.network.release()
    await site.cancel(few, "somebody-else")
    await expect(page.locator(NOTICE)).to_have_count(0)
    await expect(page.locator(SUBMIT)).to_have_text(words("checkout.book_left", left=3, total="$300"))
    await expect(page.locator(SUBMIT)).to_be_enabled()
    # "Only 2 left" is over as well once there are more.
    site.network.hold(READS)
    await site.sell("VIP", 1)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.fewer_left.title", left=2))
    site.network.release()
    for reference in all_others:
        await site.cancel(reference, "somebody-else")
    await expect(page.locator(NOTICE)).to_have_count(0)
    await expect(page.locator(SUBMIT)).to_be_enabled()


async def test_held_tickets_offer_another_try(make_event_without_webhooks: MakeEvent, visit: OpenPage) -> None:
    site = await make_event_without_webhooks("GA=2,VIP=20")
    page = await open_event(site, visit, "persistent")
    await add(page)
    other = await open_event(site, visit)
    gone = page.locator(".tier[data-tier='GA']")
    site.network.hold(READS)
    reference = await no_webhooks.hold(site, "GA", 2)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.all_held.title"))
    await expect(gone).to_contain_text(words("tier.all_held"))
    await expect(gone).to_contain_text(pattern("tier.back_in", time=r"\d:\d\d"))
    await expect(page.locator(".summary").get_by_role("button")).to_have_text(
        [words("summary.next_best", tickets=words("summary.tickets", quantity=2, tier="VIP"), price="$200")]
    )
    await check_page(page, "booking-all-held")
    site.network.release()
    # Another tier is bookable at once in place of the ticket that the page has chosen.
    await expect(other.locator(SUBMIT)).to_have_count(0)
    await add(other, 1, "VIP")
    await expect(other.locator(SUBMIT)).to_be_enabled()
    # Beside it the tickets that the buyer has chosen stay named until the buyer removes them.
    await add(page, 1, "VIP")
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.all_held.title"))
    await expect(page.locator(".picks li[data-fault=gone]")).to_contain_text(words("basket.gone"))
    # The page does not offer to wait for tickets that are paid.
    await no_webhooks.poll_provider(site, reference)
    await expect(gone).to_contain_text(words("tier.sold_out"))
    await expect(page.locator(NOTICE)).to_have_count(0)
    await expect(page.locator(".summary")).to_contain_text(words("counts.announce_sold_out", tier="GA"))
    await page.get_by_role("button", name=words("summary.remove", quantity=2, tier="GA")).click()
    await expect(page.locator(SUBMIT)).to_have_text(words("book.button", total="$100"))


async def test_a_sale_that_closed_in_the_meantime_is_named(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "tardy")
    site.network.hold(READS)
    await site.set_columns(sales_end_at="now")
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.not_on_sale.title"))
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await check_page(page, "booking-not-on-sale")
    site.network.release()
    await expect(page.get_by_role("heading", name=words("sale.ended.title"))).to_be_visible()


async def test_a_lost_response_is_looked_up_and_nothing_is_booked_twice(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "lost")
    lost_before = site.network.responses_lost
    site.network.lose_responses(BOOKINGS)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(CHECKING)
    # The page is still looking the order up while the picture is taken.
    site.network.hold(BOOKINGS)
    await check_page(page, "booking-connection-lost")
    site.network.mend()
    await page.wait_for_url("**/booking/*")
    assert site.network.responses_lost > lost_before
    assert len(await site.orders("lost")) == 1


async def test_a_purchase_without_a_response_is_looked_up_until_its_outcome_is_known(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "silent", own_clock=True)
    site.network.lose_responses(BOOKINGS)
    field = page.get_by_label(words("user.label"))
    await field.press("Enter")
    # The Enter key only leads to the button, which shows the total.
    await expect(page.locator(SUBMIT)).to_be_focused()
    await page.keyboard.press("Enter")
    async with hastened(page):
        await expect(page.locator(NOTICE)).to_contain_text(words("checkout.unreachable.title"))
    await check_page(page, "booking-unknown")
    # There is one action. Neither another button nor the Enter key books.
    await expect(page.locator(".summary").get_by_role("button")).to_have_text([words("checkout.check")])
    await page.evaluate("document.forms.booking.addEventListener('submit', () => { globalThis.sent = true; })")
    await field.press("Enter")
    assert not await page.evaluate("globalThis.sent")
    # The outcome is still unknown after a reload.
    await page.reload()
    async with hastened(page):
        await expect(page.locator(NOTICE)).to_contain_text(words("checkout.unreachable.title"))
        site.network.mend()
        await page.wait_for_url("**/booking/*")
    assert len(await site.orders("silent")) == 1


async def _leave_in_doubt(page: Page) -> None:
    """Book over the broken network and reload the page, so that the outcome is unknown."""
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(CHECKING)
    await page.reload()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.unreachable.title"))


async def _end_sale(site: Site, page: Page) -> None:
    """End the sale, and wait until the page shows it."""
    await site.set_columns(sales_end_at="now")
    await keep_entering(page)
    await expect(page.get_by_text(words("event.lead"))).to_have_count(0)


async def test_the_button_shows_a_check_until_the_outcome_is_known(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "checking")
    site.network.lose_responses(BOOKINGS)
    await _leave_in_doubt(page)
    check = page.locator(NOTICE).get_by_role("button")
    site.network.mend()
    site.network.hold(BOOKINGS)
    await check.click()
    await expect(check).to_have_text(words("checkout.checking"))
    await expect(check).to_have_attribute("aria-busy", "true")
    await check_page(page, "booking-checking")
    # After a failed check the buyer may check again.
    site.network.lose_responses(BOOKINGS)
    site.network.release()
    await expect(check).to_have_text(words("checkout.check"))
    await expect(check).to_have_attribute("aria-busy", "false")
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.unreachable.title"))
    site.network.mend()
    await page.wait_for_url("**/booking/*")
    assert [(page.url.rpartition("/")[2], "confirmed")] == await site.orders("checking")


async def test_an_unknown_outcome_is_found_after_the_end_of_the_sale(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "doubtful")
    site.network.lose_responses(BOOKINGS)
    await _leave_in_doubt(page)
    await _end_sale(site, page)
    await expect(page.get_by_role("heading", name=words("sale.ended.title"))).to_be_visible()
    await expect(page.locator(".closed .notice")).to_contain_text(words("checkout.unreachable.title"))
    await expect(page.locator(".closed").get_by_role("button")).to_have_text([words("checkout.check")])
    await check_page(page, "booking-unknown-ended")
    site.network.mend()
    await page.wait_for_url("**/booking/*")
    assert [(page.url.rpartition("/")[2], "confirmed")] == await site.orders("doubtful")


async def test_a_purchase_that_did_not_arrive_is_named_after_the_end_of_the_sale(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit, "never-arrived", own_clock=True)
    site.network.lose_requests(BOOKINGS)
    await _leave_in_doubt(page)
    await _end_sale(site, page)
    site.network.mend()
    async with hastened(page):
        await expect(page.locator(".closed .notice")).to_contain_text(words("checkout.not_found.over"))
    await expect(page.locator("[type=submit], .closed button")).to_have_count(0)
    await check_page(page, "booking-not-found-ended")
    assert await site.orders("never-arrived") == []


async def test_a_declined_payment_is_named_after_the_end_of_the_sale(
    make_declining_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_declining_event(HOUSE)
    page = await open_event(site, visit, "declined-late")
    site.network.hold(BOOKINGS)
    await page.locator(SUBMIT).click()
    await site.until_ordered("declined-late")
    await _end_sale(site, page)
    site.network.release()
    await expect(page.locator(".closed .notice")).to_contain_text(words("checkout.declined.title"))
    await expect(page.locator("[type=submit], .closed button")).to_have_count(0)
    await check_page(page, "booking-declined-ended")


_UNTIL_ABOVE_THE_BAR = """async () => {
    const box = (element) => element.getBoundingClientRect();
    while (box(document.activeElement).bottom > box(document.querySelector(".summary")).top)
        await new Promise(requestAnimationFrame);
}"""


async def test_without_a_user_id_nothing_is_sent(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event(HOUSE)
    page = await open_event(site, visit)
    field = page.get_by_label(words("user.label"))
    for user_id in ("", "   "):
        await field.fill(user_id)
        await page.locator(SUBMIT).click()
        # The field has the text and the focus, and the bar does not cover it. The browser's message does not appear.
        name = re.compile(words("checkout.invalid.user_missing"))
        await expect(field, f"user id {user_id!r}").to_have_accessible_name(name)
        await expect(field, f"user id {user_id!r}").to_have_attribute("aria-invalid", "true")
        await expect(field, f"user id {user_id!r}").to_be_focused()
        await expect(page.locator(NOTICE), f"user id {user_id!r}").to_have_count(0)
        async with asyncio.timeout(SOON_S):  # the page scrolls
            await page.evaluate(_UNTIL_ABOVE_THE_BAR)
        if not user_id:  # The page shows the same for both.
            await check_page(page, "booking-user-id-missing")
        await field.press_sequentially("A")
        await expect(field, f"user id {user_id!r}").to_have_attribute("aria-invalid", "false")
        await expect(page.get_by_text(words("checkout.invalid.user_missing"))).to_have_count(0)
        await expect(page.locator(SUBMIT)).to_be_enabled()
