"""The holder of an order makes its links invalid: this browser keeps the order, and every other browser loses it."""

from functools import partial

import pytest
from playwright.async_api import Page, Route, expect

from api.config import Settings
from api.secret import load_or_create_secret
from api.services.access import link_secret
from api.settings.secrets import ACCESS_SECRET
from tests.waiting import read_until
from tests.webapp.order_page import book_on, expect_codes, expect_title, secret_of
from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def book(site: Site, visit: OpenPage, buyer: str) -> Page:
    page = await open_event(site, visit, buyer)
    await book_on(page)
    return page


async def press(page: Page) -> None:
    await page.locator("summary", has_text=words("revoke.title")).click()
    await page.get_by_role("button", name=words("revoke.do")).click()


def link_of(site: Site, page: Page, generation: int) -> str:
    key = load_or_create_secret(Settings.from_env(site.stack.environment), ACCESS_SECRET)
    return f"{page.url}#{link_secret(key, page.url.rpartition('/')[2], generation)}"


async def test_only_this_browser_keeps_the_order(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await book(site, visit, "revoker")
    other = await visit(link_of(site, page, 0))
    await expect_title(other, words("booking.confirmed.title"))

    await press(page)
    await expect(page.get_by_text(words("revoke.done"))).to_be_visible()
    await page.reload()
    await expect_codes(page, 1)

    await other.reload()
    await expect_title(other, words("booking.missing.title"))
    await other.goto(link_of(site, page, 1))  # Only the fragment changes, so that no page loads.
    await expect_title(other, words("booking.confirmed.title"))


async def test_a_lost_response_does_not_lock_the_holder_out(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await book(site, visit, "revoker without a response")
    reference = page.url.rpartition("/")[2]
    former = await secret_of(page, reference)

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/links/revoke", lose)
    await press(page)
    await expect(page.get_by_text(words("revoke.failed"))).to_be_visible()
    await read_until(partial(secret_of, page, reference), lambda secret: secret != former)
    await page.reload()
    await expect_codes(page, 1)
