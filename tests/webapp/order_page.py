"""The page of an order, and the steps that its tests share."""

import json
import re
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.webapp import no_webhooks
from tests.webapp.site import Site
from tests.webapp.visitors import OpenPage, choose
from tests.webapp.words import pattern, words

USER = "user-123"


async def find_order(site: Site, reference: str, page: Page | None = None) -> dict[str, Any]:
    """Return an order that the API has sold, or one that was booked on a page."""
    headers = {} if page is None else {"Booking-Secret": await secret_of(page, reference)}
    async with site.connect() as http:
        response = await http.get(f"/api/bookings/{reference}", headers=headers)
        order: dict[str, Any] = response.raise_for_status().json()
        return order


async def secret_of(page: Page, reference: str) -> str:
    """Return the secret of an order that was booked in the browser of a page."""
    kept = await page.evaluate("(name) => localStorage.getItem(name)", f"order-secret:{reference}")
    assert kept, f"the browser has no secret of {reference}"
    secret: str = json.loads(kept)["secret"]
    return secret


async def seats_of(site: Site, reference: str, page: Page | None = None) -> list[tuple[str, int]]:
    return sorted((ticket["row"], ticket["seat"]) for ticket in (await find_order(site, reference, page))["bookings"])


async def tickets_of(site: Site, reference: str, page: Page | None = None) -> list[int]:
    return sorted(ticket["ticketId"] for ticket in (await find_order(site, reference, page))["bookings"])


async def sell_order(site: Site, tier: str = "VIP", quantity: int = 2) -> str:
    response = await site.sell(tier, quantity, USER)
    assert response.status_code == 201, response.text
    reference: str = response.json()["reference"]
    return reference


async def visit_order(visit: OpenPage, site: Site, reference: str, context: BrowserContext | None = None) -> Page:
    return await visit(f"{site.url}/booking/{reference}", context=context)


async def visit_pending(visit: OpenPage, site: Site, quantity: int = 1, **booking: Any) -> tuple[str, Page]:
    """Book in the system without webhooks; return the reference and its page, which waits for the payment."""
    reference = await no_webhooks.hold(site, quantity=quantity, **booking)
    page = await visit_order(visit, site, reference)
    await expect_title(page, words("booking.pending.title"))
    return reference, page


async def visit_expired(visit: OpenPage, site: Site, tier: str = "VIP") -> tuple[str, Page]:
    """Book two tickets in the system without webhooks and let their hold end; return the reference and its page."""
    reference = await no_webhooks.hold(site, tier, 2)
    await no_webhooks.end_hold(site, reference)
    page = await visit_order(visit, site, reference)
    await expect_title(page, words("booking.expired.title"))
    return reference, page


async def book_on(page: Page) -> str:
    """Press the button that books, and wait for the confirmed order; return its reference."""
    await page.locator("button.submit").click()
    await page.wait_for_url("**/booking/*")
    await expect_title(page, words("booking.confirmed.title"))
    return page.url.rpartition("/")[2]


async def book_as(site: Site, page: Page, user_id: str, email: str) -> str:
    """Book a ticket on the page of the event; return the reference of the order."""
    await page.goto(site.event_url)
    await page.get_by_label(words("user.label")).fill(user_id)
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    await choose(page)
    await page.get_by_label(words("email.label")).fill(email)
    return await book_on(page)


async def expect_title(page: Page, title: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)


def codes_on(page: Page) -> Locator:
    return page.get_by_role("img", name=pattern("booking.code", line=r"\d+", place=".+"))


async def expect_codes(page: Page, quantity: int) -> None:
    await expect(codes_on(page)).to_have_count(quantity)
    for image in await codes_on(page).all():
        await image.scroll_into_view_if_needed()
        await expect_drawn(image)


async def expect_drawn(image: Locator) -> None:
    # The page sends a request with the order's secret, and draws the response. An image without a source is complete.
    await expect(image).to_have_attribute("src", re.compile("^data:image/svg"))
    await image.evaluate("(image) => image.decode()")


async def seconds_left(page: Page) -> int:
    minutes, seconds = (await page.locator(".order-left [role='timer']").inner_text()).split(":")
    return 60 * int(minutes) + int(seconds)


async def wait_for_next_order(page: Page) -> str:
    """Wait until the page leads to an order with another reference; return the reference."""
    await page.wait_for_url(re.compile("/booking/(?!held-)"))
    reference = page.url.rpartition("/")[2]
    await expect(page.locator("#reference")).to_have_text(reference)
    return reference


def cancel_button(page: Page) -> Locator:
    return page.get_by_role("button", name=words("booking.cancel"))


async def cancel(page: Page) -> None:
    await cancel_button(page).click()
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()
