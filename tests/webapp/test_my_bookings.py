"""Every face of the list of bookings, against a running system."""

import psycopg
import pytest
from playwright.async_api import Locator, Page, expect

from tests.webapp.conftest import MakeEvent, OpenPage, Site, keep_entering, look

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON_MS = 15_000
"""From a change until an open page shows it, on a busy machine."""
PAGE_SIZE = 10


async def _book(site: Site, user_id: str, tier: str = "GA", quantity: int = 1) -> str:
    answer = await site.sell(tier, quantity, user_id)
    assert answer.status_code == 201, answer.text
    reference: str = answer.json()["reference"]
    return reference


async def _name_oneself(page: Page, user_id: str) -> None:
    await page.get_by_label("Your user id").fill(user_id)
    await page.get_by_role("button", name="Show bookings").click()


async def _visit(visit: OpenPage, site: Site, user_id: str) -> Page:
    page = await visit(f"{site.url}/bookings")
    await _name_oneself(page, user_id)
    return page


def _cards(page: Page) -> Locator:
    return page.locator(".booking a")


async def _choose(page: Page, which: str) -> None:
    tab = page.get_by_label("Which bookings").get_by_role("link", name=which)
    await tab.click()
    await expect(tab).to_have_attribute("aria-current", "page")


async def test_before_anybody_is_named_the_list_says_whose_it_would_be(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    reference = await _book(site, "newcomer")
    page = await visit(f"{site.url}/bookings")
    await expect(page.get_by_text("Enter the user ID you book with")).to_be_visible()
    await look(page, "bookings-nobody")
    await _name_oneself(page, "newcomer")
    await expect(_cards(page)).to_have_count(1)
    await expect(_cards(page)).to_contain_text(reference)
    # The browser remembers who it was.
    await page.reload()
    await expect(page.get_by_label("Your user id")).to_have_value("newcomer")
    await expect(_cards(page)).to_have_count(1)
    await _cards(page).click()
    await page.wait_for_url(f"**/booking/{reference}")


async def test_who_has_booked_nothing_reads_so_under_each_tab(inline_site: Site, visit: OpenPage) -> None:
    page = await _visit(visit, inline_site, "stranger")
    await expect(page.get_by_text("No upcoming bookings")).to_be_visible()
    await look(page, "bookings-empty")
    await _choose(page, "Past")
    await expect(page.get_by_text("No past bookings")).to_be_visible()
    await _choose(page, "Cancelled")
    await expect(page.get_by_text("No cancelled, declined or unpaid bookings")).to_be_visible()
    await _choose(page, "Upcoming")
    await page.get_by_role("link", name="All concerts").click()
    await page.wait_for_url(f"{inline_site.url}/")


async def test_upcoming_past_and_cancelled_are_listed_apart_newest_first(
    make_event: MakeEvent, visit: OpenPage
) -> None:
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
    await expect(_cards(page).first).to_contain_text("Confirmed")
    await expect(_cards(page).first).to_contain_text("2 \u00d7 VIP")
    await expect(_cards(page).first).to_contain_text("$200")
    await expect(page.get_by_role("status").filter(has_text="2 bookings are shown")).to_have_count(1)
    await look(page, "bookings-upcoming")
    await _choose(page, "Past")
    await expect(_cards(page)).to_contain_text([past])
    await expect(_cards(page)).to_contain_text(["Old Harbour"])
    await _choose(page, "Cancelled")
    await expect(_cards(page)).to_contain_text([given_up])
    await expect(_cards(page)).to_contain_text(["Cancelled, full refund"])
    await look(page, "bookings-cancelled")
    # An address names a tab: it survives a reload, and the way back.
    await page.reload()
    await expect(_cards(page)).to_contain_text([given_up])
    await page.go_back()
    await expect(_cards(page)).to_contain_text([past])


async def test_a_long_list_is_loaded_page_by_page_and_the_focus_goes_along(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    user_id = "collector"
    site = await make_event("GA=50")
    references = [await _book(site, user_id) for _ in range(PAGE_SIZE + 2)]
    page = await _visit(visit, site, user_id)
    await expect(_cards(page)).to_have_count(PAGE_SIZE)
    more = page.get_by_role("button", name="Load more")
    await more.press("Enter")
    await expect(_cards(page)).to_have_count(PAGE_SIZE + 2)
    await expect(_cards(page)).to_contain_text(references[::-1])
    await expect(_cards(page).nth(PAGE_SIZE)).to_be_focused()
    await expect(more).to_have_count(0)


async def test_while_the_api_is_away_the_list_says_so_and_comes_back_by_itself(
    make_event: MakeEvent, visit: OpenPage
) -> None:
    site = await make_event("GA=5")
    await _book(site, "patient")
    page = await visit(f"{site.url}/bookings")
    site.browser_gate.hold()
    await _name_oneself(page, "patient")
    await expect(page.get_by_label("Loading the bookings")).to_be_visible()
    site.browser_gate.lose_answers()
    site.browser_gate.release()
    await expect(page.get_by_text("We can\u2019t reach the box office")).to_be_visible(timeout=SOON_MS)
    await look(page, "bookings-away")
    site.browser_gate.mend()
    await expect(_cards(page)).to_have_count(1, timeout=SOON_MS)

    site.browser_gate.lose_answers()
    await keep_entering(page)
    stale = page.get_by_text("This may be out of date")
    await expect(stale).to_be_visible(timeout=SOON_MS)
    await expect(_cards(page)).to_have_count(1)
    await look(page, "bookings-stale")
    site.browser_gate.mend()
    await expect(stale).to_have_count(0, timeout=SOON_MS)
