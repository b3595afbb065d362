"""The typed name stays in its tab until a name is stored."""

import pytest
from playwright.async_api import expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage, open_event
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_typed_name_survives_a_reload_and_another_page(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await open_event(site, visit, "first name")
    field = page.get_by_label(words("user.label"))
    await page.locator("button.submit").click()
    await page.wait_for_url("**/booking/*")
    await page.go_back()
    await expect(field).to_have_value("first name")
    await field.fill("another name")
    await page.reload()
    await expect(field).to_have_value("another name")
    # "My bookings" shows the bookings of the stored name.
    await page.get_by_role("link", name=words("nav.bookings")).first.click()
    await expect(page.locator(".booking")).to_have_count(1)
    await expect(field).to_have_value("first name")
    await page.go_back()
    await expect(field).to_have_value("another name")
