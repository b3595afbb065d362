"""The page of a confirmed order without a network: its last known state with the codes of its tickets."""

import pytest
from playwright.async_api import expect

from tests.webapp.appearance import check_page
from tests.webapp.order_page import codes_on, expect_codes, expect_title, sell_order
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage
from tests.webapp.words import pattern, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORKER_READY = "navigator.serviceWorker.ready.then(() => true)"


async def test_a_booking_opens_offline_and_becomes_current_again(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5", name="Night Tide")
    reference = await sell_order(site)
    page = await visit(f"{site.url}/booking/{reference}", service_workers=True)
    await expect_codes(page, 2)
    before = [await image.get_attribute("src") for image in await codes_on(page).all()]
    assert await page.evaluate(WORKER_READY)

    await page.context.set_offline(offline=True)
    site.network.freeze()
    await page.reload()
    await expect_title(page, words("booking.confirmed.title"))
    await expect(page.get_by_text(pattern("booking.offline", time=".+"))).to_be_visible()
    await expect_codes(page, 2)
    assert [await image.get_attribute("src") for image in await codes_on(page).all()] == before
    await expect(page.locator(".pass-event").first).to_have_text("Night Tide")
    await check_page(page, "order-offline")

    await site.cancel(reference, "user-123")
    await page.context.set_offline(offline=False)
    site.network.mend()
    await expect_title(page, words("booking.cancelled.title"))
    # The next page without a network shows no code of a cancelled order.
    await page.context.set_offline(offline=True)
    await page.reload()
    await expect_title(page, words("away.title"))
    await page.context.set_offline(offline=False)


async def test_a_visitor_without_tickets_gets_no_service_worker(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=5")
    for path in ("/", f"/event/{site.event}", "/bookings", "/booking/nobody-has-this"):
        page = await visit(f"{site.url}{path}", service_workers=True)
        await page.wait_for_load_state("networkidle")
        assert await page.evaluate("navigator.serviceWorker.getRegistrations().then((found) => found.length)") == 0
