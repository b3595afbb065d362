"""Visitors of the web app, and the steps that many tests share."""

import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable

from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Locator, Page, expect

from tests.webapp.site import Site
from tests.webapp.words import words

PHONE = (390, 844)
DESKTOP = (1280, 800)
OpenPage = Callable[..., Awaitable[Page]]


class Visitors:
    """Browser contexts. Each acts as the browser of one visitor.

    After a test its visitors lose all stored data except the web app's files. One open page with a picture keeps the
    browser's process alive, which halves the cost of the next visit.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: defaultdict[str, list[BrowserContext]] = defaultdict(list)
        self._kept: dict[BrowserContext, CDPSession] = {}

    async def take(self, locale: str) -> BrowserContext:
        """Return the context of a visitor without stored data."""
        if self._idle[locale]:
            return self._idle[locale].pop()
        context = await self._browser.new_context(locale=locale)
        self._kept[context] = await context.new_cdp_session(await context.new_page())
        return context

    async def release(self, context: BrowserContext, locale: str) -> None:
        """Close a visitor's pages, and delete the stored data."""
        origins = {page.url.split("/", 3)[2] for page in context.pages if page.url.startswith("http")}
        kept, *others = context.pages
        if kept.url == "about:blank" and origins:
            with contextlib.suppress(Error):  # a test may have stopped the server
                await kept.goto(f"http://{next(iter(origins))}/favicon.svg")
        for page in others:
            await page.close()
        await context.clear_permissions()
        await context.clear_cookies()
        for origin in origins:
            scope = {"origin": f"http://{origin}", "storageTypes": "local_storage"}
            await self._kept[context].send("Storage.clearDataForOrigin", scope)
        self._idle[locale].append(context)


async def open_event(site: Site, visit: OpenPage, user_id: str | None = None, *, size: tuple[int, int] = PHONE) -> Page:
    """Open an event's page, fill in the buyer's name if there is one, and wait for live counts."""
    page = await visit(site.event_url, size=size)
    if user_id is not None:
        await page.get_by_label(words("user.label")).fill(user_id)
    await expect(page.locator(".freshness")).to_have_text(words("counts.live"))
    return page


def tickets_left(page: Page, tier: str) -> Locator:
    """Return the place of a tier's exact count, which an event's page shows on demand."""
    return page.locator(f".counts li[data-tier='{tier}']")


async def keep_entering(page: Page) -> None:
    """Dispatch the event of a selected tab repeatedly, because a page does not poll after each of them."""
    await page.evaluate("setInterval(() => document.dispatchEvent(new Event('visibilitychange')), 500)")


async def draw_map(page: Page) -> None:
    """Draw the map, which waits until it is near the viewport, and return to the top."""
    await page.locator(".plan").scroll_into_view_if_needed()
    await expect(page.locator(".house .seat").first).to_be_visible()
    await page.evaluate("scrollTo(0, 0)")
