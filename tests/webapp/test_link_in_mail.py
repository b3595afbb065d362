"""The link in an e-mail opens the order in a browser that has not booked it."""

import pytest
from playwright.async_api import expect

from api.config import Settings
from api.secret import load_or_create_secret
from api.services.access import link_secret
from api.settings.secrets import ACCESS_SECRET
from tests.webapp.order_page import book_on, cancel, expect_codes, expect_title
from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_link_opens_the_order_in_another_browser(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await open_event(site, visit, "linked")
    reference = await book_on(page)

    key = load_or_create_secret(Settings.from_env(site.stack.environment), ACCESS_SECRET)
    secret = link_secret(key, reference)
    other = await visit(f"{page.url}#{secret}")
    await expect_title(other, words("booking.confirmed.title"))
    await expect_codes(other, 1)
    assert other.url == page.url
    await other.reload()
    await expect_codes(other, 1)
    await cancel(other)
    await expect_title(other, words("booking.cancelled.title"))

    forged = await visit(f"{page.url}#{secret[:-1]}")
    await expect_title(forged, words("booking.missing.title"))
    await expect(forged.locator("main")).not_to_contain_text(reference)
    await forged.goto(f"{page.url}#{secret}")  # Only the fragment changes, so that no page loads.
    await expect_title(forged, words("booking.cancelled.title"))
    assert forged.url == page.url
