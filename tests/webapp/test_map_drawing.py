"""The seat map is drawn once it is near the screen, also on a busy page."""

import pytest
from playwright.async_api import expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import PHONE, OpenPage, draw_map

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A busy page gets the entries of several moments at once: here of the first two.
_DELIVER_TWO_AT_ONCE = """
    globalThis.IntersectionObserver = class extends IntersectionObserver {
        constructor(callback, options) {
            const entries = [];
            super((latest, observer) => {
                entries.push(...latest);
                if (entries.length > 1) callback(entries.splice(0), observer);
            }, options);
        }
    };
"""


async def test_a_busy_page_draws_the_map_once_it_is_near(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("VIP=10,GA=50")
    page = await visit("about:blank", size=PHONE)
    await page.add_init_script(_DELIVER_TWO_AT_ONCE)
    await page.goto(site.event_url)
    await expect(page.locator(".plan")).to_be_attached()
    await expect(page.locator(".house")).to_have_count(0)
    await draw_map(page)
    await expect(page.locator(".house .seat")).to_have_count(10)
