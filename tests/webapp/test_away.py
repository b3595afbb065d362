"""Pages without the API or the database. Each test restarts the processes that it stopped."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from api.database.embedded import EmbeddedServer
from tests.integration.asynchronous import let_time_pass
from tests.webapp.appearance import check_page
from tests.webapp.site import Site, shared_site
from tests.webapp.visitors import OpenPage, hastened, load_all_scripts, open_event
from tests.webapp.words import pattern, words

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("away")]

SUBMIT = "button.submit"
NOTICE = ".summary .notice"
BOOKINGS_PER_MINUTE = 2
RESPONSE_TIMEOUT_MS = 15_000
"""The longest time that a page waits for the response to a booking or a cancellation."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[Site]:
    """A system for these tests alone."""
    limit = {"BOOKINGS_PER_MINUTE": str(BOOKINGS_PER_MINUTE)}
    async with shared_site(request, server, limit, private_server=True) as site:
        yield site


async def test_an_unavailable_api_is_named_and_polled(site: Site, visit: OpenPage) -> None:
    await site.stack.stop_api()
    page = await visit(site.event_url)
    await expect(page.get_by_role("heading", name=words("away.title"))).to_be_visible()
    assert not pattern("tier.left", left=r"\d+", total=r"\d+").search(await page.text_content("main") or "")
    await check_page(page, "event-away")
    home = await visit(site.url)
    await expect(home.get_by_text(words("away.title"))).to_be_visible()
    await check_page(home, "home-away")
    await site.stack.start_api()
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    await expect(home.locator(".event-card")).to_have_count(1)


async def test_an_unavailable_database_is_busy_and_then_books_once(site: Site, visit: OpenPage) -> None:
    page = await open_event(site, visit, "user-database", own_clock=True)
    site.stack.stop_database()
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.sending.busy", attempt=2, of=5))
    await check_page(page, "booking-busy")
    async with hastened(page):
        await expect(page.locator(NOTICE)).to_contain_text(words("checkout.busy.title"))
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.busy.text"))
    # The button waits, and the notice names the reason.
    await expect(page.get_by_role("button", name=words("checkout.again"))).to_be_disabled()
    await expect(page.locator(NOTICE)).to_contain_text(words("counts.unreachable"))
    await check_page(page, "booking-busy-end")
    await asyncio.to_thread(site.stack.start_database)
    await expect(page.get_by_role("button", name=words("checkout.again"))).to_be_enabled()
    await page.get_by_role("button", name=words("checkout.again")).click()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("user-database")) == 1


async def test_a_click_made_offline_books_once_when_the_network_is_back(site: Site, visit: OpenPage) -> None:
    page = await open_event(site, visit, "user-click")
    await load_all_scripts(page)
    await page.context.set_offline(True)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.offline.title"))
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.offline.text"))
    await expect(page.locator(SUBMIT)).to_have_text(words("book.offline"))
    # The purchase is not sent yet, and a second click is not possible.
    await expect(page.locator(SUBMIT)).to_be_disabled()
    await check_page(page, "connection-lost")
    assert await site.orders("user-click") == []
    await page.context.set_offline(False)
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("user-click")) == 1


async def test_a_lost_cancellation_completes_once_the_network_is_back(site: Site, visit: OpenPage) -> None:
    first, second = [(await site.sell("GA", 1, "user-cancel")).json()["reference"] for _ in range(2)]
    page = await visit(f"{site.url}/bookings", own_clock=True)
    await page.get_by_label(words("user.label")).fill("user-cancel")
    await page.get_by_role("button", name=words("bookings.show")).click()
    outcome = page.locator(".booking", has_text=first).get_by_role("status")

    def cancel_button(reference: str) -> Locator:
        return page.get_by_role("button", name=pattern("bookings.cancel_of", event=".*", reference=reference))

    async def cancel(reference: str) -> None:
        await cancel_button(reference).click()
        await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()

    await expect(cancel_button(first)).to_be_visible()
    site.network.freeze()
    await cancel(first)
    await expect(
        page.get_by_role("button", name=pattern("bookings.cancelling_of", event=".*", reference=first))
    ).to_be_visible()
    await expect(cancel_button(second)).to_be_disabled()
    await page.clock.fast_forward(RESPONSE_TIMEOUT_MS)
    await expect(outcome).to_contain_text(words("booking.cancel.unreachable"))

    await page.context.set_offline(True)
    await cancel(first)
    await expect(outcome).to_contain_text(words("booking.cancel.offline"))
    await check_page(page, "bookings-cancel-offline")
    site.network.mend()
    site.network.cut()
    await page.context.set_offline(False)
    await expect(outcome).to_contain_text(words("booking.cancelled.refunded", refund="$10"))
    await cancel(second)
    await expect(page.locator(".booking", has_text=second)).to_contain_text(words("status.cancelled_refunded"))


async def _let_time_pass(site: Site, seconds: int) -> None:
    async with await psycopg.AsyncConnection.connect(site.stack.database_url, autocommit=True) as conn:
        await let_time_pass(conn, seconds)


async def test_the_wait_for_a_limit_counts_down_and_unlocks_the_button(site: Site, visit: OpenPage) -> None:
    page = await open_event(site, visit, "user-limit", own_clock=True)
    for _ in range(BOOKINGS_PER_MINUTE):
        await site.sell("GA", 1, "user-limit")
    await _let_time_pass(site, 30)
    await page.locator(SUBMIT).click()
    await expect(page.locator(NOTICE)).to_contain_text(words("checkout.rate_limited.bookings"))
    await expect(page.locator(NOTICE).get_by_role("timer")).to_contain_text(pattern("checkout.wait", time=r"0:\d\d"))
    again = page.get_by_role("button", name=words("checkout.again"))
    await expect(again).to_be_disabled()
    await expect(page.locator(SUBMIT)).to_have_count(0)
    await check_page(page, "booking-limit")
    await _let_time_pass(site, 30)
    await page.clock.fast_forward(30_000)
    await expect(again).to_be_enabled()
    await expect(page.locator(NOTICE).get_by_role("timer")).to_have_count(0)
    await again.click()
    await page.wait_for_url("**/booking/*")
    assert len(await site.orders("user-limit")) == BOOKINGS_PER_MINUTE + 1
