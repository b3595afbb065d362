"""Names that the API refuses: the pages explain the fault at the field, send no request and store no name."""

import re
from collections.abc import Callable

import pytest
from playwright.async_api import Page, Request, expect

from tests.webapp.appearance import check_page
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBMIT = "button.submit"
UNSEEN = "\u200b"
REVERSED = "Sam\u202eX"


async def test_the_event_page_refuses_an_invalid_name(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await open_event(site, visit)
    requests = _recorded(page, lambda request: request.method == "POST")
    for name, fault in ((UNSEEN, "checkout.invalid.user_missing"), (REVERSED, "user.invalid")):
        await page.get_by_label(words("user.label")).fill(name)
        await page.locator(SUBMIT).click()
        await _expect_refusal(page, fault)
        await expect(page.locator(".summary .notice")).to_have_count(0)
    await check_page(page, "booking-user-id-invalid")
    assert requests == []
    assert await _stored(page) is None
    await page.get_by_label(words("user.label")).fill("Sam X")
    await page.locator(SUBMIT).click()
    await page.wait_for_url("**/booking/*")
    assert len(requests) == 1
    assert await _stored(page) == "Sam X"


async def test_my_bookings_refuses_an_invalid_name(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await visit(f"{site.url}/bookings")
    requests = _recorded(page, lambda request: "/api/bookings?" in request.url)
    for name, fault in ((UNSEEN, "bookings.idle"), (REVERSED, "user.invalid")):
        await page.get_by_label(words("user.label")).fill(name)
        await page.get_by_role("button", name=words("bookings.show")).click()
        await _expect_refusal(page, fault)
    await check_page(page, "bookings-user-id-invalid")
    assert requests == []
    assert await _stored(page) is None
    # An earlier release stored such a name.
    await page.evaluate("name => localStorage.setItem('user-id', name)", REVERSED)
    await page.reload()
    field = page.get_by_label(words("user.label"))
    await field.fill("Sam Unbooked")
    await page.get_by_role("button", name=words("bookings.show")).click()
    await expect(page.get_by_text(words("bookings.none_upcoming"))).to_be_visible()
    await expect(field).to_have_attribute("aria-invalid", "false")
    assert [url for url in requests if "Sam+Unbooked" not in url] == []
    assert await _stored(page) == "Sam Unbooked"


def _recorded(page: Page, counts: Callable[[Request], bool]) -> list[str]:
    """Return the addresses of all further requests that count."""
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url) if counts(request) else None)
    return urls


async def _expect_refusal(page: Page, fault: str) -> None:
    field = page.get_by_label(words("user.label"))
    await expect(field).to_have_accessible_name(re.compile(re.escape(words(fault))))
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_be_focused()


async def _stored(page: Page) -> str | None:
    stored: str | None = await page.evaluate("localStorage.getItem('user-id')")
    return stored
