"""An order is paid on a page of the provider, here of the simulated Stripe."""

import re

import pytest
from playwright.async_api import expect

from tests.webapp.appearance import check_page
from tests.webapp.order_page import expect_codes, expect_title, find_order, visit_order
from tests.webapp.site import StartSite
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

STRIPE = {
    "PAYMENT_PROVIDER": "stripe",
    "STRIPE_API_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRETS": f"whsec_{'a' * 24}",
    "PAYMENT_CHECK_AFTER_MS": "600000",  # Only the webhook can settle the order within the test.
}


async def test_a_buyer_pays_on_the_page_of_the_provider(start_site: StartSite, visit: OpenPage) -> None:
    site = await start_site(env=STRIPE, worker=True)
    await site.stack.start_payment_simulator()
    response = await site.sell("VIP", 2)
    assert response.status_code == 202
    reference: str = response.json()["reference"]
    page = await visit_order(visit, site, reference)
    pay = page.get_by_role("link", name=words("booking.pay"), exact=True)
    await expect(pay).to_be_visible()
    await expect_title(page, words("booking.pay.title"))
    await check_page(page, "order-unpaid")

    await pay.click()
    await page.wait_for_url(re.compile("/pay/cs_"))
    await page.get_by_role("button", name="Pay with a declined card").click()
    await expect(page.get_by_role("alert")).to_have_text("The card was declined.")
    assert (await find_order(site, reference))["status"] == "pending"
    await page.get_by_role("button", name="Pay", exact=True).click()
    await page.wait_for_url(re.compile(f"/booking/{reference}\\?paid=1"))
    await expect_title(page, words("booking.confirmed.title"))
    await expect_codes(page, 2)
