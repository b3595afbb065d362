"""The forms that request e-mails: with the link to one order, and with the links to all orders of an address."""

from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, Request, expect

from tests.webapp.appearance import check_page
from tests.webapp.order_page import book_on, expect_title
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, hastened, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANN = "ann@example.org"
FORM = ".link-mail:has(form)"


async def _send(page: Page, address: str) -> None:
    await page.locator(FORM).get_by_label(words("links.address")).fill(address)
    await page.locator(FORM).get_by_role("button", name=words("links.send")).click()


def _posted(page: Page) -> list[tuple[str, Any]]:
    """Return the paths and the bodies of all further requests with a body."""
    posted: list[tuple[str, Any]] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            posted.append((request.url.rpartition("/api/")[2], request.post_data_json))

    page.on("request", note)
    return posted


async def test_an_order_is_sent_by_e_mail(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await open_event(site, visit, "link mail")
    await book_on(page)
    posted = _posted(page)
    await page.locator(FORM).get_by_text(words("links.one")).click()
    await _send(page, "ann@")
    await expect(page.locator(FORM).get_by_label(words("links.address"))).to_be_focused()
    await expect(page.locator(FORM)).to_contain_text(words("email.invalid"))
    await check_page(page, "booking-link-mail")
    assert posted == []
    await _send(page, ANN)
    await expect(page.locator(FORM)).to_contain_text(words("links.one_sent"))
    reference = page.url.rpartition("/")[2]
    assert posted == [(f"bookings/{reference}/email", {"email": ANN, "locale": "en"})]
    for _ in range(2):
        await _send(page, ANN)
        await expect(page.locator(FORM)).to_have_attribute("data-phase", "sent")
    await _send(page, ANN)
    await expect(page.locator(FORM)).to_contain_text(words("links.limited"))


async def test_the_links_of_an_address_are_requested(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await visit(f"{site.url}/bookings")
    posted = _posted(page)
    await page.locator(FORM).get_by_text(words("links.all")).click()
    await _send(page, "bob@example.org")
    await expect(page.locator(FORM)).to_contain_text(words("links.all_sent"))
    await check_page(page, "bookings-link-mail")
    assert posted == [("links", {"email": "bob@example.org", "locale": "en"})]


async def test_an_address_that_got_no_e_mail_is_corrected(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await open_event(site, visit, "undelivered mail", own_clock=True)
    reference = await book_on(page)
    notice = page.locator(".undelivered")
    await expect(notice).to_have_count(0)
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        await conn.execute("update orders set email = 'eve@example.org' where reference = %s", [reference])
        await conn.execute(
            """
            insert into messages (kind, order_id, recipient, locale, message_id, status)
            select 'confirmed', id, email, 'en', '<undelivered@example.org>', 'bounced' from orders where reference = %s
            """,
            [reference],
        )
    async with hastened(page):  # The page reads the order once more by itself.
        await expect(notice).to_have_text(words("links.undelivered", address="e***@example.org"))
    # A buyer sees the notice before the tickets, which fill the screen of a phone.
    await expect(page.locator(".undelivered ~ .order-text")).to_have_count(1)
    await expect(page.locator(f"{FORM} summary")).to_have_text(words("links.correct"))
    await check_page(page, "booking-undelivered")
    await _send(page, "eva@example.org")
    await expect(page.locator(FORM)).to_contain_text(words("links.one_sent"))
    await expect(notice).to_have_count(0)
    await page.reload()
    await expect_title(page, words("booking.confirmed.title"))
    await expect(page.locator(f"{FORM} summary")).to_have_text(words("links.one"))
    await expect(notice).to_have_count(0)
