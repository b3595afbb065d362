"""A guest buys, gets the tickets by e-mail, returns one, and finds it after a sign-in. Strangers see nothing.

The e-mails arrive in the mailbox that `make run` starts.
"""

import re
from collections.abc import Mapping

import pypdf
import pytest
from playwright.async_api import Page, expect

from tests.waiting import read_until
from tests.webapp.accounts import press, request_link
from tests.webapp.order_page import expect_codes, expect_title
from tests.webapp.site import Site, StartSite
from tests.webapp.test_paying import STRIPE
from tests.webapp.visitors import OpenPage, add, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

EMAIL = "guest-journey@example.org"


async def open_mail(site: Site, mailbox: Page, subject: str) -> None:
    """Open the newest e-mail with a subject in the mailbox, once it has arrived."""
    found = mailbox.get_by_role("row").filter(has_text=EMAIL).get_by_role("link", name=subject)

    async def count() -> int:
        await mailbox.goto(site.stack.mailbox_url)
        return await found.count()

    await read_until(count, bool)
    await found.first.click()


async def link_in(mailbox: Page) -> str:
    """Return the link in the plain text of the open e-mail."""
    link = await mailbox.locator("pre a").first.get_attribute("href")
    assert link is not None
    return link


async def check_pdf(mailbox: Page, tickets: int) -> None:
    """Check that the open e-mail has a PDF with a page for each ticket."""
    async with mailbox.expect_download() as downloading:
        await mailbox.get_by_role("link", name=re.compile(r"\.pdf$")).click()
    path = await (await downloading.value).path()
    assert len(pypdf.PdfReader(path).pages) == tickets


async def pay(page: Page) -> None:
    """Pay on the page of the simulated Stripe."""
    await page.get_by_role("link", name=words("booking.pay"), exact=True).click()
    await page.get_by_role("button", name="Pay", exact=True).click()
    await page.wait_for_url("**/booking/*")


@pytest.mark.parametrize("env", [{}, STRIPE], ids=["simulator", "stripe"])
async def test_a_guest_gets_tickets_and_a_stranger_sees_nothing(
    env: Mapping[str, str], start_site: StartSite, visit: OpenPage
) -> None:
    site = await start_site(env=env, worker=True)
    await site.stack.start_mailbox()
    if env:
        await site.stack.start_payment_simulator()
    guest = await open_event(site, visit, "Guest Of The Journey")
    await add(guest)
    await guest.get_by_label(words("email.label")).fill(EMAIL)
    await guest.locator("button.submit").click()
    await guest.wait_for_url("**/booking/*")
    if env:
        await pay(guest)
    await expect_title(guest, words("booking.confirmed.title"))
    reference = await guest.locator("#reference").inner_text()

    mailbox = await visit(site.stack.mailbox_url)
    await open_mail(site, mailbox, "Your tickets for")
    await check_pdf(mailbox, 2)
    holder = await visit(await link_in(mailbox))
    await expect_title(holder, words("booking.confirmed.title"))
    await expect_codes(holder, 2)
    await holder.locator(".pass-return").first.click()
    await holder.get_by_role("dialog").get_by_role("button", name=words("booking.return.do")).click()
    await expect(holder.locator("#returned-tickets")).to_contain_text("$100")
    await expect_codes(holder, 1)
    await open_mail(site, mailbox, "Your returned tickets for")
    await expect(holder.locator("#refunds li")).to_have_text([words("booking.refunds.done", refund="$100")])

    stranger = await visit(f"{site.url}/booking/{reference}")
    await expect_title(stranger, words("booking.missing.title"))
    await expect(stranger.locator("main")).not_to_contain_text(reference)

    account = await visit(f"{site.url}/sign-in")
    await request_link(account, EMAIL)
    await open_mail(site, mailbox, "Your link to sign in")
    await account.goto(await link_in(mailbox))
    await press(account)
    await account.wait_for_url("**/bookings")
    await account.locator(".booking a").filter(has_text=re.compile(".")).first.click()
    await expect(account.locator("#reference")).to_have_text(reference)
    await expect_codes(account, 1)
