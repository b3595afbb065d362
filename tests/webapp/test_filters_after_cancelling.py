"""The filters of "My bookings" after a cancellation, which changes the list that is shown."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.webapp.site import MakeEvent, Site
from tests.webapp.visitors import OpenPage
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _list_of_two(make_event: MakeEvent, visit: OpenPage, user_id: str) -> tuple[Site, Page, str, str]:
    site = await make_event("GA=5")
    cancelled, kept = [(await site.sell("GA", 1, user_id)).json()["reference"] for _ in range(2)]
    page = await visit(f"{site.url}/bookings")
    await page.get_by_label(words("user.label")).fill(user_id)
    await page.get_by_role("button", name=words("bookings.show")).click()
    await page.locator(".booking", has_text=cancelled).get_by_role("button").click()
    return site, page, cancelled, kept


async def _confirm(page: Page) -> None:
    await page.get_by_role("dialog").get_by_role("button", name=words("booking.cancel.do")).click()


async def _choose(page: Page, name: str) -> None:
    await page.locator(".filters").get_by_role("link", name=words(f"bookings.{name}")).click()
    await expect(page.locator(".bookings[aria-busy]")).to_have_count(0)


async def test_every_filter_loads_after_a_cancellation(make_event: MakeEvent, visit: OpenPage) -> None:
    _, page, cancelled, kept = await _list_of_two(make_event, visit, "filter")
    await _confirm(page)
    await expect(page.locator(".booking", has_text=cancelled)).to_contain_text(words("status.cancelled_refunded"))
    await _choose(page, "cancelled")
    await expect(page.locator(".booking-reference")).to_have_text([cancelled])
    await _choose(page, "past")
    await expect(page.get_by_text(words("bookings.none_past"))).to_be_visible()
    await _choose(page, "upcoming")
    await expect(page.locator(".booking-reference", has_text=kept)).to_be_visible()


async def test_a_filter_that_loads_while_a_cancellation_ends_is_shown(make_event: MakeEvent, visit: OpenPage) -> None:
    site, page, cancelled, _ = await _list_of_two(make_event, visit, "filter-meanwhile")
    may_load = asyncio.Event()

    async def load(route: Route) -> None:
        await may_load.wait()
        await route.continue_()

    await page.route(re.compile("show=cancelled"), load)
    site.network.hold("POST")
    await _confirm(page)
    await page.locator(".filters").get_by_role("link", name=words("bookings.cancelled")).click()
    await expect(page.locator(".bookings[aria-busy]")).to_have_count(1)
    async with page.expect_response(re.compile(f"/api/bookings/{cancelled}$")):
        site.network.release()
    may_load.set()
    await expect(page.locator(".booking-reference")).to_have_text([cancelled])
