"""What pages do while a process of the system is away, or its database; each test starts again what it stopped."""

import asyncio
import re
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from api.database.embedded import EmbeddedServer
from tests.integration.asynchronous import let_time_pass
from tests.webapp.conftest import OpenPage, Site, look, shared_site

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("away")]

SUBMIT = "button.submit"
NOTICE = ".summary .notice"
SLOW_MS = 25_000
BOOKINGS_PER_MINUTE = 2


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system of these tests alone."""
    limit = {"BOOKINGS_PER_MINUTE": str(BOOKINGS_PER_MINUTE)}
    async with shared_site(request, server, limit, private_server=True) as site:
        yield site


async def _open(site: Site, visit: OpenPage, user_id: str) -> Page:
    page = await visit(site.event_url)
    await page.get_by_label("Your user ID").fill(user_id)
    await expect(page.locator(".freshness")).to_have_text("Live")
    return page


async def test_an_api_that_is_away_is_said_to_be_and_looked_for(site: Site, visit: OpenPage) -> None:
    await site.stack.stop_api()
    page = await visit(site.event_url)
    await expect(page.get_by_role("heading", name="We can\u2019t reach the box office")).to_be_visible()
    assert "0 left" not in await page.inner_text("main")
    await look(page, "event-away")
    home = await visit(site.url)
    await expect(home.get_by_text("We can\u2019t reach the box office")).to_be_visible()
    await look(home, "home-away")
    await site.stack.start_api()
    await expect(page.locator(".freshness")).to_have_text("Live", timeout=SLOW_MS)
    await expect(home.locator(".concert")).to_have_count(1, timeout=SLOW_MS)


async def test_a_database_that_is_away_makes_the_page_busy_and_then_books_once(site: Site, visit: OpenPage) -> None:
    page = await _open(site, visit, "user-database")
    site.stack.stop_database()
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text("Very busy. Trying again (2/5)", timeout=SLOW_MS)
    await look(page, "booking-busy")
    await expect(page.locator(NOTICE)).to_contain_text("Still very busy", timeout=60_000)
    await expect(page.locator(NOTICE)).to_contain_text("Nothing was booked")
    # The button waits, and says what for.
    await expect(page.get_by_role("button", name="Try again")).to_be_disabled()
    await expect(page.locator(NOTICE)).to_contain_text("reach the box office. Retrying")
    await look(page, "booking-busy-end")
    await asyncio.to_thread(site.stack.start_database)
    await expect(page.get_by_role("button", name="Try again")).to_be_enabled(timeout=SLOW_MS)
    await page.get_by_role("button", name="Try again").click()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("user-database")) == 1


async def test_a_click_while_the_pages_server_is_away_is_sent_once_when_it_is_back(site: Site, visit: OpenPage) -> None:
    page = await _open(site, visit, "user-click")
    await site.stop_web()
    await expect(page.get_by_text("Connection lost. Reconnecting")).to_be_visible(timeout=SLOW_MS)
    await page.locator(SUBMIT).click()
    await expect(page.locator(SUBMIT)).to_have_text("Booking\u2026")
    await expect(page.locator(NOTICE)).to_contain_text(
        "don\u2019t know yet whether your click reached us", timeout=SLOW_MS
    )
    await expect(page.get_by_text("Connection lost. Reconnecting")).to_be_hidden()
    # It is still to be sent: there is no second click.
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await look(page, "connection-lost")
    await site.start_web()
    await page.wait_for_url("**/booking/*", timeout=SLOW_MS)
    assert len(await site.orders("user-click")) == 1


async def test_a_cancelling_whose_server_dies_or_does_not_hear_locks_nothing_and_is_done_once_it_is_back(
    site: Site, visit: OpenPage
) -> None:
    first, second = [(await site.sell("GA", 1, "user-cancel")).json()["reference"] for _ in range(2)]
    page = await visit("about:blank")
    await page.clock.install()
    await page.goto(f"{site.url}/bookings")
    await page.get_by_label("Your user ID").fill("user-cancel")
    await page.get_by_role("button", name="Show bookings").click()
    outcome = page.locator(".booking", has_text=first).get_by_role("status")

    async def cancel(reference: str) -> None:
        await page.get_by_role("button", name=re.compile(f"^Cancel.* {reference}$")).click()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel the booking").click()

    site.server_gate.freeze()
    await cancel(first)
    await expect(page.get_by_role("button", name=re.compile(f"^Cancelling.* {first}$"))).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile(f"^Cancel.* {second}$"))).to_be_disabled()
    await site.stop_web()
    await page.clock.fast_forward("00:31")
    await expect(outcome).to_contain_text("Cancelling again is safe")

    await cancel(first)
    await page.clock.fast_forward("00:11")
    await expect(outcome).to_contain_text("don\u2019t know yet whether your click reached us")
    await look(page, "bookings-cancel-unheard")
    site.server_gate.mend()
    await site.start_web()
    await expect(outcome).to_contain_text("You get a full refund of $10.", timeout=2 * SLOW_MS)
    await cancel(second)
    await expect(page.locator(".booking", has_text=second)).to_contain_text("Cancelled, full refund")


async def test_the_limit_of_a_buyer_is_counted_down_and_then_the_button_works_again(
    site: Site, visit: OpenPage
) -> None:
    page = await _open(site, visit, "user-limit")
    for _ in range(BOOKINGS_PER_MINUTE):
        await site.sell("GA", 1, "user-limit")
    async with await psycopg.AsyncConnection.connect(site.stack.database_url, autocommit=True) as conn:
        await let_time_pass(conn, 50)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text("There were too many bookings in a short time")
    await expect(page.locator(NOTICE).get_by_role("timer")).to_contain_text("You can try again in 0:")
    again = page.get_by_role("button", name="Try again")
    await expect(again).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await look(page, "booking-limit")
    await expect(again).to_be_enabled()
    await expect(page.locator(NOTICE).get_by_role("timer")).to_have_count(0)
    await again.click()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("user-limit")) == BOOKINGS_PER_MINUTE + 1
