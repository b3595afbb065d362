"""The request for the list of events begins before React makes the page interactive, and is sent once."""

import asyncio

import pytest
from playwright.async_api import Request, Route, expect

from tests.webapp.site import MakeEvent
from tests.webapp.visitors import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOON_S = 20.0


async def test_the_list_is_read_before_the_page_is_interactive(make_event: MakeEvent, visit: OpenPage) -> None:
    site = await make_event("GA=5", name="Early Bird")
    page = await visit("about:blank")
    reads: list[str] = []
    began = asyncio.Event()

    def note(request: Request) -> None:
        if request.url.endswith("/api/events"):
            reads.append(request.url)
            began.set()

    async def load(route: Route) -> None:
        async with asyncio.timeout(SOON_S):
            await began.wait()
        await route.continue_()

    page.on("request", note)
    # This script makes the page interactive.
    await page.route("**/assets/entry.client-*.js", load)
    await page.goto(site.url)
    await expect(page.locator(".event-card", has_text="Early Bird")).to_be_visible()
    assert len(reads) == 1
