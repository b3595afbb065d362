"""The request for the list of events begins before React makes the page interactive, and the page uses its response."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import SOON_S, OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_list_is_read_before_the_page_is_interactive(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5")
    page = await visit("about:blank")
    began = asyncio.Event()

    async def read_once(route: Route) -> None:
        if began.is_set():
            await route.abort()
        else:
            began.set()
            await route.continue_()

    async def load(route: Route) -> None:
        async with asyncio.timeout(SOON_S):
            await began.wait()
        await route.continue_()

    await page.route("**/api/events", read_once)
    # This script makes the page interactive.
    await page.route("**/assets/entry.client-*.js", load)
    await page.goto(site.url)
    # The early response is drawn, because no later request succeeds.
    await expect(page.locator(".event-card").first).to_be_visible()
