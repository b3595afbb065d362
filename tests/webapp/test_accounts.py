"""Accounts in the browser: signing in with a link or a password, the account's bookings, and signing out."""

import re

import pytest
from playwright.async_api import Page, Request, expect

from tests.webapp.accounts import link_of, press, request_link, sign_in
from tests.webapp.appearance import check_page
from tests.webapp.order_page import book_as, cancel, expect_codes, expect_title
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import DESKTOP, OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

_OF_ACCOUNTS = re.compile(r"/api/(me|sessions)\b")
PASSWORD = "correct horse battery"


def _account_requests(page: Page) -> list[str]:
    """Return the addresses of all further requests about accounts, or with an access token."""
    addresses: list[str] = []

    def note(request: Request) -> None:
        if _OF_ACCOUNTS.search(request.url) or "authorization" in request.headers:
            addresses.append(request.url)

    page.on("request", note)
    return addresses


async def test_a_guest_signs_in_elsewhere_and_finds_the_booking(make_event: MakeEvent, visit: OpenPage) -> None:
    site, email = await make_event("GA=5"), "claimed@example.org"
    guest = await visit(f"{site.url}/bookings")
    requested = _account_requests(guest)
    await expect(guest.get_by_role("link", name=words("sign_in.title"))).to_be_visible()
    reference = await book_as(site, guest, "guest with an address", email)
    assert requested == []

    page = await visit(f"{site.url}/sign-in")
    await request_link(page, email)
    link = await link_of(site, email)
    used = await visit(link)
    # Opening the link does not use it.
    await expect(used.get_by_role("button", name=words("sign_in.do"))).to_be_visible()
    assert used.url == f"{site.url}/sign-in"
    await page.goto(link)
    await check_page(page, "sign-in-link")
    await press(page)
    await page.wait_for_url("**/bookings")
    await expect(page.locator(".booking a")).to_contain_text([reference])
    await check_page(page, "bookings-account")
    await press(used)
    await expect(used.get_by_role("alert")).to_have_text(words("sign_in.link_refused"))
    await expect(used.locator(".by-link input")).to_be_focused()

    await page.reload()
    await page.locator(".booking a").click()
    await expect_codes(page, 1)
    await cancel(page)
    await expect_title(page, words("booking.cancelled.title"))
    await page.goto(site.event_url)
    await expect(page.get_by_label(words("email.label"))).to_have_value(email)

    await page.goto(f"{site.url}/bookings")
    await page.get_by_role("button", name=words("account.sign_out"), exact=True).click()
    await expect(page.locator("form.who")).to_be_visible()
    await expect(page.locator(".booking")).to_have_count(0)
    await page.goto(f"{site.url}/booking/{reference}")
    await expect_title(page, words("booking.missing.title"))


async def test_two_accounts_see_nothing_of_each_other(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    pages, references = [], []
    for email in ("first@example.org", "second@example.org"):
        page = await visit(f"{site.url}/sign-in")
        await sign_in(site, page, email)
        pages.append(page)
        references.append(await book_as(site, page, "the same name", email))
    for page, own, foreign in zip(pages, references, references[::-1], strict=True):
        await page.goto(f"{site.url}/bookings")
        await expect(page.locator(".booking a")).to_contain_text([own])
        await page.goto(f"{site.url}/booking/{foreign}")
        await expect_title(page, words("booking.missing.title"))
    # The orders belong to the accounts, not to the name.
    assert await site.orders("the same name") == []


async def test_the_button_of_the_password_stands_beside_its_field(inline_site: Site, visit: OpenPage) -> None:
    page = await visit(f"{inline_site.url}/sign-in", size=DESKTOP)
    await sign_in(inline_site, page, "password-beside@example.org")
    account = page.locator(".account")
    await account.get_by_text(words("account.set_password")).click()
    field = account.get_by_label(words("account.new_password"))
    button = account.get_by_role("button", name=words("account.save_password"))
    await expect(button).to_be_visible()
    boxes = [await each.bounding_box() for each in (field, button)]
    middles = [box["y"] + box["height"] / 2 for box in boxes if box]
    assert middles[0] == pytest.approx(middles[1], abs=4)


async def test_a_password_signs_in(make_event: MakeEvent, visit: OpenPage) -> None:
    site, email = await make_event("GA=5"), "password@example.org"
    page = await visit(f"{site.url}/sign-in")
    await sign_in(site, page, email)
    account = page.locator(".account")
    await account.get_by_text(words("account.set_password")).click()
    field = account.get_by_label(words("account.new_password"))
    await field.fill("short")
    await account.get_by_role("button", name=words("account.save_password")).click()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await field.fill(PASSWORD)
    await account.get_by_role("button", name=words("account.save_password")).click()
    await expect(account).to_contain_text(words("account.password_saved"))
    await account.get_by_role("button", name=words("account.sign_out_everywhere")).click()
    await expect(page.locator("form.who")).to_be_visible()

    await page.get_by_role("link", name=words("sign_in.title")).click()
    form = page.locator(".by-password")
    await form.get_by_text(words("sign_in.by_password")).click()
    for password, shown in (("wrong password", form), (PASSWORD, account)):
        await form.get_by_label(words("links.address")).fill(email)
        await form.get_by_label(words("sign_in.password"), exact=True).fill(password)
        await press(page)
        await expect(shown).to_contain_text(email if shown is account else words("sign_in.password_refused"))


@pytest.mark.parametrize(("locale", "language"), [("en-US", "en"), ("de-DE", "de"), ("ar-EG", "ar")])
async def test_the_page_is_accessible_in_every_language(
    locale: str, language: str, inline_site: Site, visit: OpenPage
) -> None:
    page = await visit(f"{inline_site.url}/sign-in", locale=locale)
    await expect(page.locator("h1")).to_have_text(words("sign_in.title", language))
    await page.get_by_text(words("sign_in.by_password", language)).click()
    await check_page(page, f"sign-in-{language}")
    await page.locator(".by-link button").click()
    await expect(page.locator(".by-link")).to_contain_text(words("email.invalid", language))
    await expect(page.locator(".by-link input")).to_be_focused()
