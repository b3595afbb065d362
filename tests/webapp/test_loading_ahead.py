"""A page stays when the scripts that it loads ahead cannot be loaded, and a link loads them later."""

import pytest
from playwright.async_api import Route, expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import Visitors, tickets_left
from tests.webapp.words import words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCRIPTS_AHEAD = ("_booking_", "_bookings_", "_index-")


async def test_a_page_stays_without_the_scripts_of_other_pages(make_event: MakeEvent, visitors: Visitors) -> None:
    site = await make_event("GA=50")
    async with visitors.visitor() as context:
        page = await context.new_page()
        loads: list[str] = []
        page.on("domcontentloaded", lambda loaded: loads.append(loaded.url))
        lost: list[str] = []

        async def lose(route: Route) -> None:
            if any(f"/{name}" in route.request.url for name in SCRIPTS_AHEAD):
                lost.append(route.request.url)
                await route.abort()
            else:
                await route.continue_()

        await page.route("**/assets/*.js", lose)
        await page.goto(site.event_url)
        await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
        for name in SCRIPTS_AHEAD:
            await expect(page.locator(f"link[rel=modulepreload][href*='/{name}']").first).to_be_attached()
        # The page still polls, and it is the document of the visit.
        await page.locator(".counts summary").click()
        assert (await site.sell("GA", 8)).status_code == 201
        await expect(tickets_left(page, "GA")).to_contain_text("42")
        assert len(lost) >= len(SCRIPTS_AHEAD)
        assert loads == [site.event_url]
        # A link loads the scripts again.
        await page.unroute_all(behavior="wait")
        await page.get_by_label(words("nav.label")).get_by_role("link", name=words("nav.bookings")).click()
        await expect(page.get_by_role("heading", name=words("bookings.title"))).to_be_visible()
        assert page.url == f"{site.url}/bookings"
        assert loads == [site.event_url]


async def test_an_event_page_uses_the_requests_that_begin_before_react(
    make_event: MakeEvent, visitors: Visitors
) -> None:
    site = await make_event("GA=50")
    async with visitors.visitor() as context:
        page = await context.new_page()
        seen: set[str] = set()

        async def serve_once(route: Route) -> None:
            is_first = route.request.url not in seen
            seen.add(route.request.url)
            await (route.continue_() if is_first else route.abort())

        await page.route("**/api/**", serve_once)
        await page.goto(site.event_url)
        await expect(page.locator(".freshness")).to_have_attribute("data-phase", "live")
        await expect(tickets_left(page, "GA")).to_contain_text("50")
        await page.unroute_all(behavior="wait")
        assert len(seen) == 3
